"""Runs of agents and contents."""

from decimal import Decimal

import pytest

from spanledger import semconv
from spanledger.warehouse import Warehouse
from tests.warehouse._rows import NOON, TRACE_ID, Span, insert_spans

pytestmark = pytest.mark.storage


def agent_span(**changed: str) -> Span:
    attributes = {
        semconv.OPERATION_NAME: semconv.AGENT_OPERATION,
        semconv.AGENT_NAME: "planner",
        semconv.CONVERSATION_ID: "session-1",
        semconv.USER_ID: "ada",
        semconv.SUBTREE_COST_NANO_USD: "12345",
        semconv.SUBTREE_TOKENS: "900",
        semconv.SUBTREE_CALLS: "3",
        semconv.SUBTREE_UNPRICED_CALLS: "1",
        semconv.ERROR_TYPE: "TimeoutError",
        semconv.ERROR_ID: "e1",
        semconv.ERROR_FINGERPRINT: "f1",
    }
    return Span(status="Error", attributes=attributes | changed)


def test_a_run_is_read_with_what_everything_below_it_used(warehouse: Warehouse) -> None:
    insert_spans(warehouse, [agent_span()])
    insert_spans(warehouse, [agent_span(), Span(span_id="1" * 16)])
    (row,) = warehouse.query("SELECT * FROM agent_runs")
    assert row.pop("received_at") is not None
    assert row == {
        "ts": NOON.replace(tzinfo=None),
        "duration_s": 1.5,
        "duration_us": 1_500_000,
        "trace_id": TRACE_ID,
        "span_id": "b7ad6b7169203331",
        "parent_span_id": "",
        "span_name": "chat gpt-x",
        "service": "agent",
        "agent": "planner",
        "session_id": "session-1",
        "user_id": "ada",
        "subtree_cost_usd": Decimal("0.000012345"),
        "subtree_tokens": 900,
        "subtree_calls": 3,
        "subtree_unpriced_calls": 1,
        "status": "Error",
        "error_type": "TimeoutError",
        "error_id": "e1",
        "error_fingerprint": "f1",
    }


@pytest.mark.parametrize("bad", ["", "-1", "NaN", "9" * 30, "\x00"])
def test_totals_that_can_not_be_read_are_unknown(warehouse: Warehouse, bad: str) -> None:
    names = (
        semconv.SUBTREE_COST_NANO_USD,
        semconv.SUBTREE_TOKENS,
        semconv.SUBTREE_CALLS,
        semconv.SUBTREE_UNPRICED_CALLS,
    )
    insert_spans(warehouse, [agent_span(**dict.fromkeys(names, bad))])
    (row,) = warehouse.query(
        "SELECT subtree_cost_usd, subtree_tokens, subtree_calls, subtree_unpriced_calls "
        "FROM agent_runs"
    )
    assert set(row.values()) == {None}


def test_contents_lie_apart_and_only_where_they_came_in(warehouse: Warehouse) -> None:
    told = {
        semconv.TOOL_ARGUMENTS: '{"q": "weather"}',
        "gen_ai.input.messages": "[1]",
        "input.value": "",
        "other": "x",
    }
    insert_spans(warehouse, [Span(attributes=told), Span(span_id="2" * 16)])
    insert_spans(warehouse, [Span(attributes=told)])
    rows = warehouse.query("SELECT trace_id, span_id, kind, content FROM content ORDER BY kind")
    assert [tuple(row.values()) for row in rows] == [
        (TRACE_ID, "b7ad6b7169203331", "gen_ai.input.messages", "[1]"),
        (TRACE_ID, "b7ad6b7169203331", semconv.TOOL_ARGUMENTS, '{"q": "weather"}'),
    ]
