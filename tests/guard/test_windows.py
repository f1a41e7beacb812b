"""Windows tile the time line, in every zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.guard.windows import WINDOWS, Window, bounds

ZONES = sorted(available_timezones())
CALENDAR: tuple[Window, ...] = ("day", "week", "month")
YEAR_1990_S, YEAR_2038_S = 631_152_000, 2_145_916_800


def _at(text: str, zone: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def _local(instant: int, zone: str) -> str:
    return datetime.fromtimestamp(instant, ZoneInfo(zone)).replace(tzinfo=None).isoformat()


def _end(now: float, window: Window, zone: str) -> int:
    _start, end = bounds(now, window, ZoneInfo(zone))
    assert end is not None
    return end


@settings(max_examples=3000, deadline=None)
@given(
    now=st.floats(YEAR_1990_S, YEAR_2038_S),
    window=st.sampled_from([w for w in WINDOWS if w != "total"]),
    zone=st.sampled_from(ZONES),
)
def test_windows_partition_time(now: float, window: Window, zone: str) -> None:
    """Every instant is in one window, and the next window begins where it ends."""
    where = ZoneInfo(zone)
    start, end = bounds(now, window, where)
    assert end is not None
    assert start <= now < end
    assert bounds(end, window, where)[0] == end
    assert bounds(start, window, where) == (start, end)
    assert bounds(end - 0.001, window, where) == (start, end)


@settings(max_examples=1500, deadline=None)
@given(
    now=st.floats(YEAR_1990_S, YEAR_2038_S),
    window=st.sampled_from(CALENDAR),
    zone=st.sampled_from(ZONES),
)
def test_calendar_windows_begin_with_a_new_local_date(
    now: float, window: Window, zone: str
) -> None:
    """A day, a Monday or (unless the zone skipped it) a first of the month."""
    where = ZoneInfo(zone)
    start, end = bounds(now, window, where)
    assert end is not None
    first = datetime.fromtimestamp(start, where).date()
    before = datetime.fromtimestamp(start - 1, where).date()
    assert before < first
    if window == "week":
        assert first.weekday() == 0
        assert timedelta(days=6) < timedelta(seconds=end - start) < timedelta(days=8)
    elif window == "month":
        assert first.day == 1
    else:
        assert timedelta(hours=20) <= timedelta(seconds=end - start) <= timedelta(hours=50)


@given(now=st.floats(YEAR_1990_S, YEAR_2038_S), zone=st.sampled_from(ZONES))
def test_an_hour_has_3600_seconds_also_when_clocks_change(now: float, zone: str) -> None:
    """And a minute 60."""
    start, end = bounds(now, "hour", ZoneInfo(zone))
    assert end == start + 3600
    start, end = bounds(now, "minute", ZoneInfo(zone))
    assert end == start + 60


def test_total_is_one_window() -> None:
    """From the epoch on, without an end."""
    assert bounds(1.5e9, "total") == (0, None)


def test_every_transition_of_three_years_is_between_two_windows() -> None:
    """All zones, at every change of their offset from 2024 to 2026 and an hour around it."""
    checked = 0
    for zone in ZONES:
        where = ZoneInfo(zone)
        for moment in _transitions(where):
            for now in (moment - 3601, moment - 1, moment, moment + 1, moment + 3601):
                for window in CALENDAR:
                    start, end = bounds(now, window, where)
                    assert end is not None
                    assert start <= now < end
                    assert bounds(end, window, where)[0] == end
                    checked += 1
    assert checked > 5000


def _transitions(where: ZoneInfo) -> list[int]:
    """Days (as instants) from 2024 to 2026 on which the offset of a zone changes."""
    first = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
    days = [first + 86400 * number for number in range(3 * 366)]
    offsets = [datetime.fromtimestamp(day, where).utcoffset() for day in days]
    changed = [day for day, a, b in zip(days, offsets, offsets[1:], strict=False) if a != b]
    return [_change(day, where) for day in changed]


def _change(day: int, where: ZoneInfo) -> int:
    low, high = day, day + 86400
    before = datetime.fromtimestamp(low, where).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        same = datetime.fromtimestamp(middle, where).utcoffset() == before
        low, high = (middle, high) if same else (low, middle)
    return high


@pytest.mark.parametrize(
    ("now", "zone", "hours"),
    [
        ("2026-10-25T12:00", "Europe/Berlin", 25),
        ("2026-03-29T12:00", "Europe/Berlin", 23),
        ("2026-06-01T12:00", "Asia/Kolkata", 24),
        ("2026-09-06T12:00", "America/Santiago", 23),  # has no midnight
        ("2026-04-04T12:00", "America/Santiago", 25),  # its last hour comes twice
        ("2023-11-05T12:00", "America/Havana", 25),  # has two midnights
        ("2023-03-26T12:00", "Asia/Beirut", 23),  # has no midnight
    ],
)
def test_a_day_is_as_long_as_the_zone_says(now: str, zone: str, hours: int) -> None:
    """From its first instant to the next day's."""
    start, end = bounds(_at(now, zone), "day", ZoneInfo(zone))
    assert end is not None
    assert end - start == hours * 3600


def test_a_skipped_midnight_begins_the_day_after_the_gap() -> None:
    """Santiago went from 23:59:59 to 01:00:00."""
    zone = "America/Santiago"
    start, _ = bounds(_at("2026-09-06T12:00", zone), "day", ZoneInfo(zone))
    assert _local(start, zone) == "2026-09-06T01:00:00"


def test_a_midnight_that_comes_twice_begins_the_day_the_first_time() -> None:
    """Havana had 00:30 twice; both are the same day."""
    zone = ZoneInfo("America/Havana")
    first = datetime(2023, 11, 5, 0, 30, tzinfo=zone, fold=0).timestamp()
    second = datetime(2023, 11, 5, 0, 30, tzinfo=zone, fold=1).timestamp()
    assert second - first == 3600
    assert bounds(first, "day", zone) == bounds(second, "day", zone)


def test_a_day_that_a_zone_skipped_has_no_window() -> None:
    """Apia went from 29 to 31 December 2011."""
    zone = "Pacific/Apia"
    end = _end(_at("2011-12-29T12:00", zone), "day", zone)
    assert _local(end, zone) == "2011-12-31T00:00:00"
    start, after = bounds(end, "day", ZoneInfo(zone))
    assert start == end
    assert after is not None
    assert _local(after, zone) == "2012-01-01T00:00:00"


def test_a_week_begins_on_monday_and_a_month_on_its_first_day() -> None:
    """Local midnight of the rule's zone."""
    zone = "Asia/Tokyo"
    now = _at("2026-11-20T08:00", zone)
    week, month = bounds(now, "week", ZoneInfo(zone)), bounds(now, "month", ZoneInfo(zone))
    assert _local(week[0], zone) == "2026-11-16T00:00:00"
    assert _local(month[0], zone) == "2026-11-01T00:00:00"
    assert _local(_end(now, "month", zone), zone) == "2026-12-01T00:00:00"
