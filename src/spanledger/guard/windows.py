"""Windows of time: half-open intervals that tile the time line. Pure.

A window's start is part of its counter's key, so nothing ever has to be reset. Minutes and
hours are absolute (3600 s each, also when clocks change); days, weeks (Monday first) and
months begin at local midnight of the rule's zone, or at the first instant of that day where
a zone skips midnight.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, get_args

Window = Literal["minute", "hour", "day", "week", "month", "total"]
WINDOWS: tuple[Window, ...] = get_args(Window)

_FIXED_S = {"minute": 60, "hour": 3600}


def bounds(now: float, window: Window, zone: tzinfo = UTC) -> tuple[int, int | None]:
    """Start and end of the window that holds `now`, in whole seconds since the epoch.

    The end is None for ``total``. Start ≤ now < end.
    """
    if window == "total":
        return 0, None
    if window in _FIXED_S:
        length = _FIXED_S[window]
        start = int(now // length) * length
        return start, start + length
    return _calendar_bounds(now, window, zone)


def _calendar_bounds(now: float, window: Window, zone: tzinfo) -> tuple[int, int]:
    # Whole seconds: `fromtimestamp` would round the last microsecond of a day up into the next.
    day = datetime.fromtimestamp(now // 1, zone)
    first = day.replace(hour=0, minute=0, second=0, tzinfo=None)
    if window == "week":
        first -= timedelta(days=first.weekday())
    elif window == "month":
        first = first.replace(day=1)
    start, end = _instant(first, zone), _instant(_next(first, window), zone)
    if end <= now:
        # The zone skipped the day that `now` seemed to belong to; the next window has begun.
        return end, _instant(_next(_next(first, window), window), zone)
    return start, end


def _next(first: datetime, window: Window) -> datetime:
    if window == "day":
        return first + timedelta(days=1)
    if window == "week":
        return first + timedelta(days=7)
    return (first + timedelta(days=32)).replace(day=1)


def _instant(midnight: datetime, zone: tzinfo) -> int:
    """First instant of a local date: its earliest midnight, or where a skipped one would be."""
    local = midnight.replace(tzinfo=zone, fold=0)
    instant = int(local.timestamp())
    shown = datetime.fromtimestamp(instant, zone).replace(tzinfo=None)
    if shown == midnight:
        return instant
    return _after_gap(midnight, instant, zone)


def _after_gap(midnight: datetime, near: int, zone: tzinfo) -> int:
    """Bisect the jump over `midnight`: the first second at which local time is past it."""
    low, high = near - 2 * 86400, near + 2 * 86400
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).replace(tzinfo=None) >= midnight:
            high = middle
        else:
            low = middle
    return high
