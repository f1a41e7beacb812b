"""From spans to rows of `calls` and `tools`."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from spanledger import semconv
from spanledger.warehouse import Warehouse
from tests.warehouse._rows import NOON, TRACE_ID, Span, call, insert_spans

pytestmark = pytest.mark.storage


def only_call(warehouse: Warehouse, span: Span) -> dict[str, Any]:
    insert_spans(warehouse, [span])
    (row,) = warehouse.query("SELECT * FROM calls")
    return row


def test_every_column_of_a_call_is_read_from_its_span(warehouse: Warehouse) -> None:
    span = Span(
        parent_id="00f067aa0ba902b7",
        status="Error",
        attributes={
            semconv.OPERATION_NAME: "chat",
            semconv.PROVIDER_NAME: "anthropic",
            semconv.REQUEST_MODEL: "claude-x",
            semconv.RESPONSE_MODEL: "claude-x-20260101",
            semconv.AGENT_NAME: "planner",
            semconv.CONVERSATION_ID: "conversation-7",
            semconv.SESSION_ID: "another name for it",
            semconv.USER_ID: "ada",
            semconv.CALL_ID: "call-1",
            semconv.CALL_ATTEMPT: "2",
            semconv.USAGE_INPUT_TOKENS: "1000",
            semconv.USAGE_OUTPUT_TOKENS: "200",
            semconv.USAGE_CACHE_READ_TOKENS: "600",
            semconv.USAGE_CACHE_WRITE_TOKENS: "300",
            semconv.ANTHROPIC_CACHE_WRITE_1H_TOKENS: "100",
            semconv.USAGE_REASONING_TOKENS: "50",
            semconv.COST_NANO_USD: "12345678901",
            semconv.COST_PROVENANCE: "provider",
            semconv.COST_PRICE_VERSION: "2026-03",
            semconv.USAGE_SOURCE: "provider",
            semconv.OPENAI_RESPONSE_SERVICE_TIER: "flex",
            semconv.ERROR_TYPE: "RateLimitError",
            semconv.ERROR_ID: "00f067aa0ba902b7",
            semconv.ERROR_FINGERPRINT: "fingerprint-1",
            semconv.STREAM_OUTCOME: "cut",
            semconv.RESPONSE_TIME_TO_FIRST_CHUNK: "0.25",
            semconv.RESPONSE_FINISH_REASONS: '["stop","length"]',
            semconv.BILLING: "call",
        },
    )
    row = only_call(warehouse, span)
    assert row.pop("received_at") is not None
    assert row == {
        "ts": NOON.replace(tzinfo=None),
        "duration_s": 1.5,
        "duration_us": 1_500_000,
        "trace_id": TRACE_ID,
        "span_id": "b7ad6b7169203331",
        "parent_span_id": "00f067aa0ba902b7",
        "span_name": "chat gpt-x",
        "operation": "chat",
        "service": "agent",
        "provider": "anthropic",
        "request_model": "claude-x",
        "response_model": "claude-x-20260101",
        "agent": "planner",
        "session_id": "conversation-7",
        "user_id": "ada",
        "call_id": "call-1",
        "attempt": 2,
        "billing": "call",
        "scope": "",
        "input_tokens": 1000,
        "output_tokens": 200,
        "cache_read_tokens": 600,
        "cache_write_tokens": 300,
        "cache_write_1h_tokens": 100,
        "reasoning_tokens": 50,
        "media_counts": [],
        "cost_usd": Decimal("12.345678901"),
        "cost_provenance": "provider",
        "price_version": "2026-03",
        "previous_cost_usd": None,
        "usage_source": "provider",
        "service_tier": "flex",
        "status": "Error",
        "error_type": "RateLimitError",
        "error_id": "00f067aa0ba902b7",
        "error_fingerprint": "fingerprint-1",
        "stream_outcome": "cut",
        "time_to_first_chunk_us": 250_000,
        "finish_reasons": ["stop", "length"],
    }


def test_every_inference_operation_is_a_call(warehouse: Warehouse) -> None:
    operations = sorted(semconv.INFERENCE_OPERATIONS)
    spans = [call(number, OPERATION_NAME=name) for number, name in enumerate(operations)]
    insert_spans(warehouse, spans)
    rows = warehouse.query("SELECT operation FROM calls ORDER BY operation")
    assert [row["operation"] for row in rows] == operations


def test_what_is_billed_elsewhere_or_was_refused_or_is_no_inference_is_no_call(
    warehouse: Warehouse,
) -> None:
    others = [
        call(1, BILLING="shadow"),
        call(2, BILLING="container"),
        call(6, BILLING="refused"),
        call(3, OPERATION_NAME=semconv.AGENT_OPERATION),
        call(4, OPERATION_NAME=semconv.TOOL_OPERATION),
        call(5, OPERATION_NAME=""),
        Span(attributes={"http.method": "POST"}),
    ]
    insert_spans(warehouse, others)
    assert warehouse.query("SELECT * FROM calls") == []
    assert warehouse.query("SELECT count() AS n FROM otel_traces") == [{"n": len(others)}]


def test_a_call_without_a_mark_of_ours_is_a_call(warehouse: Warehouse) -> None:
    """Spans of another producer know nothing of our billing mark."""
    attributes = {semconv.OPERATION_NAME: "chat", semconv.USAGE_INPUT_TOKENS: "7"}
    row = only_call(warehouse, Span(attributes=attributes))
    assert (row["input_tokens"], row["cache_read_tokens"]) == (7, 0)
    assert (row["output_tokens"], row["reasoning_tokens"]) == (None, None)
    assert (row["cost_usd"], row["cost_provenance"]) == (None, "unpriced")
    assert (row["usage_source"], row["billing"], row["attempt"]) == ("missing", "", 1)


def test_attempts_that_failed_are_calls_of_their_own(warehouse: Warehouse) -> None:
    marks = ["attempt", "unsent", "call"]
    insert_spans(warehouse, [call(number, BILLING=mark) for number, mark in enumerate(marks)])
    rows = warehouse.query("SELECT billing FROM calls ORDER BY ts")
    assert [row["billing"] for row in rows] == marks


def test_tokens_of_a_call_whose_usage_is_missing_are_unknown_and_not_zero(
    warehouse: Warehouse,
) -> None:
    span = call(
        USAGE_SOURCE="missing",
        USAGE_INPUT_TOKENS="0",
        USAGE_OUTPUT_TOKENS="0",
        USAGE_CACHE_READ_TOKENS="0",
        USAGE_REASONING_TOKENS="0",
        COST_NANO_USD="",
        COST_PROVENANCE="unpriced",
    )
    row = only_call(warehouse, span)
    tokens = {name: value for name, value in row.items() if name.endswith("_tokens")}
    assert len(tokens) == 6
    assert set(tokens.values()) == {None}
    assert (row["cost_usd"], row["cost_provenance"]) == (None, "unpriced")


def test_embeddings_have_no_output(warehouse: Warehouse) -> None:
    attributes = {semconv.OPERATION_NAME: "embeddings", semconv.USAGE_INPUT_TOKENS: "7"}
    row = only_call(warehouse, Span(attributes=attributes))
    assert (row["input_tokens"], row["output_tokens"]) == (7, 0)


MONEY = [
    ("0", "computed", Decimal(0), "computed"),
    ("1", "provider", Decimal("0.000000001"), "provider"),
    ("999999999999999999", "estimated", Decimal("999999999.999999999"), "estimated"),
    ("5", "", Decimal("0.000000005"), "estimated"),
    ("5", "guessed", Decimal("0.000000005"), "estimated"),
    ("5", "unpriced", None, "unpriced"),
    ("0", "unpriced", None, "unpriced"),
    ("", "computed", None, "unpriced"),
    ("-5", "computed", None, "unpriced"),
    ("1000000000000000000", "computed", None, "unpriced"),
    ("9223372036854775808", "computed", None, "unpriced"),
    ("1.5", "computed", None, "unpriced"),
    ("NaN", "computed", None, "unpriced"),
    ("free", "computed", None, "unpriced"),
]
"""Nano-dollars and provenance as a span tells them, cost and provenance as they are stored."""


def test_money_is_exact_or_unpriced(warehouse: Warehouse) -> None:
    spans = [
        call(number, COST_NANO_USD=nano_usd, COST_PROVENANCE=told)
        for number, (nano_usd, told, *_) in enumerate(MONEY)
    ]
    insert_spans(warehouse, spans)
    rows = warehouse.query("SELECT cost_usd, cost_provenance FROM calls ORDER BY ts")
    assert [tuple(row.values()) for row in rows] == [(cost, kept) for _, _, cost, kept in MONEY]


def test_a_sum_of_money_is_exact(warehouse: Warehouse) -> None:
    """Ten million and one nano-dollars, a thousand times: binary fractions would drift."""
    insert_spans(warehouse, [call(number, 10_000_001) for number in range(1, 1001)])
    (row,) = warehouse.query("SELECT sum(cost_usd) AS cost_usd, count() AS n FROM calls")
    assert row == {"cost_usd": Decimal("10.000001000"), "n": 1000}


def test_the_columns_of_a_tool_call_are_read_from_its_span(warehouse: Warehouse) -> None:
    attributes = {
        semconv.OPERATION_NAME: semconv.TOOL_OPERATION,
        semconv.AGENT_NAME: "researcher",
        semconv.SESSION_ID: "session-1",
        semconv.USER_ID: "ada",
        semconv.TOOL_NAME: "search",
        semconv.TOOL_TYPE: "function",
        semconv.TOOL_CALL_ID: "toolu_1",
        semconv.TOOL_ARGUMENTS_HASH: "00f067aa0ba902b7c0ffee00c0ffee00",
        semconv.ERROR_TYPE: "TimeoutError",
    }
    span = Span(name="execute_tool search", status="Error", attributes=attributes)
    insert_spans(warehouse, [span, call()])
    (row,) = warehouse.query("SELECT * FROM tools")
    assert row.pop("received_at") is not None
    assert row == {
        "ts": NOON.replace(tzinfo=None),
        "duration_s": 1.5,
        "duration_us": 1_500_000,
        "trace_id": TRACE_ID,
        "span_id": "b7ad6b7169203331",
        "parent_span_id": "",
        "span_name": "execute_tool search",
        "service": "agent",
        "agent": "researcher",
        "session_id": "session-1",
        "user_id": "ada",
        "tool": "search",
        "tool_type": "function",
        "arguments_hash": "00f067aa",
        "status": "Error",
        "error_type": "TimeoutError",
        "error_id": "",
        "error_fingerprint": "",
    }


def test_hours_are_those_of_utc_in_whatever_time_zone_one_asks(warehouse: Warehouse) -> None:
    insert_spans(warehouse, [call()])
    (landed,) = warehouse.query(
        "SELECT toString(toStartOfHour(Timestamp)) AS hour FROM otel_traces "
        "SETTINGS session_timezone = 'Asia/Kolkata'"
    )
    (typed,) = warehouse.query(
        "SELECT toString(toStartOfHour(ts)) AS hour FROM calls "
        "SETTINGS session_timezone = 'Asia/Kolkata'"
    )
    assert landed["hour"] != typed["hour"] == "2026-03-01 12:00:00"


def test_a_trace_is_found_by_its_hex_id_through_the_index(warehouse: Warehouse) -> None:
    insert_spans(warehouse, [call()])
    plan = warehouse.query(
        "EXPLAIN indexes = 1 SELECT * FROM calls WHERE trace_id = {trace_id:String} "
        "SETTINGS use_skip_indexes_if_final = 1",
        trace_id=TRACE_ID,
    )
    assert any("idx_trace_id" in str(row) for row in plan)


def test_a_correction_outlives_a_late_re_sending(warehouse: Warehouse) -> None:
    insert_spans(warehouse, [call(1, 1_000)])
    warehouse.command(
        "INSERT INTO llm_calls SELECT * REPLACE (toDecimal64('0.5', 9) AS cost_usd, 1 AS revision) "
        "FROM llm_calls"
    )
    insert_spans(warehouse, [call(1, 1_000), call(2, 0)])
    (row,) = warehouse.query("SELECT sum(cost_usd) AS cost_usd FROM calls")
    assert row == {"cost_usd": Decimal("0.5")}


def test_calls_of_a_session_lie_together(warehouse: Warehouse) -> None:
    """The sorting key: hour first, then session, so that one session is one range."""
    (row,) = warehouse.query(
        "SELECT sorting_key FROM system.tables WHERE database = {db:String} AND name = 'llm_calls'",
        db=warehouse.database,
    )
    assert row == {"sorting_key": "toStartOfHour(ts), session_id, trace_id, ts, span_id"}
    later = NOON + timedelta(hours=3)
    span = call()
    insert_spans(warehouse, [span, Span(span_id="2" * 16, at=later, attributes=span.attributes)])
    (found,) = warehouse.query("SELECT count() AS n FROM calls WHERE session_id = 'session-1'")
    assert found == {"n": 2}
