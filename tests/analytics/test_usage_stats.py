"""Who used how much, by every dimension and step of time, over a history that is known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from spanledger.analytics import (
    SCOPE_KINDS,
    USAGE_WINDOWS,
    Scope,
    UnknownName,
    UsageRow,
    UsageWindow,
    compare_models,
    known_names,
    require_known,
    usage_stats,
)
from spanledger.warehouse import Warehouse
from tests.analytics._history import DAYS, History, calls_of

pytestmark = pytest.mark.storage

_OF_MODELS = tuple(kind for kind in SCOPE_KINDS if kind != "tool")
_NASTY = ["x'; DROP TABLE llm_calls; --", "{name:String}", "\\", "ü" * 900, "\x00"]


def _one(rows: list[UsageRow]) -> UsageRow:
    (row,) = rows
    return row


def test_an_agent_has_its_calls_tokens_and_exact_cost(known: History) -> None:
    planner, writer = usage_stats(known.warehouse, "agent")
    assert (planner.name, planner.calls) == ("planner", known.planned)
    assert planner.cost_usd == known.planned_usd
    assert planner.tokens == 1100 * known.planned
    assert planner.cache_read_tokens == 400 * known.planned
    assert (planner.average_tokens, planner.average_duration_s, planner.success_rate) == (
        1100,
        2,
        1,
    )
    assert (writer.calls, writer.failed_calls, writer.unpriced_calls) == (4, 2, 2)
    assert writer.cost_usd == Decimal("0.0090005")
    assert writer.average_cost_usd == Decimal("0.00450025"), "calls without a price are left out"
    assert writer.success_rate == 0.5


def test_latency_is_known_within_a_bucket(known: History) -> None:
    row = _one(usage_stats(known.warehouse, "all"))
    for percentile in (row.p50_s, row.p90_s, row.p99_s):
        assert percentile == pytest.approx(2, rel=0.045)


@pytest.mark.parametrize("window", USAGE_WINDOWS)
def test_every_dimension_and_step_adds_up_to_all(known: History, window: UsageWindow) -> None:
    whole = _one(usage_stats(known.warehouse, "all"))
    for by in _OF_MODELS:
        rows = usage_stats(known.warehouse, by, window=window, limit=1000)
        assert sum(row.calls for row in rows) == whole.calls
        assert sum(row.cost_usd or Decimal(0) for row in rows) == whole.cost_usd


def test_steps_begin_where_the_calendar_says(known: History) -> None:
    hours = usage_stats(known.warehouse, "all", window="hour")
    assert all(row.start and row.start.minute == 0 for row in hours)
    days = usage_stats(known.warehouse, "all", window="day", only=[Scope("agent", "planner")])
    assert [row.start for row in days] == known.days()
    assert [row.calls for row in days] == [calls_of(day) for day in known.days()]
    weeks = usage_stats(known.warehouse, "all", window="week")
    assert all(row.start and row.start.weekday() == 0 for row in weeks)
    months = usage_stats(known.warehouse, "all", window="month")
    assert all(row.start and row.start.day == 1 for row in months)
    assert {row.start.tzinfo for row in months if row.start} == {UTC}


@pytest.mark.parametrize("by", ["agent", "model", "session"])
def test_a_period_counts_to_the_minute(known: History, by: Any) -> None:
    """Whole days and hours come from roll-ups, the rest call by call: no call twice or never."""
    day = known.first + timedelta(days=3)
    for since, until in (
        (day + timedelta(hours=8, minutes=2), day + timedelta(hours=8, minutes=4)),
        (day + timedelta(hours=8, minutes=3), day + timedelta(days=2, hours=9, minutes=1)),
        (day + timedelta(hours=8), day + timedelta(hours=9)),
        (day, day + timedelta(days=1)),
        (known.first - timedelta(days=400), day + timedelta(hours=8, minutes=5)),
    ):
        (truth,) = known.warehouse.query(
            "SELECT count() AS calls, sum(cost_usd) AS cost FROM calls "
            "WHERE ts >= {since:DateTime('UTC')} AND ts < {until:DateTime('UTC')}",
            since=since,
            until=until,
        )
        rows = usage_stats(known.warehouse, by, since=since, until=until, limit=1000)
        assert sum(row.calls for row in rows) == truth["calls"] > 0
        assert sum(row.cost_usd or Decimal(0) for row in rows) == truth["cost"]


def test_names_of_one_kind_are_alternatives_and_kinds_narrow_down(known: History) -> None:
    both = [Scope("agent", "planner"), Scope("agent", "writer")]
    assert len(usage_stats(known.warehouse, "agent", only=both)) == 2
    narrowed = [*both, Scope("provider", "anthropic")]
    assert _one(usage_stats(known.warehouse, "agent", only=narrowed)).name == "writer"
    one = usage_stats(known.warehouse, "model", only=[Scope("session", "w-1")])
    assert _one(one).calls == 4


def test_the_limit_keeps_the_dearest_names_with_all_their_steps(known: History) -> None:
    rows = usage_stats(known.warehouse, "agent", window="day", limit=1)
    assert {row.name for row in rows} == {"planner"}
    assert len(rows) == DAYS


def test_tools_are_counted_apart_from_models(known: History) -> None:
    tool = _one(usage_stats(known.warehouse, "tool"))
    assert (tool.name, tool.calls, tool.tokens) == ("search", DAYS, 0)
    with pytest.raises(ValueError, match="no model"):
        usage_stats(known.warehouse, "tool", only=[Scope("model", "gpt-x")])
    with pytest.raises(ValueError, match="ask by tool"):
        usage_stats(known.warehouse, "agent", only=[Scope("tool", "search")])


def test_models_are_compared_on_one_agent(known: History) -> None:
    (row,) = compare_models(known.warehouse, "planner")
    assert (row.model, row.calls, row.times_cheapest) == ("gpt-x", known.planned, 1)
    assert row.cost_per_call_usd == (known.planned_usd / known.planned).quantize(Decimal("1e-9"))
    assert (row.input_tokens_per_call, row.output_tokens_per_call) == (1000, 100)
    assert (row.cached_share, row.error_rate) == (0.4, 0)
    cheap, dear = compare_models(known.warehouse)
    assert (cheap.model, dear.model) == ("gpt-x", "claude-y")
    assert dear.times_cheapest is not None
    assert dear.times_cheapest > 1
    assert dear.error_rate == 0.5


@pytest.mark.parametrize("kind", [kind for kind in SCOPE_KINDS if kind != "all"])
def test_what_is_recorded_is_known_and_what_is_not_is_an_error(known: History, kind: Any) -> None:
    names = known_names(known.warehouse, kind)
    assert names
    require_known(known.warehouse, Scope(kind, names[0]))
    with pytest.raises(UnknownName, match="there is"):
        require_known(known.warehouse, Scope(kind, names[0] + "x"))


@pytest.mark.parametrize("text", _NASTY)
def test_values_never_become_sql(known: History, text: str) -> None:
    for by in ("agent", "session"):
        assert usage_stats(known.warehouse, "all", only=[Scope(cast("Any", by), text)]) == []
    with pytest.raises(UnknownName):
        require_known(known.warehouse, Scope("agent", text))


def test_bad_arguments_are_one_sentence(known: History) -> None:
    nonsense: Any = "x'; --"
    for wrong in ({"by": nonsense}, {"window": nonsense}):
        with pytest.raises(ValueError, match="choose one of"):
            usage_stats(known.warehouse, **wrong)
    with pytest.raises(ValueError, match="holds no time"):
        usage_stats(known.warehouse, since=known.today, until=known.first)
    with pytest.raises(ValueError, match=r"10,000 characters"):
        Scope("agent", "x" * 10_000)


def test_an_empty_database_has_no_rows(warehouse: Warehouse) -> None:
    for by in SCOPE_KINDS:
        assert usage_stats(warehouse, by, window="day") == []
    with pytest.raises(UnknownName, match=r"nothing is recorded of agent 'x'$"):
        require_known(warehouse, Scope("agent", "x"))


def test_a_time_without_a_zone_is_utc(known: History) -> None:
    naive = known.today.replace(tzinfo=None) - timedelta(days=2)
    aware = replace(known, today=naive.replace(tzinfo=UTC)).today
    assert usage_stats(known.warehouse, since=naive) == usage_stats(known.warehouse, since=aware)
    far = datetime(2200, 1, 1, tzinfo=UTC)
    assert usage_stats(known.warehouse, since=far) == []
