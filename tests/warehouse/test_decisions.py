"""From log records of the guard to rows of `decisions`."""

from decimal import Decimal

import pytest

from spanledger import semconv
from spanledger.warehouse import Warehouse
from tests.warehouse._rows import NOON, TRACE_ID, insert_log

pytestmark = pytest.mark.storage


def test_every_column_of_a_decision_is_read_from_its_log_record(warehouse: Warehouse) -> None:
    attributes = {
        semconv.GUARD_DECISION_ID: "decision-1",
        semconv.AGENT_NAME: "planner",
        semconv.CONVERSATION_ID: "session-1",
        semconv.USER_ID: "ada",
        semconv.CALL_ID: "call-1",
        semconv.CALL_ATTEMPT: "2",
        semconv.GUARD_EVENT_KIND: "refused",
        semconv.GUARD_ESTIMATE: "bytes",
        semconv.OPERATION_NAME: "chat",
        semconv.PROVIDER_NAME: "openai",
        semconv.REQUEST_MODEL: "gpt-x",
        semconv.TOOL_NAME: "search",
        semconv.GUARD_DECISION: "refused",
        semconv.GUARD_REASON: "exhausted",
        semconv.GUARD_RULE: "daily",
        semconv.GUARD_SCOPE: "agent=planner",
        semconv.GUARD_METRIC: "cost",
        semconv.GUARD_WINDOW: "day",
        semconv.GUARD_LIMIT: "1000000000",
        semconv.GUARD_SPENT: "999999999",
        semconv.GUARD_RESERVED: "0.5",
        semconv.GUARD_ASKED: "2",
        semconv.GUARD_WAITED_S: "0.25",
        semconv.GUARD_RETRY_AFTER_S: "3600",
    }
    insert_log(warehouse, attributes)
    (row,) = warehouse.query("SELECT * FROM decisions")
    assert row.pop("received_at") is not None
    assert row == {
        "ts": NOON.replace(tzinfo=None),
        "decision_id": "decision-1",
        "trace_id": TRACE_ID,
        "span_id": "b7ad6b7169203331",
        "service": "agent",
        "agent": "planner",
        "session_id": "session-1",
        "user_id": "ada",
        "call_id": "call-1",
        "attempt": 2,
        "operation": "chat",
        "provider": "openai",
        "request_model": "gpt-x",
        "tool": "search",
        "event": "refused",
        "decision": "refused",
        "reason": "exhausted",
        "rule": "daily",
        "scope": "agent=planner",
        "metric": "cost",
        "budget_window": "day",
        "limit_amount": Decimal(1_000_000_000),
        "spent_amount": Decimal(999_999_999),
        "reserved_amount": Decimal("0.5"),
        "asked_amount": Decimal(2),
        "estimate_method": "bytes",
        "waited_s": 0.25,
        "retry_after_s": 3600.0,
        "message": "a sentence",
    }


def test_other_log_records_are_no_decisions(warehouse: Warehouse) -> None:
    insert_log(warehouse, {semconv.GUARD_DECISION: "refused"}, event="something.else")
    insert_log(warehouse, {semconv.GUARD_DECISION: "refused"}, event="")
    assert warehouse.query("SELECT * FROM decisions") == []


def test_the_event_name_may_be_an_attribute(warehouse: Warehouse) -> None:
    insert_log(warehouse, {"event.name": semconv.GUARD_EVENT_NAME}, event="", trace_id="")
    (row,) = warehouse.query("SELECT trace_id, span_id, limit_amount FROM decisions")
    assert row == {"trace_id": "", "span_id": "", "limit_amount": None}


def test_records_without_an_id_are_told_apart_by_what_they_say(warehouse: Warehouse) -> None:
    for reason in ("exhausted", "contended"):
        insert_log(warehouse, {semconv.GUARD_REASON: reason})
    insert_log(warehouse, {semconv.GUARD_REASON: "exhausted"})
    rows = warehouse.query("SELECT reason FROM decisions ORDER BY reason")
    assert [row["reason"] for row in rows] == ["contended", "exhausted"]


def test_a_number_that_cannot_be_read_is_unknown(warehouse: Warehouse) -> None:
    names = (semconv.GUARD_LIMIT, semconv.GUARD_SPENT, semconv.GUARD_WAITED_S)
    garbage = ["", "NaN", "inf", "-inf", "1e400", "many", "\x00", "\U0001f4b8"]
    for bad in garbage:
        insert_log(warehouse, dict.fromkeys(names, bad))
    rows = warehouse.query("SELECT limit_amount, spent_amount, waited_s FROM decisions")
    assert len(rows) == len(garbage)
    assert {value for row in rows for value in row.values()} == {None}


def test_an_amount_too_great_for_its_column_is_unknown(warehouse: Warehouse) -> None:
    insert_log(warehouse, {semconv.GUARD_LIMIT: "9" * 60, semconv.GUARD_SPENT: "9" * 29})
    (row,) = warehouse.query("SELECT limit_amount, spent_amount FROM decisions")
    assert row == {"limit_amount": None, "spent_amount": Decimal("9" * 29)}
