"""OTLP requests of a producer that is not ours, and their way to a receiver."""

import gzip
import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

Request = ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest
Value = None | bool | int | float | str | bytes | list["Value"] | dict[str, "Value"]

_FIELDS: dict[type, str] = {
    bool: "bool_value",
    int: "int_value",
    float: "double_value",
    str: "string_value",
    bytes: "bytes_value",
}
_PATHS: dict[type, str] = {
    ExportTraceServiceRequest: "/v1/traces",
    ExportLogsServiceRequest: "/v1/logs",
    ExportMetricsServiceRequest: "/v1/metrics",
}
NOON_NS = 1_772_366_400_123_456_789
"""2026-03-01 12:00:00.123456789 UTC."""

#: Of every type that an attribute may have.
ATTRIBUTES: dict[str, Value] = {
    "text": "grüße, 世界 🙂",
    "quotes": 'a "b" \\ \n c',
    "empty": "",
    "yes": True,
    "small": -7,
    "large": 2**63 - 1,
    "real": 0.1,
    "whole": 3.0,
    "tiny": 1e-300,
    "texts": ["stop", "length"],
    "numbers": [1, 2],
    "nested": {"inner": [True, {"deep": 1}]},
    "bytes": b"\x00\xff",
    "nothing": None,
}


def any_value(value: Value) -> AnyValue:
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=map(any_value, value)))
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=pairs(value)))
    made = AnyValue()
    if value is not None:
        setattr(made, _FIELDS[type(value)], value)
    return made


def pairs(values: Mapping[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
_RESOURCE = Resource(attributes=pairs({"service.name": "billing", "host.cpus": 8}))
_SCOPE = InstrumentationScope(name="foreign.scope", version="1.2.3")


def span(number: int, attributes: Mapping[str, Value] | None = None, **fields: object) -> Span:
    """Span `number` of trace 1, with the fields that are given changed."""
    made = Span(
        trace_id=(1).to_bytes(16, "big"),
        span_id=(number + 1).to_bytes(8, "big"),
        name=f"chat {number}",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=NOON_NS + number,
        end_time_unix_nano=NOON_NS + number + 1_500_000_001,
        attributes=pairs(attributes or {}),
    )
    made.MergeFrom(Span(**fields))  # type: ignore[arg-type]  # the caller names fields of a Span
    return made


def traces(*spans: Span) -> ExportTraceServiceRequest:
    scope = ScopeSpans(scope=_SCOPE, spans=spans)
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=_RESOURCE, scope_spans=[scope])]
    )


def full_span() -> Span:
    """One with everything in it."""
    return span(
        7,
        ATTRIBUTES,
        parent_span_id=b"parent_1",
        trace_state="vendor=1,other=2",
        status=Status(code=Status.STATUS_CODE_ERROR, message="it broke"),
        events=[
            Span.Event(time_unix_nano=NOON_NS + 5, name="first", attributes=pairs(ATTRIBUTES)),
            Span.Event(time_unix_nano=NOON_NS + 6, name="second"),
        ],
        links=[
            Span.Link(
                trace_id=b"another trace id", span_id=b"another!", trace_state="a=b",
                attributes=pairs({"why": "retry"}),
            )
        ],
    )  # fmt: skip


def logs() -> ExportLogsServiceRequest:
    record = LogRecord(
        time_unix_nano=NOON_NS,
        observed_time_unix_nano=NOON_NS + 1,
        severity_number=13,  # type: ignore[arg-type]  # an enum's value
        severity_text="WARN",
        body=any_value("a sentence"),
        attributes=pairs(ATTRIBUTES),
        trace_id=(1).to_bytes(16, "big"),
        span_id=(8).to_bytes(8, "big"),
        flags=1,
        event_name="something.happened",
    )
    structured = LogRecord(time_unix_nano=NOON_NS + 2, body=any_value({"a": [1, "b"]}))
    scope = ScopeLogs(scope=_SCOPE, log_records=[record, structured])
    return ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(resource=_RESOURCE, scope_logs=[scope])]
    )


def metrics() -> ExportMetricsServiceRequest:
    point = NumberDataPoint(
        time_unix_nano=NOON_NS, start_time_unix_nano=NOON_NS - 10**9, as_int=5,
        attributes=pairs({"reason": "queue_full"}),
    )  # fmt: skip
    histogram = HistogramDataPoint(
        time_unix_nano=NOON_NS, start_time_unix_nano=NOON_NS - 10**9, count=3, sum=6.5,
        bucket_counts=[1, 2, 0], explicit_bounds=[1.0, 5.0], min=0.5, max=4.0,
    )  # fmt: skip
    sums = Sum(data_points=[point], aggregation_temporality=_CUMULATIVE, is_monotonic=True)
    histograms = Histogram(data_points=[histogram], aggregation_temporality=_DELTA)
    made = [
        Metric(name="a.gauge", unit="1", gauge=Gauge(data_points=[point])),
        Metric(name="a.sum", sum=sums),
        Metric(name="a.histogram", histogram=histograms),
    ]
    scope = ScopeMetrics(scope=_SCOPE, metrics=made)
    return ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(resource=_RESOURCE, scope_metrics=[scope])]
    )


def post(
    endpoint: str, request: Request, *, headers: Mapping[str, str] | None = None,
    timeout_s: float = 30,
) -> int:  # fmt: skip
    """Send it by OTLP/HTTP; the status."""
    return post_bytes(
        endpoint, _PATHS[type(request)], request.SerializeToString(), headers, timeout_s
    )


def post_bytes(
    endpoint: str, path: str, body: bytes, headers: Mapping[str, str] | None = None,
    timeout_s: float = 30,
) -> int:  # fmt: skip
    """Send a body, compressed; the status."""
    address = urlsplit(endpoint)
    connection = http.client.HTTPConnection(address.netloc, timeout=timeout_s)
    all_headers = {
        "content-type": "application/x-protobuf",
        "content-encoding": "gzip",
        **(headers or {}),
    }
    try:
        connection.request("POST", path, gzip.compress(body, 1), all_headers)
        reply = connection.getresponse()
        reply.read()
        return reply.status
    finally:
        connection.close()
