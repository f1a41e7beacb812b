"""The questions of `spanledger.analytics`, on both engines, over rows that are known."""

from dataclasses import replace
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from spanledger import semconv
from spanledger.analytics import (
    DIMENSIONS,
    cost_report,
    find_traces,
    recent_traces,
    refusals,
    totals,
    trace_tree,
)
from spanledger.warehouse import NotMigrated, Warehouse, connect
from tests.warehouse._rows import NOON, TRACE_ID, Span, call, insert_log, insert_spans

pytestmark = pytest.mark.storage

_INJECTION = "x'; DROP TABLE llm_calls; --"


@pytest.fixture
def history(warehouse: Warehouse) -> Warehouse:
    """Two agents, three sessions, an unpriced call, a failed one, a tool and two refusals."""
    spans = [
        call(1, 1_500, AGENT_NAME="planner"),
        call(2, 999_999_999_999_999_999, AGENT_NAME="planner", REQUEST_MODEL="gpt-big"),
        call(3, AGENT_NAME="writer", COST_PROVENANCE="unpriced"),
        replace(call(4, 0, AGENT_NAME="writer", COST_PROVENANCE="estimated"), status="Error"),
        call(5, 7, AGENT_NAME="writer", BILLING="shadow"),
        Span(
            span_id="00000000000000ff",
            parent_id=f"{1:016x}",
            status="Error",
            at=NOON + timedelta(seconds=1),
            attributes={semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_NAME: "search"},
        ),
    ]
    # Twice, in other batches: what is sent again counts once.
    insert_spans(warehouse, spans)
    insert_spans(warehouse, spans[1:3])
    for number, (reason, model) in enumerate(
        [
            ("budget_exhausted", "gpt-x"),
            ("budget_exhausted", "never"),
            ("stream_exhausted", "gpt-x"),
        ]
    ):
        insert_log(warehouse, _refusal(f"decision-{number}", reason, model))
    return warehouse


def _refusal(decision_id: str, reason: str, model: str) -> dict[str, str]:
    return {
        semconv.GUARD_DECISION_ID: decision_id,
        semconv.GUARD_DECISION: "refused",
        semconv.GUARD_REASON: reason,
        semconv.GUARD_RULE: "daily",
        semconv.GUARD_METRIC: "cost",
        semconv.GUARD_LIMIT: "1000000000",
        semconv.AGENT_NAME: "planner",
        semconv.CONVERSATION_ID: "session-1",
        semconv.REQUEST_MODEL: model,
    }


def test_cost_is_exact_and_calls_without_a_price_stand_apart(history: Warehouse) -> None:
    planner, writer = cost_report(history, "agent")
    assert (planner.name, planner.calls, planner.unpriced_calls) == ("planner", 2, 0)
    assert planner.cost_usd == Decimal("1000000000.000001499")
    assert (writer.name, writer.calls, writer.unpriced_calls, writer.failed_calls) == (
        "writer",
        2,
        1,
        1,
    )
    assert (writer.cost_usd, writer.estimated_calls) == (Decimal(0), 1)


def test_a_model_that_was_only_refused_cost_nothing_and_was_not_called(history: Warehouse) -> None:
    rows = {row.name: row for row in cost_report(history, "model")}
    assert (rows["never"].calls, rows["never"].refused_calls) == (0, 1)
    assert rows["never"].cost_usd == Decimal(0)
    assert rows["gpt-x"].refused_calls == 1, "a stream that was cut was sent"


def test_a_group_in_which_nothing_has_a_price_is_unpriced(warehouse: Warehouse) -> None:
    insert_spans(warehouse, [call(1, AGENT_NAME="a", COST_PROVENANCE="unpriced")])
    (row,) = cost_report(warehouse, "agent")
    assert (row.cost_usd, row.unpriced_calls) == (None, 1)
    assert totals(warehouse).cost_usd is None


def test_the_totals_are_the_sums_of_every_dimension(history: Warehouse) -> None:
    total = totals(history)
    assert (total.calls, total.refused_calls, total.sessions) == (4, 2, 3)
    assert (total.tool_calls, total.failed_tool_calls) == (1, 1)
    for dimension in DIMENSIONS:
        rows = cost_report(history, dimension)
        assert sum(row.calls for row in rows) == total.calls
        assert sum(row.refused_calls for row in rows) == total.refused_calls
        assert sum(row.cost_usd or Decimal(0) for row in rows) == total.cost_usd


def test_a_session_and_a_period_cut_out_their_part(history: Warehouse) -> None:
    assert [row.calls for row in cost_report(history, session="session-1")] == [1, 1]
    assert totals(history, session="session-1").calls == 2
    assert totals(history, since=NOON + timedelta(milliseconds=3)).calls == 2
    assert totals(history, since=NOON.replace(tzinfo=None)).calls == 4
    assert totals(history, since=NOON + timedelta(days=1)).refused_calls == 0


def test_an_empty_database_cost_nothing(warehouse: Warehouse) -> None:
    assert cost_report(warehouse) == []
    assert totals(warehouse).cost_usd == Decimal(0)
    assert recent_traces(warehouse) == []
    assert trace_tree(warehouse, TRACE_ID) == []
    assert find_traces(warehouse, "") == []


def test_a_trace_is_read_as_its_tree_each_span_once(history: Warehouse) -> None:
    roots = trace_tree(history, TRACE_ID)
    assert [root.span.span_id for root in roots] == [f"{n:016x}" for n in (1, 2, 3, 4, 5)]
    (tool,) = roots[0].children
    assert (tool.span.what, tool.span.tool, tool.span.failed) == ("tool", "search", True)
    assert [root.calls for root in roots] == [1, 1, 1, 1, 0]
    assert roots[0].cost_usd == Decimal("0.0000015")
    assert roots[2].cost_usd is None


def test_refusals_of_a_trace_carry_their_numbers(history: Warehouse) -> None:
    assert [(r.rule, r.reason, r.limit_amount) for r in refusals(history, TRACE_ID)] == [
        ("daily", "budget_exhausted", Decimal(10**9)),
        ("daily", "budget_exhausted", Decimal(10**9)),
        ("daily", "stream_exhausted", Decimal(10**9)),
    ]
    assert refusals(history, "0" * 32) == []


def test_the_newest_trace_comes_first_within_one_second_too(warehouse: Warehouse) -> None:
    ids = [f"{n:032x}" for n in (3, 1, 2)]
    for number, trace_id in enumerate(ids):
        at = NOON + timedelta(milliseconds=number)
        root = Span(span_id=f"{number + 1:016x}", trace_id=trace_id, at=at, name=f"root {number}")
        child = replace(
            root,
            span_id=f"{number + 101:016x}",
            parent_id=root.span_id,
            name="child",
            status="Error",
            attributes={semconv.SESSION_ID: f"s{number}"},
        )
        insert_spans(warehouse, [child, root])
        assert len(trace_tree(warehouse, trace_id)[0].children) == 1
    found = recent_traces(warehouse, limit=2)
    assert [row.trace_id for row in found] == [ids[2], ids[1]]
    assert (found[0].root_name, found[0].spans, found[0].failed_spans) == ("root 2", 2, 1)
    assert (found[0].session_id, found[0].started_at.tzinfo) == ("s2", UTC)
    assert found[0].duration_s == pytest.approx(1.5)
    assert [row.trace_id for row in recent_traces(warehouse, session="s0")] == [ids[0]]


def test_traces_are_found_by_the_beginning_of_their_id(history: Warehouse) -> None:
    assert find_traces(history, TRACE_ID[:6].upper()) == [TRACE_ID]
    assert find_traces(history, "ffff") == []


@pytest.mark.parametrize("text", [_INJECTION, "{since:String}", "\\", "ü" * 5000, "\x00"])
def test_values_never_become_sql(history: Warehouse, text: str) -> None:
    assert cost_report(history, session=text) == []
    assert find_traces(history, text) == []
    assert trace_tree(history, text) == []
    assert recent_traces(history, session=text) == []
    assert totals(history).calls == 4


def test_a_dimension_that_does_not_exist_is_an_error(history: Warehouse) -> None:
    with pytest.raises(ValueError, match="agent, model, session"):
        cost_report(history, cast("Any", _INJECTION))


def test_a_database_that_is_not_there_says_what_to_run(warehouse_url: str) -> None:
    with connect(warehouse_url) as nothing, pytest.raises(NotMigrated, match="spanledger migrate"):
        totals(nothing)
