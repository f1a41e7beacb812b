"""Forecasts, the end of budgets, rates and what stands out."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spanledger.analytics import (
    FORECAST_METRICS,
    BurnRate,
    Forecast,
    ForecastPoint,
    Scope,
    anomalies,
    budget_end,
    burn_alarms,
    burn_rates,
    forecast,
)
from spanledger.warehouse import Warehouse
from tests.analytics._history import DAYS, WEEKDAY, WEEKEND, History, call_span
from tests.warehouse._rows import insert_spans
from tests.warehouse.test_rollups import build

storage = pytest.mark.storage
_DAY = timedelta(days=1)


@storage
def test_a_forecast_knows_weekdays(known: History) -> None:
    found = forecast(known.warehouse, "calls", scope=Scope("agent", "planner"), days=14)
    assert [point.day for point in found.points] == [
        (known.today + number * _DAY).date() for number in range(14)
    ]
    for point in found.points:
        truth = WEEKEND if point.day.weekday() >= 5 else WEEKDAY
        assert point.low <= truth <= point.high
        assert point.expected == pytest.approx(truth, rel=0.15)
    assert len(found.history) == DAYS
    assert all(point.actual is not None for point in found.history)


@storage
def test_one_dear_day_does_not_bend_the_forecast(known: History) -> None:
    """It cost several times as much as days do."""
    found = forecast(known.warehouse, "cost", scope=Scope("agent", "planner"), days=7)
    usual = (5 * WEEKDAY + 2 * WEEKEND) * 0.002
    assert found.expected_total == pytest.approx(usual, rel=0.15)


@storage
@pytest.mark.parametrize("metric", FORECAST_METRICS)
@pytest.mark.parametrize(
    "scope",
    [Scope(), Scope("model", "gpt-x"), Scope("service", "shop"), Scope("provider", "openai")],
)
def test_bands_hold_the_expected_and_nothing_is_below_nothing(
    known: History, metric: Any, scope: Scope
) -> None:
    found = forecast(known.warehouse, metric, scope=scope, days=92)
    assert len(found.points) == 92
    assert all(0 <= point.low <= point.expected <= point.high for point in found.points)


@storage
def test_without_a_history_there_is_no_forecast(warehouse: Warehouse) -> None:
    assert forecast(warehouse).points == []
    assert burn_rates(warehouse) == []
    assert anomalies(warehouse) == []


@storage
def test_two_days_are_enough_for_a_forecast_without_weekdays(warehouse: Warehouse) -> None:
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    insert_spans(warehouse, [call_span(today - days * _DAY) for days in (1, 2) for _ in range(5)])
    found = forecast(warehouse, "calls", days=3)
    assert [point.expected for point in found.points] == pytest.approx([5, 5, 5], rel=0.05)


@storage
def test_a_forecast_is_the_same_worked_out_now_and_minutes_ago(warehouse: Warehouse) -> None:
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    insert_spans(warehouse, [call_span(today - days * _DAY) for days in range(1, 30)])
    now = forecast(warehouse, days=30)
    build(warehouse, ["forecast_builds"])
    insert_spans(warehouse, [call_span(today - days * _DAY) for days in range(1, 30)])
    assert forecast(warehouse, days=30) == now, "it is the one that was kept"


@storage
def test_impossible_forecasts_are_refused(known: History) -> None:
    with pytest.raises(ValueError, match="1 to 92"):
        forecast(known.warehouse, days=93)
    with pytest.raises(ValueError, match="cost, tokens, calls"):
        forecast(known.warehouse, cast("Any", "x'; --"))
    with pytest.raises(ValueError, match="can't be narrowed to a session"):
        forecast(known.warehouse, scope=Scope("session", "s"))
    nasty = forecast(known.warehouse, scope=Scope("agent", "x'; DROP TABLE calls; --"))
    assert nasty.points == []


@storage
def test_the_hour_and_the_session_that_cost_more_stand_out_with_the_reason(known: History) -> None:
    found = anomalies(known.warehouse, scope=Scope("agent", "planner"))
    hour = next(row for row in found if row.kind == "cost_per_call")
    assert hour.at == known.dear_day + timedelta(hours=8)
    assert hour.times == pytest.approx(10)
    assert hour.reason == (
        "agent planner: a call cost $0.0200, 10 times the usual $0.0020; with the same model and "
        "as many tokens as usual"
    )
    only = anomalies(known.warehouse, kinds=["cost_per_call"])
    assert [row.at for row in only] == [hour.at]
    assert anomalies(known.warehouse, since=known.today) == []
    with pytest.raises(ValueError, match="choose one of"):
        anomalies(known.warehouse, kinds=[cast("Any", "x")])


@storage
def test_rates_of_all_periods_are_money_by_time(warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    insert_spans(warehouse, [call_span(now - timedelta(minutes=5), 1_000_000_000)])
    insert_spans(warehouse, [call_span(now - timedelta(days=2), 5_000_000_000)])
    found = {rate.period: rate for rate in burn_rates(warehouse)}
    assert (found["1h"].usd_per_hour, found["1h"].calls) == (1, 1)
    assert found["1d"].cost_usd == 1
    assert found["3d"].cost_usd == 6
    assert found["30d"].usd_per_hour == pytest.approx(6 / (found["30d"].period_s / 3600))


def _flat(daily: float, days: int = 40, band: float = 0.0) -> Forecast:
    first = date(2026, 5, 1)
    points = [
        ForecastPoint(first + number * _DAY, None, daily, daily * (1 - band), daily * (1 + band))
        for number in range(days)
    ]
    return Forecast("cost", Scope(), [], points)


_NOW = datetime(2026, 5, 11, tzinfo=UTC)
_END = datetime(2026, 6, 1, tzinfo=UTC)


def test_a_budget_ends_at_the_hour_at_which_it_is_used_up() -> None:
    """100 of 185 dollars are spent after ten days; ten a day."""
    found = budget_end(_flat(10), limit=185, spent=100, now=_NOW, window_end=_END)
    assert found.ends_at == datetime(2026, 5, 19, 12, tzinfo=UTC)
    assert found.sentence == "at this rate the budget ends on 19 May at 12:00 UTC"
    assert found.expected_total == pytest.approx(310)


def test_a_budget_that_may_last_says_when_it_would_end_at_worst() -> None:
    found = budget_end(_flat(10, band=0.5), limit=350, spent=100, now=_NOW, window_end=_END)
    assert found.ends_at is None
    assert found.earliest == datetime(2026, 5, 27, 16, tzinfo=UTC)
    assert "as dear as they may become, it ends on 27 May at 16:00" in found.sentence
    lasting = budget_end(_flat(10), limit=1000, spent=0, now=_NOW, window_end=_END)
    assert "lasts until its window ends on 01 June" in lasting.sentence
    over = budget_end(_flat(10), limit=1, spent=2, now=_NOW, window_end=_END)
    assert (over.ends_at, over.sentence) == (_NOW, "the budget is used up")


def test_an_impossible_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        budget_end(_flat(1), limit=0, spent=0, now=_NOW, window_end=_END)
    with pytest.raises(ValueError, match="before now"):
        budget_end(_flat(1), limit=1, spent=0, now=_END, window_end=_NOW)
    with pytest.raises(ValueError, match="ask for more days"):
        budget_end(_flat(1, days=5), limit=1, spent=0, now=_NOW, window_end=_END)


@given(st.floats(0.01, 1e6), st.floats(0, 1e6), st.floats(0.01, 1e7), st.integers(0, 20 * 24 * 60))
def test_what_is_expected_until_the_end_uses_the_budget_up(
    daily: float, spent: float, limit: float, minutes: int
) -> None:
    assume(limit > spent)
    now = _NOW + timedelta(minutes=minutes)
    found = budget_end(_flat(daily), limit=limit, spent=spent, now=now, window_end=_END)
    days_left = (limit - spent) / daily
    if found.ends_at is None:
        assert days_left >= (_END - now) / _DAY * (1 - 1e-9)
        assert found.expected_total <= limit * (1 + 1e-9)
    else:
        assert (found.ends_at - now) / _DAY == pytest.approx(days_left, abs=1e-6)


def test_an_alarm_needs_a_short_and_a_long_period() -> None:
    fast = BurnRate("1h", 3600, 9, 60.0, 60.0)
    slow = BurnRate("6h", 6 * 3600, 9, 6.0, 1.0)
    assert burn_alarms([fast, slow], 1.0) == [], "one bad hour is over soon"
    lasting = replace(slow, cost_usd=360.0, usd_per_hour=60.0)
    (alarm,) = burn_alarms([fast, lasting], 10.0)
    assert (alarm.short, alarm.long, alarm.times) == ("1h", "6h", 6)
    assert "6.0 times what the budget allows" in alarm.sentence
    with pytest.raises(ValueError, match="above 0"):
        burn_alarms([fast], 0)
