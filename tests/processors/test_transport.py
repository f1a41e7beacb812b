"""One OTLP request and what became of it, over HTTP and gRPC."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration  # type: ignore[import-untyped]  # has no types
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # has no types
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from spanledger.processors.transport import GrpcTransport, HttpTransport, Sent, transport_to
from spanledger.testing.otlp_server import HangReply, OtlpServer, PartialSuccess, Refuse
from tests.processors._endpoints import (
    Talk,
    drip,
    drip_body,
    hang,
    never_end,
    read_nothing,
    talking,
)
from tests.processors._exporting import FAST, exporter_to, record, span

EMPTY = ExportTraceServiceRequest().SerializeToString()


@dataclass
class Collector:
    """A gRPC server that records what it is sent and answers as it is told."""

    endpoint: str = ""
    received: list[tuple[str, bytes, dict[str, Any]]] = field(default_factory=list)
    answer: Callable[[grpc.ServicerContext], bytes] = lambda _context: b""

    def handler(self, method: str) -> Any:
        def serve(request: bytes, context: grpc.ServicerContext) -> bytes:
            metadata = dict(context.invocation_metadata())
            self.received.append((method, request, metadata))
            return self.answer(context)

        return grpc.unary_unary_rpc_method_handler(serve)

    def service(self, call_details: Any) -> Any:
        return self.handler(call_details.method)


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no types
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def service(self, handler_call_details: Any) -> Any:
        return self._collector.service(handler_call_details)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A running gRPC collector on a free port."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2), handlers=[_Handlers(collector)])
    collector.endpoint = f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield collector
    server.stop(None).wait(5.0)


def _abort(code: grpc.StatusCode) -> Callable[[grpc.ServicerContext], bytes]:
    return lambda context: context.abort(code, "as told")


def test_the_scheme_chooses_the_protocol() -> None:
    """`grpc` and `grpcs` are ours; anything else is HTTP."""
    assert isinstance(transport_to("grpc://localhost:4317", {}), GrpcTransport)
    assert isinstance(transport_to("grpcs://localhost:4317", {}), GrpcTransport)
    assert isinstance(transport_to("http://localhost:4318/", {}), HttpTransport)
    assert transport_to("http://localhost:4318/", {}).target == "http://localhost:4318"


def test_spans_and_records_go_over_grpc_with_the_headers_of_the_environment(
    collector: Collector,
) -> None:
    """Each to its own service."""
    headers = {"OTEL_EXPORTER_OTLP_HEADERS": "X-Tenant=blue"}
    exporter = exporter_to(collector.endpoint, FAST, **headers)
    exporter.put(span("over grpc"))
    exporter.put(record())
    assert exporter.flush(10.0)
    exporter.shutdown()
    assert exporter.books().delivered == 2
    (traces, request, metadata), (logs, _, _) = collector.received
    assert traces == "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    assert logs == "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
    sent = ExportTraceServiceRequest.FromString(request)
    assert sent.resource_spans[0].scope_spans[0].spans[0].name == "over grpc"
    assert metadata["x-tenant"] == "blue"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (grpc.StatusCode.UNAVAILABLE, "retry"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "retry"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "retry"),
        (grpc.StatusCode.INVALID_ARGUMENT, "refused"),
        (grpc.StatusCode.UNAUTHENTICATED, "refused"),
        (grpc.StatusCode.UNIMPLEMENTED, "refused"),
    ],
    ids=str,
)
def test_a_grpc_status_says_whether_to_try_again(
    code: grpc.StatusCode, outcome: str, collector: Collector
) -> None:
    """As the specification of OTLP has it."""
    collector.answer = _abort(code)
    transport = transport_to(collector.endpoint, {})
    sent = transport.send("traces", EMPTY, timeout_s=5.0)
    transport.close()
    assert (sent.outcome, sent.detail) == (outcome, f"gRPC {code.name}: as told")
    assert sent.by_content is (code is grpc.StatusCode.INVALID_ARGUMENT)


def test_a_grpc_collector_that_is_not_there_is_tried_again() -> None:
    """Within the time that the request may take."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        transport = transport_to(f"grpc://127.0.0.1:{probe.getsockname()[1]}", {})
        assert transport.send("traces", EMPTY, timeout_s=1.0).outcome == "retry"
        transport.close()


def test_partial_success_is_read_from_both_signals(collector: Collector) -> None:
    """Items that were received and refused for good."""
    transport = transport_to(collector.endpoint, {})
    spans = ExportTraceServiceResponse()
    spans.partial_success.rejected_spans = 2
    spans.partial_success.error_message = "too old"
    collector.answer = lambda _context: spans.SerializeToString()
    assert transport.send("traces", EMPTY, timeout_s=5.0) == Sent("delivered", "too old", 2)
    logs = ExportLogsServiceResponse()
    logs.partial_success.rejected_log_records = 3
    collector.answer = lambda _context: logs.SerializeToString()
    assert transport.send("logs", b"", timeout_s=5.0) == Sent("delivered", "", 3)
    transport.close()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(408, "retry"), (429, "retry"), (500, "refused"), (502, "retry"), (503, "retry"),
     (504, "retry"), (400, "refused"), (401, "refused"), (404, "refused"), (307, "refused")],
)  # fmt: skip
def test_an_http_status_says_whether_to_try_again(
    status: int, outcome: str, otlp_server: OtlpServer
) -> None:
    """A redirect is not followed: it could lead anywhere."""
    otlp_server.enqueue(Refuse(status=status, message="why"))
    transport = transport_to(otlp_server.endpoint, {})
    sent = transport.send("traces", EMPTY, timeout_s=5.0)
    transport.close()
    assert (sent.outcome, sent.detail) == (outcome, f"HTTP {status}: why")


def test_the_time_that_a_server_asks_for_is_read(otlp_server: OtlpServer) -> None:
    """From the header, where there is one."""
    transport = transport_to(otlp_server.endpoint, {})
    otlp_server.enqueue(Refuse(status=503, retry_after_s=7), Refuse(status=503))
    assert transport.send("traces", EMPTY, timeout_s=5.0).retry_after_s == 7.0
    assert transport.send("traces", EMPTY, timeout_s=5.0).retry_after_s is None
    transport.close()


def test_a_reply_that_does_not_come_in_time_is_to_be_tried_again(
    otlp_server: OtlpServer,
) -> None:
    """Whether the spans arrived is not known; their identity makes a second time harmless."""
    otlp_server.enqueue(HangReply())
    transport = transport_to(otlp_server.endpoint, {})
    assert transport.send("traces", EMPTY, timeout_s=0.1).outcome == "retry"
    transport.close()


@pytest.mark.parametrize("endpoint", ["ftp://nowhere", "nonsense", "http://"])
def test_an_endpoint_that_cannot_work_is_an_answer_and_no_exception(endpoint: str) -> None:
    """The worker says it and goes on."""
    sent = transport_to(endpoint, {}).send("traces", EMPTY, timeout_s=1.0)
    assert sent.outcome == "retry"
    assert sent.detail


@pytest.mark.parametrize("talk", [hang, drip, drip_body, read_nothing])
def test_a_reply_that_comes_byte_by_byte_has_no_more_time_than_any_other(talk: Talk) -> None:
    """Each byte would begin the time-out of the socket anew."""
    with talking(talk) as endpoint:
        transport = transport_to(endpoint, {})
        began = time.monotonic()
        assert transport.send("traces", EMPTY, timeout_s=0.5).outcome == "retry"
        assert time.monotonic() - began < 1.5
        transport.close()


def test_a_reply_without_an_end_is_not_read_to_its_end() -> None:
    """The status says that the spans arrived."""
    with talking(never_end) as endpoint:
        transport = transport_to(endpoint, {})
        assert transport.send("traces", EMPTY, timeout_s=5.0) == Sent("delivered")
        transport.close()


def test_what_a_large_server_says_is_a_short_detail(otlp_server: OtlpServer) -> None:
    """It ends in a log line."""
    otlp_server.enqueue(Refuse(status=400, message="x" * 1_000_000))
    transport = transport_to(otlp_server.endpoint, {})
    assert len(transport.send("traces", EMPTY, timeout_s=5.0).detail) < 300
    transport.close()


def test_a_connection_is_used_again(otlp_server: OtlpServer) -> None:
    """Though we read replies in our own way."""
    transport = transport_to(otlp_server.endpoint, {})
    assert isinstance(transport, HttpTransport)
    for _ in range(5):
        assert transport.send("traces", EMPTY, timeout_s=5.0).outcome == "delivered"
    pools = transport._session.get_adapter("http://").poolmanager.pools  # type: ignore[attr-defined]  # of HTTPAdapter
    [pool] = [pools[key] for key in pools.keys()]  # noqa: SIM118 - it can't be iterated over
    assert (pool.num_connections, pool.num_requests) == (1, 5)
    transport.close()


def test_a_grpc_server_that_is_busy_says_how_long(collector: Collector) -> None:
    """In the trailing metadata; that something is too large for it is another matter."""
    info = RetryInfo(retry_delay=Duration(seconds=3, nanos=500_000_000)).SerializeToString()

    def busy(context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("google.rpc.retryinfo-bin", info),))
        return context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")  # type: ignore[no-any-return]  # it raises

    def too_large(context: grpc.ServicerContext) -> bytes:
        return context.abort(  # type: ignore[no-any-return]  # it raises
            grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max (5 vs. 4)"
        )

    transport = transport_to(collector.endpoint, {})
    collector.answer = busy
    sent = transport.send("traces", EMPTY, timeout_s=5.0)
    assert (sent.outcome, sent.retry_after_s) == ("retry", 3.5)
    collector.answer = too_large
    sent = transport.send("traces", EMPTY, timeout_s=5.0)
    assert (sent.outcome, sent.by_content) == ("refused", True)
    transport.close()


def test_bodies_are_compressed_and_headers_are_sent(otlp_server: OtlpServer) -> None:
    """Those of the environment too."""
    transport = transport_to(
        otlp_server.endpoint, {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x,x-a=1"}
    )
    assert transport.send("traces", EMPTY, timeout_s=5.0) == Sent("delivered")
    headers = otlp_server.requests[0].headers
    assert headers["content-encoding"] == "gzip"
    assert headers["authorization"] == "Bearer x"
    assert headers["x-a"] == "1"
    transport.close()


def test_a_partial_success_over_http_is_read(otlp_server: OtlpServer) -> None:
    """From the body of a 200."""
    otlp_server.enqueue(PartialSuccess(rejected=1, message="one too many"))
    exporter = exporter_to(otlp_server.endpoint)
    exporter.put(span())
    assert exporter.flush(5.0)
    exporter.shutdown()
    assert exporter.books().dropped_by_reason == {"rejected": 1}


@pytest.mark.parametrize(
    ("endpoint", "uses_proxies"),
    [
        ("http://127.0.0.1:4318", False),
        ("http://localhost:4318", False),
        ("http://[::1]:4318", False),
        ("https://collector.example:4318", True),
    ],
)
def test_loopback_never_goes_through_a_proxy(endpoint: str, uses_proxies: bool) -> None:
    """A proxy elsewhere would look for the collector on itself."""
    transport = transport_to(endpoint, {})
    assert isinstance(transport, HttpTransport)
    assert transport._session.trust_env is uses_proxies
    transport.close()
