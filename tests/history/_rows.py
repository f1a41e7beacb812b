"""Stored actions: one session that went wrong and was mended, and some that went well."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from spanledger import semconv
from spanledger.warehouse import Warehouse

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"
COLUMNS = (
    "Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "SpanKind", "ServiceName",
    "SpanAttributes", "Duration", "StatusCode", "StatusMessage",
)  # fmt: skip
LOG_COLUMNS = (
    "Timestamp", "TraceId", "SpanId", "ServiceName", "Body", "LogAttributes", "EventName",
)  # fmt: skip
ROUTINE = 20
"""So many sessions looked a parcel up and answered."""


def clock() -> float:
    """An hour after everything."""
    return NOON.timestamp() + 3600


def identity(number: int) -> str:
    return f"beef{number:03x}000000000"


def span(
    number: int, name: str, attributes: dict[str, str], *, inside: int = 0, **more: Any
) -> list[object]:
    trace_id = more.get("trace_id", TRACE)
    at = NOON + timedelta(seconds=number)
    return [
        at, trace_id, identity(number), identity(inside) if inside else "", name, "Internal",
        "desk", attributes, more.get("duration_ns", 500_000_000), more.get("status", "Unset"),
        more.get("message", ""),
    ]  # fmt: skip


def of(session: str, agent: str = "clerk", **more: str) -> dict[str, str]:
    told = {semconv.CONVERSATION_ID: session, "session.id": session, semconv.AGENT_NAME: agent}
    return told | {getattr(semconv, name): value for name, value in more.items()}


def call(session: str, **more: str) -> dict[str, str]:
    usual = {
        semconv.OPERATION_NAME: "chat",
        semconv.PROVIDER_NAME: "openai",
        semconv.REQUEST_MODEL: "gpt-x",
        semconv.USAGE_INPUT_TOKENS: "100",
        semconv.USAGE_OUTPUT_TOKENS: "20",
        semconv.COST_NANO_USD: "2500000",
        semconv.COST_PROVENANCE: "computed",
        semconv.USAGE_SOURCE: "provider",
        semconv.BILLING: "call",
    }
    return of(session) | usual | {getattr(semconv, name): value for name, value in more.items()}


def tool(session: str, name: str, **more: str) -> dict[str, str]:
    usual = {semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_NAME: name}
    return of(session) | usual | {getattr(semconv, name): value for name, value in more.items()}


def _troubled() -> Iterator[list[object]]:
    yield span(1, "session", {semconv.SPAN_KIND: "session", "session.id": "s-1"}
               | of("s-1", ""), duration_ns=20_000_000_000)  # fmt: skip
    agent = of("s-1", OPERATION_NAME="invoke_agent", SPAN_KIND="agent")
    yield span(2, "invoke_agent clerk", agent, inside=1, duration_ns=15_000_000_000)
    wanted = of("s-1", SPAN_KIND="operation", COMMAND="Where is parcel 17?")
    yield span(3, "answer", wanted, inside=2, duration_ns=12_000_000_000)
    yield span(4, "chat gpt-x", call("s-1"), inside=3)
    failed = tool("s-1", "track_parcel", ERROR_TYPE="TimeoutError", TOOL_ARGUMENTS='{"id": 17}')
    yield span(5, "execute_tool track_parcel", failed, inside=3, status="Error",
               message="the depot in Bergen did not answer")  # fmt: skip
    done = tool("s-1", "track_parcel", TOOL_ARGUMENTS='{"id": 17}', TOOL_RESULT="x" * 700)
    yield span(6, "execute_tool track_parcel", done, inside=3)
    cut = call("s-1", RESPONSE_FINISH_REASONS='["length"]')
    yield span(7, "chat gpt-x", cut, inside=3)
    refused = call("s-1", BILLING="refused", GUARD_REASON="budget_exceeded", GUARD_RULE="daily",
                   CALL_ID="call-refused")  # fmt: skip
    yield span(8, "chat gpt-x", refused, inside=3, status="Error", message="over the budget")
    shadow = call("s-1", BILLING="shadow")
    yield span(9, "chat gpt-x", shadow, inside=7)


def _routine(number: int) -> Iterator[list[object]]:
    session, trace_id, at = f"routine-{number}", f"{number:032x}", 100 + 10 * number
    for step, name in enumerate(("gpt-x", "track_parcel", "gpt-x", "send_mail")):
        attributes = call(session) if name == "gpt-x" else tool(session, name)
        yield span(at + step, name, attributes, trace_id=trace_id)


def seed(warehouse: Warehouse) -> None:
    """Everything, and the troubled session a second time, as after a lost answer."""
    for batch in (list(_troubled()), list(_troubled())[:4]):
        warehouse.insert("otel_traces", COLUMNS, batch)
    routine = [row for number in range(1, ROUTINE + 1) for row in _routine(number)]
    warehouse.insert("otel_traces", COLUMNS, routine)
    told = of("s-1", GUARD_DECISION="refused", GUARD_REASON="budget_exceeded", GUARD_RULE="daily",
              REQUEST_MODEL="gpt-x", CALL_ID="call-refused")  # fmt: skip
    told |= {"spanledger.guard.event": "refused", "spanledger.guard.decision_id": "d-1"}
    row = [NOON + timedelta(seconds=8), TRACE, identity(8), "desk", "over the budget", told,
           semconv.GUARD_EVENT_NAME]  # fmt: skip
    warehouse.insert("otel_logs", LOG_COLUMNS, [row])
