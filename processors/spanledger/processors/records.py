"""Log records of guard decisions, as OTLP messages."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber

from spanledger.lean import dataclass

_SCOPE_NAME = "spanledger.guard"


@dataclass(frozen=True, slots=True)
class Record:
    """One log record that is to be sent."""

    time_ns: int
    event_name: str
    body: str
    warning: bool
    attributes: Mapping[str, Any]
    trace_id: int = 0
    span_id: int = 0


def encode_records(
    records: Iterable[Record],
    resource: Mapping[str, Any],
    clean: Callable[[Mapping[str, Any]], dict[str, Any]],
    text: Callable[[str], str],
) -> bytes:
    """The records as one serialised OTLP request."""
    request = ExportLogsServiceRequest()
    block = request.resource_logs.add()
    block.resource.attributes.extend(_key_values(clean(resource)))
    scope = block.scope_logs.add()
    scope.scope.name = _SCOPE_NAME
    scope.log_records.extend(_record(record, clean, text) for record in records)
    return bytes(request.SerializeToString())


def _record(
    record: Record,
    clean: Callable[[Mapping[str, Any]], dict[str, Any]],
    text: Callable[[str], str],
) -> LogRecord:
    warning = record.warning
    return LogRecord(
        time_unix_nano=record.time_ns,
        observed_time_unix_nano=record.time_ns,
        severity_number=(
            SeverityNumber.SEVERITY_NUMBER_WARN if warning else SeverityNumber.SEVERITY_NUMBER_INFO
        ),
        severity_text="WARN" if warning else "INFO",
        event_name=record.event_name,
        body=AnyValue(string_value=text(record.body)),
        attributes=_key_values(clean(record.attributes)),
        trace_id=record.trace_id.to_bytes(16, "big") if record.trace_id else b"",
        span_id=record.span_id.to_bytes(8, "big") if record.span_id else b"",
    )


def _key_values(attributes: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_any(value)) for name, value in attributes.items()]


def _any(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, (list, tuple)):
        return AnyValue(array_value=ArrayValue(values=[_any(item) for item in value]))
    return AnyValue(string_value=str(value))
