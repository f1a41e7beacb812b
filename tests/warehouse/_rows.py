"""Rows of the landing tables, as a collector writes them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from spanledger import semconv
from spanledger.warehouse import Warehouse

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SPAN_COLUMNS = [
    "Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "SpanKind", "ServiceName",
    "SpanAttributes", "Duration", "StatusCode",
]  # fmt: skip
LOG_COLUMNS = [
    "Timestamp", "TraceId", "SpanId", "ServiceName", "Body", "LogAttributes", "EventName",
]  # fmt: skip
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


@dataclass(frozen=True)
class Span:
    """One row of ``otel_traces``."""

    span_id: str = "b7ad6b7169203331"
    trace_id: str = TRACE_ID
    parent_id: str = ""
    name: str = "chat gpt-x"
    service: str = "agent"
    at: datetime = NOON
    duration_ns: int = 1_500_000_000
    status: str = "Unset"
    attributes: Mapping[str, str] = field(default_factory=dict)

    def row(self) -> list[object]:
        return [
            self.at, self.trace_id, self.span_id, self.parent_id, self.name, "Client",
            self.service, dict(self.attributes), self.duration_ns, self.status,
        ]  # fmt: skip


def call(number: int = 1, /, nano_usd: int = 1_000, **changed: str) -> Span:
    """The span of one billed chat call; further attributes by their constant's name."""
    attributes = {
        semconv.OPERATION_NAME: "chat",
        semconv.PROVIDER_NAME: "openai",
        semconv.REQUEST_MODEL: "gpt-x",
        semconv.CONVERSATION_ID: f"session-{number % 3}",
        semconv.USAGE_INPUT_TOKENS: "100",
        semconv.USAGE_OUTPUT_TOKENS: "20",
        semconv.COST_NANO_USD: str(nano_usd),
        semconv.COST_PROVENANCE: "computed",
        semconv.USAGE_SOURCE: "provider",
        semconv.BILLING: "call",
    }
    attributes |= {getattr(semconv, name): value for name, value in changed.items()}
    at = NOON + timedelta(milliseconds=number)
    return Span(span_id=f"{number:016x}", at=at, attributes=attributes)


def insert_spans(
    warehouse: Warehouse, spans: Iterable[Span], *, deduplication_token: str | None = None
) -> None:
    rows = [span.row() for span in spans]
    warehouse.insert("otel_traces", SPAN_COLUMNS, rows, deduplication_token=deduplication_token)


def insert_log(
    warehouse: Warehouse,
    attributes: Mapping[str, str],
    *,
    event: str = semconv.GUARD_EVENT_NAME,
    at: datetime = NOON,
    trace_id: str = TRACE_ID,
) -> None:
    span_id = "b7ad6b7169203331" if trace_id else ""
    row = [at, trace_id, span_id, "agent", "a sentence", dict(attributes), event]
    warehouse.insert("otel_logs", LOG_COLUMNS, [row])
