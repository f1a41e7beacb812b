"""From when until when a price holds. Pure: *at* is an argument, in seconds since the epoch."""

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time
from functools import lru_cache

DAY_S = 86_400

When = str | list[str] | None
"""``None`` always, ``"2026-10-14"`` from that day on, ``["01:00:00", "04:00:00"]`` daily (UTC)."""


def epoch_s(at: datetime | float) -> float:
    """Seconds since the epoch; a naive datetime is taken as UTC."""
    if isinstance(at, datetime):
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return at


@lru_cache(maxsize=1024)
def start_s(day: str) -> float:
    """Midnight UTC of an ISO date, or the very second of an ISO date and time."""
    return epoch_s(datetime.fromisoformat(day))


@lru_cache(maxsize=64)
def of_day_s(clock: str) -> int:
    parsed = time.fromisoformat(clock)
    return parsed.hour * 3600 + parsed.minute * 60 + parsed.second


def active(when: When, at_s: float) -> bool:
    """Whether a price with this constraint holds at ``at_s``; intervals are half-open."""
    if when is None:
        return True
    if isinstance(when, str):
        return at_s >= start_s(when)
    start, end, now = of_day_s(when[0]), of_day_s(when[1]), at_s % DAY_S
    if end < start:
        return now >= start or now < end
    return start <= now < end


def span_s(whens: Iterable[When], at_s: float) -> tuple[float, float]:
    """The half-open span around ``at_s`` in which none of the constraints changes."""
    since, until = -math.inf, math.inf
    for edge in _edges(whens, at_s - at_s % DAY_S):
        if edge <= at_s:
            since = max(since, edge)
        else:
            until = min(until, edge)
    return since, until


def _edges(whens: Iterable[When], midnight_s: float) -> Iterator[float]:
    for when in whens:
        if isinstance(when, str):
            yield start_s(when)
        elif when is not None:
            for clock in when:
                yield from (midnight_s + day + of_day_s(clock) for day in (-DAY_S, 0, DAY_S))
