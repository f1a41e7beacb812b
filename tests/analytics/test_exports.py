"""History as files, calls by hand, and deleting."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from spanledger.analytics import (
    EXPORT_FORMS,
    EXPORT_TABLES,
    Scope,
    TrackedCall,
    export_count,
    export_rows,
    reset_preview,
    reset_scope,
    session_outcomes,
    totals,
    track_call,
    usage_stats,
)
from spanledger.warehouse import Warehouse
from tests.analytics._history import History, fill
from tests.warehouse.test_rollups import build

pytestmark = pytest.mark.storage
_AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("what", EXPORT_TABLES)
def test_every_row_is_in_every_form(known: History, what: Any) -> None:
    rows = export_count(known.warehouse, what)
    assert rows > 0
    files = {form: b"".join(export_rows(known.warehouse, what, form)) for form in EXPORT_FORMS}
    objects = [json.loads(line) for line in files["json"].splitlines()]
    lines = list(csv.DictReader(io.StringIO(files["csv"].decode())))
    assert len(objects) == len(lines) == rows
    assert objects[0].keys() == lines[0].keys()
    assert files["parquet"].startswith(b"PAR1")
    assert files["parquet"].endswith(b"PAR1")


def test_money_leaves_exactly(known: History) -> None:
    lines = b"".join(export_rows(known.warehouse, "calls", "json")).splitlines()
    costs = [cost for line in lines if (cost := json.loads(line)["cost_usd"]) is not None]
    assert all(isinstance(cost, str) for cost in costs)
    assert sum(map(Decimal, costs)) == totals(known.warehouse).cost_usd


def test_a_period_is_exported_alone(known: History) -> None:
    day = known.today - timedelta(days=2)
    for what in EXPORT_TABLES:
        some = export_count(known.warehouse, what, since=day, until=day + timedelta(days=1))
        assert some < export_count(known.warehouse, what)
    assert export_count(known.warehouse, "cost_daily", since=day) > 0


def test_what_can_not_be_exported_is_refused(known: History) -> None:
    with pytest.raises(ValueError, match="calls, tools"):
        export_count(known.warehouse, cast("Any", "system.users"))
    with pytest.raises(ValueError, match="json, csv, parquet"):
        export_rows(known.warehouse, "calls", cast("Any", "Native"))


def test_a_call_by_hand_counts_as_any_other(warehouse: Warehouse) -> None:
    call = TrackedCall(
        "openai", "gpt-x", 100, 20, 40, 5, 7, 1_234, "v1", "me", "s", "u", duration_s=1.5
    )
    trace_id = track_call(warehouse, call, at=_AT)
    (row,) = warehouse.query("SELECT * FROM calls")
    assert (row["trace_id"], row["ts"].replace(tzinfo=UTC)) == (trace_id, _AT)
    assert (row["provider"], row["request_model"], row["agent"]) == ("openai", "gpt-x", "me")
    assert (row["input_tokens"], row["output_tokens"], row["reasoning_tokens"]) == (100, 20, 7)
    assert (row["cache_read_tokens"], row["cache_write_tokens"]) == (40, 5)
    assert (row["cost_usd"], row["duration_s"]) == (Decimal("0.000001234"), 1.5)
    assert (row["session_id"], row["user_id"], row["price_version"]) == ("s", "u", "v1")


def test_a_call_by_hand_without_a_price_is_unpriced_and_one_that_failed_failed(
    warehouse: Warehouse,
) -> None:
    track_call(warehouse, TrackedCall("p", "m", 1, 0, failed=True), at=_AT.replace(tzinfo=None))
    (row,) = usage_stats(warehouse, "all")
    assert (row.calls, row.failed_calls, row.unpriced_calls, row.cost_usd) == (1, 1, 1, None)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"model": ""}, "give both"),
        ({"model": "m" * 10_000}, "at most 1,000"),
        ({"input_tokens": -1}, "give 0 to"),
        ({"output_tokens": 2**32}, "give 0 to"),
        ({"cache_read_tokens": 11}, "part of the input"),
        ({"reasoning_tokens": 11}, "part of the output"),
        ({"cost_nano_usd": 10**18}, "can't cost that"),
        ({"duration_s": float("nan")}, "one year"),
    ],
)
def test_a_call_by_hand_that_can_not_be_is_refused(wrong: dict[str, Any], says: str) -> None:
    given: dict[str, Any] = {"provider": "p", "model": "m", "input_tokens": 10, "output_tokens": 10}
    with pytest.raises(ValueError, match=says):
        TrackedCall(**{**given, **wrong})


def test_a_session_is_deleted_and_the_rest_stays_exact(warehouse: Warehouse) -> None:
    history = fill(warehouse, days=5)
    before = totals(warehouse)
    scope = Scope("session", f"s-{history.days()[3]:%m%d}")
    counts = reset_preview(warehouse, scope)
    assert (counts.calls > 0, counts.tool_calls, counts.agent_runs) == (True, 1, 1)
    assert totals(warehouse) == before, "a look changes nothing"
    assert reset_scope(warehouse, scope) == counts
    build(warehouse)
    assert reset_preview(warehouse, scope).calls == 0
    assert usage_stats(warehouse, "session", only=[scope]) == []
    rows = usage_stats(warehouse, "all", window="month")
    assert sum(row.calls for row in rows) == before.calls - counts.calls
    for by in ("agent", "model", "user"):
        found = usage_stats(warehouse, by, limit=1000)
        assert sum(row.calls for row in found) == before.calls - counts.calls
    assert session_outcomes(warehouse).sessions == before.sessions - 1
    (left,) = warehouse.query(
        "SELECT count() AS number FROM otel_traces "
        "WHERE SpanAttributes['gen_ai.conversation.id'] = {name:String}",
        name=scope.name,
    )
    assert left["number"] == 0
    assert reset_scope(warehouse, Scope("agent", "planner")).decisions == 3
    assert {row.name for row in usage_stats(warehouse, "agent")} == {"writer"}
    reset_scope(warehouse, Scope())
    assert totals(warehouse).calls == 0
    assert usage_stats(warehouse, "all") == []


def test_what_can_not_be_deleted_is_refused(known: History) -> None:
    with pytest.raises(ValueError, match="can't be narrowed to a model"):
        reset_preview(known.warehouse, Scope("model", "gpt-x"))
    assert reset_preview(known.warehouse, Scope("agent", "x' OR 1=1 --")).calls == 0
