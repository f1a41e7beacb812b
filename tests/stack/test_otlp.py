"""OTLP in, rows out: field by field, over both transports, and whatever is wrong with it."""
# ruff: noqa: S608  # the statements are the tests' own, their ids generated

import gzip
import json
import os
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from spanledger.stack import StackInfo

pytestmark = pytest.mark.storage
Ask = Callable[..., tuple[int, dict[str, str], bytes]]
NOW = 1_760_000_000_123_456_789
OVERFLOW = 2**63


def attributes(**values: str | int) -> list[KeyValue]:
    return [
        KeyValue(
            key=key.replace("__", "."),
            value=AnyValue(int_value=value)
            if isinstance(value, int)
            else AnyValue(string_value=value),
        )
        for key, value in values.items()
    ]


def a_span(**changes: Any) -> Span:
    given: dict[str, Any] = {
        "trace_id": os.urandom(16),
        "span_id": os.urandom(8),
        "name": "chat",
        "start_time_unix_nano": NOW,
        "end_time_unix_nano": NOW + 5,
    }
    return Span(**{**given, **changes})


def traces(*spans: Span) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(attributes(service__name="svc", host="h"))
    scope_group = group.scope_spans.add()
    scope_group.scope.name, scope_group.scope.version = "scope", "1.2"
    scope_group.spans.extend(spans)
    return request


def stored(client: Any, *spans: Span) -> list[dict[str, Any]]:
    ids = [span.span_id.hex() for span in spans]
    rows = client.query(
        "SELECT *, toUnixTimestamp64Nano(Timestamp) AS ns, "
        "arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp) AS event_ns "
        "FROM otel_traces WHERE SpanId IN {ids:Array(String)} ORDER BY SpanId",
        parameters={"ids": ids},
    )
    return list(rows.named_results())


def test_every_field_of_a_span_is_stored(client: Any, post_otlp: Ask) -> None:
    span = a_span(
        parent_span_id=b"\x01" * 8,
        trace_state="a=b",
        kind=Span.SPAN_KIND_CLIENT,
        status=Status(code=Status.STATUS_CODE_ERROR, message="it broke"),
        attributes=attributes(gen_ai__operation__name="chat", tokens=7),
        events=[Span.Event(name="ev", time_unix_nano=NOW + 1, attributes=attributes(k="v"))],
        links=[
            Span.Link(
                trace_id=b"\x02" * 16,
                span_id=b"\x03" * 8,
                trace_state="s",
                attributes=attributes(l="m"),
            )
        ],
    )
    assert post_otlp("/v1/traces", traces(span).SerializeToString())[0] == 200
    (row,) = stored(client, span)
    row.pop("Timestamp")
    row.pop("Events.Timestamp")
    assert row == {
        "ns": NOW,
        "event_ns": [NOW + 1],
        "TraceId": span.trace_id.hex(),
        "SpanId": span.span_id.hex(),
        "ParentSpanId": "01" * 8,
        "TraceState": "a=b",
        "SpanName": "chat",
        "SpanKind": "Client",
        "ServiceName": "svc",
        "ResourceAttributes": {"service.name": "svc", "host": "h"},
        "ScopeName": "scope",
        "ScopeVersion": "1.2",
        "SpanAttributes": {"gen_ai.operation.name": "chat", "tokens": "7"},
        "Duration": 5,
        "StatusCode": "Error",
        "StatusMessage": "it broke",
        "Events.Name": ["ev"],
        "Events.Attributes": [{"k": "v"}],
        "Links.TraceId": ["02" * 16],
        "Links.SpanId": ["03" * 8],
        "Links.TraceState": ["s"],
        "Links.Attributes": [{"l": "m"}],
    }


@pytest.mark.parametrize(
    ("kind", "code", "expected"),
    [
        (Span.SPAN_KIND_UNSPECIFIED, Status.STATUS_CODE_UNSET, ("Unspecified", "Unset")),
        (Span.SPAN_KIND_INTERNAL, Status.STATUS_CODE_OK, ("Internal", "Ok")),
        (Span.SPAN_KIND_SERVER, Status.STATUS_CODE_UNSET, ("Server", "Unset")),
        (Span.SPAN_KIND_PRODUCER, Status.STATUS_CODE_UNSET, ("Producer", "Unset")),
        (Span.SPAN_KIND_CONSUMER, Status.STATUS_CODE_UNSET, ("Consumer", "Unset")),
        (77, 77, ("", "")),
    ],
)
def test_kinds_and_statuses_have_the_exporter_s_names(
    client: Any, post_otlp: Ask, kind: Any, code: Any, expected: tuple[str, str]
) -> None:
    span = a_span(kind=kind, status=Status(code=code))
    post_otlp("/v1/traces", traces(span).SerializeToString())
    (row,) = stored(client, span)
    assert (row["SpanKind"], row["StatusCode"]) == expected


def test_the_same_request_again_is_stored_once(client: Any, post_otlp: Ask) -> None:
    span = a_span(attributes=attributes(gen_ai__operation__name="chat"))
    body = traces(span).SerializeToString()
    for packed, headers in ((body, {}), (gzip.compress(body), {"Content-Encoding": "gzip"})):
        assert post_otlp("/v1/traces", packed, headers=headers)[0] == 200
    assert len(stored(client, span)) == 1


def test_one_bad_span_does_not_fail_its_batch(client: Any, post_otlp: Ask) -> None:
    good = a_span()
    bad = [
        a_span(trace_id=b""),
        a_span(trace_id=bytes(16)),
        a_span(span_id=b"\x01" * 7),
        a_span(span_id=bytes(8)),
        a_span(start_time_unix_nano=OVERFLOW),
    ]
    status, _, body = post_otlp("/v1/traces", traces(bad[0], good, *bad[1:]).SerializeToString())
    answer = ExportTraceServiceResponse.FromString(body)
    assert (status, answer.partial_success.rejected_spans) == (200, 5)
    assert "2 × span without a valid trace id" in answer.partial_success.error_message
    assert len(stored(client, good)) == 1


def test_odd_but_storable_spans_are_stored(client: Any, post_otlp: Ask) -> None:
    odd = [
        a_span(start_time_unix_nano=0, end_time_unix_nano=0),
        a_span(start_time_unix_nano=4_102_444_800 * 10**9, end_time_unix_nano=1),
        a_span(name="\x00\x1b[31m", attributes=attributes(**{f"k{n}": n for n in range(10_000)})),
        a_span(end_time_unix_nano=2**64 - 1),
        a_span(events=[Span.Event(time_unix_nano=2**64 - 1)]),
    ]
    day = 86_400 * 10**9
    odd += [a_span(start_time_unix_nano=NOW - day * n, end_time_unix_nano=NOW) for n in range(150)]
    assert post_otlp("/v1/traces", traces(*odd).SerializeToString())[::2] == (200, b"")
    rows = {row["SpanId"]: row for row in stored(client, *odd)}
    assert len(rows) == len(odd)
    assert rows[odd[1].span_id.hex()]["Duration"] == 0
    assert len(rows[odd[2].span_id.hex()]["SpanAttributes"]) == 10_000
    assert rows[odd[4].span_id.hex()]["event_ns"] == [2**63 - 1]


def test_what_is_no_request_is_refused_with_a_reason(post_otlp: Ask) -> None:
    refused = [
        post_otlp("/v1/traces", b"\xff\xff"),
        post_otlp("/v1/traces", b"{", "application/json"),
        post_otlp("/v1/traces", b'{"resourceSpans": 7}', "application/json"),
        post_otlp(
            "/v1/traces",
            b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}',
            "application/json",
        ),
        post_otlp("/v1/traces", b"x", headers={"Content-Encoding": "gzip"}),
    ]
    assert [answer[0] for answer in refused] == [400] * 5
    assert post_otlp("/v1/traces", b"", "text/plain")[0] == 415
    assert post_otlp("/v1/nothing", b"")[0] == 404
    assert post_otlp("/v1/traces", b"", method="GET")[0] == 405
    too_large = gzip.compress(bytes((64 << 20) + 1), 1)
    assert post_otlp("/v1/traces", too_large, headers={"Content-Encoding": "gzip"})[0] == 413


def test_malformed_requests_are_counted(post_otlp: Ask) -> None:
    def counted() -> int:
        health = json.loads(post_otlp("/health", b"", method="GET")[2])
        return int(health["received"].get("logs.malformed", 0))

    before = counted()
    post_otlp("/v1/logs", b"\xff\xff")
    post_otlp("/v1/logs", b"x", headers={"Content-Encoding": "gzip"})
    assert counted() == before + 2


def test_an_empty_request_is_fine(post_otlp: Ask) -> None:
    for path in ("/v1/traces", "/v1/logs", "/v1/metrics"):
        assert post_otlp(path, b"")[::2] == (200, b"")


def test_requests_of_web_pages_are_refused(client: Any, post_otlp: Ask) -> None:
    span = a_span()
    body = traces(span).SerializeToString()
    status, _, answer = post_otlp("/v1/traces", body, headers={"Origin": "http://evil.example"})
    assert (status, b"web pages" in answer) == (403, True)
    assert stored(client, span) == []


def test_json_is_understood_with_ids_in_hex(client: Any, post_otlp: Ask) -> None:
    span = a_span()
    document = {
        "resourceSpans": [
            {
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": span.trace_id.hex(),
                                "spanId": span.span_id.hex(),
                                "name": "from json",
                                "kind": 3,
                                "startTimeUnixNano": str(NOW),
                                "endTimeUnixNano": str(NOW + 1),
                                "attributes": [{"key": "n", "value": {"intValue": "5"}}],
                                "aFieldOfTomorrow": 1,
                            }
                        ]
                    }
                ]
            }
        ]
    }
    status, headers, body = post_otlp(
        "/v1/traces", json.dumps(document).encode(), "application/json; charset=utf-8"
    )
    assert (status, headers["content-type"], body) == (200, "application/json", b"{}")
    (row,) = stored(client, span)
    assert (row["TraceId"], row["SpanName"], row["SpanKind"]) == (
        span.trace_id.hex(),
        "from json",
        "Client",
    )
    assert row["SpanAttributes"] == {"n": "5"}


def test_every_field_of_a_log_record_is_stored(client: Any, post_otlp: Ask) -> None:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add(schema_url="res-url")
    group.resource.attributes.extend(attributes(service__name="svc"))
    scope_group = group.scope_logs.add(schema_url="scope-url")
    scope_group.scope.name, scope_group.scope.version = "scope", "2"
    scope_group.scope.attributes.extend(attributes(sa="1"))
    record = scope_group.log_records.add()
    trace_id = os.urandom(16)
    record.trace_id, record.span_id, record.flags = trace_id, b"\x05" * 8, 0x101
    record.observed_time_unix_nano = NOW
    record.severity_text, record.severity_number = "WARN", 13
    record.body.string_value, record.event_name = "the body", "an.event"
    record.attributes.extend(attributes(k=1))
    late = scope_group.log_records.add(time_unix_nano=OVERFLOW)
    late.body.string_value = "never"
    status, _, _ = post_otlp("/v1/logs", request.SerializeToString())
    assert status == 200
    sql = (
        "SELECT * EXCEPT (Timestamp, TimestampTime), toUnixTimestamp64Nano(Timestamp) AS ns "
        f"FROM otel_logs WHERE TraceId = '{trace_id.hex()}'"
    )
    (row,) = client.query(sql).named_results()
    assert row == {
        "ns": NOW,
        "TraceId": trace_id.hex(),
        "SpanId": "05" * 8,
        "TraceFlags": 1,
        "SeverityText": "WARN",
        "SeverityNumber": 13,
        "ServiceName": "svc",
        "Body": "the body",
        "ResourceSchemaUrl": "res-url",
        "ResourceAttributes": {"service.name": "svc"},
        "ScopeSchemaUrl": "scope-url",
        "ScopeName": "scope",
        "ScopeVersion": "2",
        "ScopeAttributes": {"sa": "1"},
        "LogAttributes": {"k": "1"},
        "EventName": "an.event",
    }


def metrics_request(name: str) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add(schema_url="res-url")
    group.resource.attributes.extend(attributes(service__name="svc"))
    scope_group = group.scope_metrics.add(schema_url="scope-url")
    scope_group.scope.name = "scope"
    times = {"start_time_unix_nano": NOW, "time_unix_nano": NOW + 1}
    gauge = scope_group.metrics.add(name=name, unit="1", description="d")
    gauge.gauge.data_points.add(as_int=5, attributes=attributes(k="v"), **times)
    total = scope_group.metrics.add(name=name).sum
    total.aggregation_temporality, total.is_monotonic = 2, True
    point = total.data_points.add(as_double=1.5, flags=1, **times)
    point.exemplars.add(
        as_double=2.5, time_unix_nano=NOW, span_id=b"\x01" * 8, trace_id=b"\x02" * 16
    )
    histogram = scope_group.metrics.add(name=name).histogram
    histogram.aggregation_temporality = 1
    histogram.data_points.add(
        count=3, sum=6.0, bucket_counts=[1, 2], explicit_bounds=[0.5], min=1, max=3, **times
    )
    exponential = scope_group.metrics.add(name=name).exponential_histogram
    dp = exponential.data_points.add(count=3, sum=6.0, scale=-1, zero_count=1, **times)
    dp.positive.offset, dp.negative.offset = 2, -2
    dp.positive.bucket_counts.extend([1, 2])
    summary = scope_group.metrics.add(name=name).summary.data_points.add(count=2, sum=3.0, **times)
    summary.quantile_values.add(quantile=0.5, value=1.25)
    scope_group.metrics.add(name="nothing inside")
    return request


def test_every_type_of_metric_has_its_table(client: Any, post_otlp: Ask, table: str) -> None:
    status, _, body = post_otlp("/v1/metrics", metrics_request(table).SerializeToString())
    assert (status, b"metric without data" in body) == (200, True)

    def row(kind: str, columns: str) -> tuple[Any, ...]:
        sql = f"SELECT {columns} FROM otel_metrics_{kind} WHERE MetricName = '{table}'"
        (found,) = client.query(sql).result_rows
        return tuple(found)

    shared = "ServiceName, ScopeName, ResourceSchemaUrl, ScopeSchemaUrl, toUnixTimestamp(TimeUnix)"
    origin = ("svc", "scope", "res-url", "scope-url", NOW // 10**9)
    gauge = row("gauge", f"Value, MetricUnit, MetricDescription, Attributes, {shared}")
    assert gauge == (5.0, "1", "d", {"k": "v"}, *origin)
    exemplars = "Exemplars.Value, Exemplars.SpanId, Exemplars.TraceId"
    total = row("sum", f"Value, Flags, AggregationTemporality, IsMonotonic, {exemplars}, {shared}")
    assert total == (1.5, 1, 2, True, [2.5], ["01" * 8], ["02" * 16], *origin)
    columns = "Count, Sum, BucketCounts, ExplicitBounds, Min, Max, AggregationTemporality"
    assert row("histogram", f"{columns}, {shared}") == (3, 6, [1, 2], [0.5], 1, 3, 1, *origin)
    buckets = "PositiveOffset, PositiveBucketCounts, NegativeOffset, NegativeBucketCounts"
    exponential = row("exponential_histogram", f"Count, Sum, Scale, ZeroCount, {buckets}, {shared}")
    assert exponential == (3, 6, -1, 1, 2, [1, 2], -2, [], *origin)
    quantiles = "ValueAtQuantiles.Quantile, ValueAtQuantiles.Value"
    summary = row("summary", f"Count, Sum, {quantiles}, {shared}")
    assert summary == (2, 3, [0.5], [1.25], *origin)


@pytest.mark.parametrize("transport", ["http", "http-gzip", "grpc"])
def test_the_sdk_s_own_exporters_deliver_all_signals(
    client: Any, running: StackInfo, table: str, transport: str
) -> None:
    resource = Resource.create({"service.name": f"{table}-{transport}"})
    service = f"{table}-{transport}"
    spans, logs, metrics = exporters(running, transport)
    tracing = TracerProvider(resource=resource)
    tracing.add_span_processor(BatchSpanProcessor(spans))
    tracer = tracing.get_tracer("t")
    with tracer.start_as_current_span("parent", kind=trace.SpanKind.CLIENT):
        for _ in range(600):
            tracer.start_span("child").end()
    logging = LoggerProvider(resource=resource)
    logging.add_log_record_processor(BatchLogRecordProcessor(logs))
    logging.get_logger("l").emit(LogRecord(body="hello", severity_number=SeverityNumber.INFO))
    metering = MeterProvider([PeriodicExportingMetricReader(metrics)], resource=resource)
    metering.get_meter("m").create_counter("calls").add(3)
    for provider in (tracing, logging, metering):
        provider.shutdown()
    sql = "SELECT count() FROM {} WHERE ServiceName = '{}'"
    names = ("otel_traces", "otel_logs", "otel_metrics_sum")
    counts = [client.query(sql.format(name, service)).result_rows[0][0] for name in names]
    assert counts == [601, 1, 1]


def exporters(running: StackInfo, transport: str) -> tuple[Any, Any, Any]:
    if transport == "grpc":
        options: dict[str, Any] = {"endpoint": running.grpc_endpoint, "insecure": True}
        return GrpcSpans(**options), GrpcLogs(**options), GrpcMetrics(**options)
    base = running.otlp_endpoint
    how = Compression.Gzip if transport == "http-gzip" else Compression.NoCompression
    return (
        HttpSpans(endpoint=f"{base}/v1/traces", compression=how),
        HttpLogs(endpoint=f"{base}/v1/logs", compression=how),
        HttpMetrics(endpoint=f"{base}/v1/metrics", compression=how),
    )


def test_a_malformed_grpc_request_is_an_invalid_argument(running: StackInfo) -> None:
    address = urlsplit(running.grpc_endpoint or "").netloc
    with grpc.insecure_channel(address) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError) as caught:
            export(b"\xff\xff", timeout=10)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert export(b"", timeout=10) == b""


def test_many_senders_at_once_lose_and_double_nothing(client: Any, post_otlp: Ask) -> None:
    sent: list[Span] = []

    def work() -> None:
        for _ in range(5):
            spans = [a_span() for _ in range(50)]
            assert post_otlp("/v1/traces", traces(*spans).SerializeToString())[0] == 200
            sent.extend(spans)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(sent) == 12 * 5 * 50
    assert len(stored(client, *sent)) == len(sent)
