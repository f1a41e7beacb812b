"""``--since``: how far to look back. Pure: *now* is an argument."""

import re
from datetime import UTC, datetime, timedelta

FORMS = "a number with m, h, d or w (30m, 24h, 7d, 2w), a date (2026-05-01), or all"
_SPAN = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_since(text: str, now: datetime) -> datetime | None:
    """The moment that `text` means, in UTC; None for ``all``.

    Raises:
        ValueError: it is none of `FORMS`, or before the year 1.
    """
    word = text.strip().lower()
    if word == "all":
        return None
    if match := _SPAN.fullmatch(word):
        try:
            return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        except OverflowError:
            raise ValueError(f"{text!r} is longer than there is history; use all") from None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is not understood; give {FORMS}") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
