"""The OTLP receiver, fed by the real exporters of the OpenTelemetry SDK."""

import gzip
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from spanledger.testing.otlp_server import (
    HangReply,
    LostReply,
    OtlpServer,
    PartialSuccess,
    Refuse,
    SlowReply,
)

OK, FAILURE = SpanExportResult.SUCCESS, SpanExportResult.FAILURE


def some_spans(count: int) -> list[ReadableSpan]:
    provider = TracerProvider(resource=Resource({"service.name": "agent"}), shutdown_on_exit=False)
    tracer = provider.get_tracer("test-scope")
    spans: list[ReadableSpan] = []
    for number in range(count):
        span = tracer.start_span(f"span {number}", attributes={"n": number, "tags": ("a", "b")})
        span.add_event("happened", {"at": number})
        span.set_status(trace.Status(trace.StatusCode.ERROR, "broken"))
        span.end()
        assert isinstance(span, ReadableSpan)
        spans.append(span)
    return spans


def export(
    server: OtlpServer,
    spans: list[ReadableSpan],
    *,
    timeout_s: float = 5,
    compression: Compression = Compression.NoCompression,
) -> SpanExportResult:
    exporter = OTLPSpanExporter(
        f"{server.endpoint}/v1/traces", timeout=timeout_s, compression=compression
    )
    try:
        return exporter.export(spans)
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call]  # the SDK annotates no result


@pytest.mark.parametrize("compression", list(Compression))
def test_spans_arrive_decoded(otlp_server: OtlpServer, compression: Compression) -> None:
    spans = some_spans(3)

    assert export(otlp_server, spans, compression=compression) is OK

    stored = otlp_server.spans[1]
    context = spans[1].get_span_context()
    assert context is not None
    assert stored.key == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert (stored.name, stored.kind, stored.parent_id) == ("span 1", "internal", "")
    assert stored.attributes == {"n": 1, "tags": ["a", "b"]}
    assert (stored.status, stored.status_message) == ("error", "broken")
    assert [(e.name, e.attributes) for e in stored.events] == [("happened", {"at": 1})]
    assert (stored.scope, stored.resource["service.name"]) == ("test-scope", "agent")
    (request,) = otlp_server.requests
    assert (request.signal, request.items) == ("traces", 3)
    encoding = request.headers.get("content-encoding", "none")
    assert encoding == (compression.value if compression.value else "none")


def test_log_records_arrive_decoded(otlp_server: OtlpServer) -> None:
    provider = LoggerProvider(shutdown_on_exit=False)
    exporter = OTLPLogExporter(f"{otlp_server.endpoint}/v1/logs")
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("test-scope").emit(
        LogRecord(
            timestamp=5,
            severity_text="WARN",
            severity_number=SeverityNumber.WARN,
            body={"why": ["budget", 1]},
            attributes={"spent": 7},
            event_name="spanledger.guard.decision",
        )
    )
    provider.shutdown()

    (log,) = otlp_server.logs
    assert (log.event_name, log.severity, log.time_ns) == ("spanledger.guard.decision", "WARN", 5)
    assert (log.body, log.attributes) == ({"why": ["budget", 1]}, {"spent": 7})


def test_metric_points_arrive_decoded(otlp_server: OtlpServer) -> None:
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{otlp_server.endpoint}/v1/metrics"))
    provider = MeterProvider([reader], shutdown_on_exit=False)
    meter = provider.get_meter("test-scope")
    meter.create_counter("calls", unit="{call}").add(3, {"model": "m"})
    meter.create_histogram("duration", unit="s").record(0.5)
    meter.create_histogram("duration", unit="s").record(1.5)
    provider.shutdown()

    points = {point.metric: point for point in otlp_server.points}
    assert (points["calls"].value, points["calls"].attributes) == (3, {"model": "m"})
    assert (points["duration"].value, points["duration"].count) == (2.0, 2)


def test_a_503_is_retried_and_nothing_is_stored_twice(otlp_server: OtlpServer) -> None:
    otlp_server.enqueue(Refuse(status=503, retry_after_s=0))

    assert export(otlp_server, some_spans(2)) is OK

    assert len(otlp_server.requests) == 2
    assert (len(otlp_server.spans), otlp_server.duplicates) == (2, 0)


def test_a_400_is_not_retried(otlp_server: OtlpServer) -> None:
    otlp_server.always(Refuse(status=400))

    assert export(otlp_server, some_spans(2)) is FAILURE

    assert len(otlp_server.requests) == 1
    assert otlp_server.spans == []


def test_a_lost_reply_makes_the_retry_a_duplicate(otlp_server: OtlpServer) -> None:
    otlp_server.enqueue(LostReply())
    spans = some_spans(2)

    results = [export(otlp_server, spans, timeout_s=5)]
    if results[-1] is FAILURE:  # not every exporter retries a lost connection by itself
        results.append(export(otlp_server, spans))

    assert results[-1] is OK
    assert len(otlp_server.unique_spans) == 2
    assert otlp_server.duplicates == 2


def test_a_partial_success_stores_the_rest(otlp_server: OtlpServer) -> None:
    otlp_server.enqueue(PartialSuccess(rejected=2, message="too old"))

    export(otlp_server, some_spans(5))

    assert [span.name for span in otlp_server.spans] == ["span 0", "span 1", "span 2"]


@pytest.mark.parametrize("store", [True, False])
def test_a_hang_lasts_until_the_client_gives_up(otlp_server: OtlpServer, store: bool) -> None:
    otlp_server.always(HangReply(store=store))

    assert export(otlp_server, some_spans(2), timeout_s=0.2) is FAILURE

    assert len(otlp_server.unique_spans) == (2 if store else 0)


def test_a_slow_reply_comes_byte_by_byte(otlp_server: OtlpServer) -> None:
    otlp_server.always(SlowReply(byte_delay_s=0.002))
    started = time.monotonic()

    assert export(otlp_server, some_spans(1)) is OK

    # At the least the status line and a header; a reply in one piece takes no time at all.
    assert time.monotonic() - started > 0.002 * 40


def test_a_stopped_server_refuses_and_comes_back_with_what_it_stored() -> None:
    server = OtlpServer().start()
    export(server, some_spans(1))
    server.stop()
    assert export(server, some_spans(1), timeout_s=0.2) is FAILURE

    with server:
        assert export(server, some_spans(1)) is OK
    assert len(server.unique_spans) == 2


def test_waiting_ends_when_enough_has_arrived(otlp_server: OtlpServer) -> None:
    exporter = threading.Thread(target=export, args=(otlp_server, some_spans(3)))
    exporter.start()

    assert otlp_server.wait_for(spans=3, requests=1)
    assert not otlp_server.wait_for(spans=4, timeout_s=0.01)
    exporter.join()
    otlp_server.reset()
    assert (otlp_server.spans, otlp_server.requests) == ([], [])


def test_many_exporters_at_once_lose_nothing(otlp_server: OtlpServer) -> None:
    batches = [some_spans(10) for _ in range(16)]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda batch: export(otlp_server, batch), batches))

    assert results == [OK] * 16
    assert len(otlp_server.unique_spans) == len(otlp_server.spans) == 160


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v1/traces", b"\xff\xff not protobuf", {}, 400),
        ("/v1/traces", b"not gzip", {"content-encoding": "gzip"}, 400),
        ("/v1/traces", gzip.compress(b"x" * 999, mtime=0)[:-9], {"content-encoding": "gzip"}, 400),
        ("/v1/traces", b"x", {"content-encoding": "zstd"}, 400),
        ("/v1/profiles", b"", {}, 404),
    ],
)
def test_what_is_not_otlp_is_refused_and_not_counted(
    otlp_server: OtlpServer, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    request = urllib.request.Request(f"{otlp_server.endpoint}{path}", body, headers)  # noqa: S310 - our own URL

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=5)  # noqa: S310 - our own URL

    assert caught.value.code == status
    assert otlp_server.requests == []


def test_the_port_of_a_server_that_never_ran_is_not_known() -> None:
    with pytest.raises(RuntimeError, match=r"call start\(\) first"):
        _ = OtlpServer().endpoint


def test_stopping_twice_and_starting_twice_do_no_harm() -> None:
    server = OtlpServer()
    steps: list[Callable[[], object]] = [server.start, server.start, server.stop, server.stop]
    for step in steps:
        step()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(server.endpoint.rpartition(":")[2])))
