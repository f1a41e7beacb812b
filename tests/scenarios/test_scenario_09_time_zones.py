"""Windows where clocks change, where midnight is missing, and where a whole day is."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from spanledger.guard import Budget, Guard, Policy, Spending
from spanledger.guard.windows import Window, bounds
from spanledger.testing.clock import TickingClock
from tests.guard._calls import call

#: A zone, a date on which something is unusual, and the hours that this local day has.
DAYS = [
    ("Europe/Berlin", "2026-10-25", 25),
    ("Europe/Berlin", "2026-03-29", 23),
    ("America/Santiago", "2026-09-06", 23),  # its midnight is missing
    ("America/Santiago", "2026-04-05", 24),  # 23:00 of the day before comes twice
    ("Asia/Kolkata", "2026-10-25", 24),
    ("Pacific/Apia", "2011-12-29", 24),  # the 30th is missing
    ("Pacific/Apia", "2011-12-31", 24),
]
days = pytest.mark.parametrize(("zone", "date", "hours"), DAYS)
WINDOWS: tuple[Window, ...] = ("hour", "day", "week", "month")


@days
@pytest.mark.parametrize("window", WINDOWS)
def test_scenario_09_windows_follow_on_each_other_without_gap_or_overlap(
    zone: str, date: str, hours: int, window: Window
) -> None:
    where = ZoneInfo(zone)
    noon = datetime.fromisoformat(f"{date}T12:00").replace(tzinfo=where).timestamp()
    for minutes in range(-3 * 1440, 3 * 1440, 15):
        now = noon + 60 * minutes
        start, end = bounds(now, window, where)
        assert end is not None
        assert start <= now < end
        assert bounds(end, window, where)[0] == end
        assert bounds(start, window, where) == bounds(end - 0.001, window, where) == (start, end)
        if window == "hour":
            assert end - start == 3600
        if window == "week":
            assert datetime.fromtimestamp(start, where).weekday() == 0


@days
def test_scenario_09_a_daily_budget_holds_from_the_first_to_the_last_hour_of_the_local_day(
    zone: str, date: str, hours: int
) -> None:
    where = ZoneInfo(zone)
    noon = datetime.fromisoformat(f"{date}T12:00").replace(tzinfo=where)
    clock = TickingClock(bounds(noon.timestamp(), "day", where)[0])
    held = Guard(Policy((Budget("day", "calls", hours, "day", zone=where),)), clock=clock)
    for _hour in range(hours):
        assert datetime.fromtimestamp(clock(), where).date() == noon.date()
        granted = held.admit(call()).granted()
        held.settle(granted, Spending(tokens=0, cost_nano_usd=0))
        clock.advance(3600.0)
    # The day is over, and so is what it counted: to the second, neither sooner nor later.
    clock.jump(-0.5)
    refusal = held.admit(call()).refusal
    assert refusal is not None
    assert refusal.retry_after_s == 0.5
    clock.advance(0.5)
    assert held.admit(call()).allowed
