"""From when to when. Pure: *now* is no concern of a period."""

from dataclasses import dataclass
from datetime import UTC, datetime

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
#: The last year that ClickHouse's DateTime knows.
_LAST = datetime(2106, 1, 1, tzinfo=UTC)
_HOUR_S, _DAY_S = 3600, 86400


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open time, in microseconds since the epoch."""

    since_us: int
    until_us: int

    def parameters(self, *, days: bool = True) -> dict[str, object]:
        """As the SQL files name them: the period, and in seconds the whole hours and days in it.

        Without `days` everything is left to the hours.
        """
        first_hour, end_hour = self._whole(_HOUR_S)
        first_day, end_day = self._whole(_DAY_S) if days else (first_hour, first_hour)
        return {
            "since_us": self.since_us,
            "until_us": self.until_us,
            "first_hour_s": first_hour,
            "end_hour_s": end_hour,
            "first_day_s": first_day,
            "end_day_s": end_day,
        }

    def _whole(self, length_s: int) -> tuple[int, int]:
        """The whole hours or days inside; none: a time of no length."""
        length_us = length_s * 1_000_000
        first = -(-self.since_us // length_us) * length_s
        return first, max(first, self.until_us // length_us * length_s)


def utc(moment: datetime) -> datetime:
    """A time without a zone is UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def period(since: datetime | None, until: datetime | None) -> Period:
    """The time between two moments; None: from the beginning, to the end.

    Raises:
        ValueError: it ends before it begins.
    """
    first = _FIRST if since is None else utc(since)
    end = _LAST if until is None else utc(until)
    if since is not None and until is not None and end <= first:
        raise ValueError(
            f"the period from {first:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC holds no time; "
            "its end must be later than its beginning"
        )
    return Period(microseconds(first), microseconds(end))


def microseconds(moment: datetime) -> int:
    """Since the epoch, within what ClickHouse can reckon with."""
    kept = min(max(moment, _FIRST), _LAST)
    return round((kept - _FIRST).total_seconds() * 1_000_000)
