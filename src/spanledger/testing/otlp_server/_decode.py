"""OTLP protobuf to plain frozen values. Pure; protobuf is imported when it is first needed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Signal = Literal["traces", "logs", "metrics"]
SIGNALS: Mapping[str, Signal] = {
    "/v1/traces": "traces",
    "/v1/logs": "logs",
    "/v1/metrics": "metrics",
}

_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    name: str
    time_ns: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSpan:
    """One span as received; ids are hexadecimal, ``parent_id`` is empty at a root."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    start_ns: int
    end_ns: int
    status: str
    status_message: str
    attributes: Mapping[str, Any]
    events: tuple[StoredEvent, ...]
    scope: str
    resource: Mapping[str, Any]
    flags: int

    @property
    def key(self) -> tuple[str, str]:
        """What makes a span the same span: trace id and span id."""
        return self.trace_id, self.span_id


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLog:
    """One log record as received."""

    event_name: str
    body: Any
    severity: str
    time_ns: int
    trace_id: str
    span_id: str
    attributes: Mapping[str, Any]
    scope: str
    resource: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPoint:
    """One data point of a metric; ``value`` is the sum of a histogram's observations."""

    metric: str
    unit: str
    value: float
    count: int
    attributes: Mapping[str, Any]
    scope: str
    resource: Mapping[str, Any]


Stored = StoredSpan | StoredLog | StoredPoint


def decode(signal: Signal, body: bytes) -> list[Stored]:
    """The items of one export request. Raises `ValueError` if the body is not that message."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # has none

    try:
        return list(_DECODERS[signal](body))
    except DecodeError as error:
        raise ValueError(f"The body is not an OTLP {signal} request: {error}") from error


def reply_body(signal: Signal, rejected: int = 0, message: str = "") -> bytes:
    """The protobuf reply, with a partial success if something was rejected."""
    reply, field = _reply(signal)
    if rejected:
        setattr(reply.partial_success, field, rejected)
        reply.partial_success.error_message = message
    encoded: bytes = reply.SerializeToString()
    return encoded


def _reply(signal: Signal) -> tuple[Any, str]:
    if signal == "traces":
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

        return trace_service_pb2.ExportTraceServiceResponse(), "rejected_spans"
    if signal == "logs":
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

        return logs_service_pb2.ExportLogsServiceResponse(), "rejected_log_records"
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

    return metrics_service_pb2.ExportMetricsServiceResponse(), "rejected_data_points"


def _spans(body: bytes) -> Iterable[Stored]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield _span(span, scope_spans.scope.name, resource)


def _span(span: Any, scope: str, resource: Mapping[str, Any]) -> StoredSpan:
    return StoredSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        kind=_KINDS[span.kind],
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status=_STATUSES[span.status.code],
        status_message=span.status.message,
        attributes=_attributes(span.attributes),
        events=tuple(
            StoredEvent(name=e.name, time_ns=e.time_unix_nano, attributes=_attributes(e.attributes))
            for e in span.events
        ),
        scope=scope,
        resource=resource,
        flags=span.flags,
    )


def _logs(body: bytes) -> Iterable[Stored]:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    for resource_logs in ExportLogsServiceRequest.FromString(body).resource_logs:
        resource = _attributes(resource_logs.resource.attributes)
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                yield StoredLog(
                    event_name=record.event_name,
                    body=_value(record.body),
                    severity=record.severity_text,
                    time_ns=record.time_unix_nano or record.observed_time_unix_nano,
                    trace_id=record.trace_id.hex(),
                    span_id=record.span_id.hex(),
                    attributes=_attributes(record.attributes),
                    scope=scope_logs.scope.name,
                    resource=resource,
                )


def _points(body: bytes) -> Iterable[Stored]:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )

    for resource_metrics in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        resource = _attributes(resource_metrics.resource.attributes)
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                yield from _metric_points(metric, scope_metrics.scope.name, resource)


def _metric_points(metric: Any, scope: str, resource: Mapping[str, Any]) -> Iterable[StoredPoint]:
    kind = metric.WhichOneof("data")
    for point in getattr(metric, kind).data_points if kind else ():
        is_number = kind in ("sum", "gauge")
        value = getattr(point, point.WhichOneof("value")) if is_number else point.sum
        yield StoredPoint(
            metric=metric.name,
            unit=metric.unit,
            value=value,
            count=1 if is_number else point.count,
            attributes=_attributes(point.attributes),
            scope=scope,
            resource=resource,
        )


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind)


_DECODERS = {"traces": _spans, "logs": _logs, "metrics": _points}
