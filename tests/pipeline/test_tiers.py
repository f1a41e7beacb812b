"""The overlays: TLS and tokens, a Collector behind a Collector, tail sampling."""

import http.client
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanledger import semconv
from spanledger.testing.otlp_server import Refuse
from spanledger.testing.proxy import FaultProxy
from spanledger.warehouse import Warehouse
from tests._engines import ClickHouseServer
from tests.pipeline import _otlp
from tests.pipeline._certificates import make_certificate
from tests.pipeline._collector import CONFIGS, FAST
from tests.pipeline._wait import wait_until
from tests.pipeline.conftest import StartCollector

pytestmark = pytest.mark.storage
_TOKEN = "the-token-of-this-test"


def post_tls(endpoint: str, authority: Path, headers: Mapping[str, str]) -> int:
    """Send one span by HTTPS; the status."""
    context = ssl.create_default_context(cafile=str(authority))
    connection = http.client.HTTPSConnection(urlsplit(endpoint).netloc, context=context, timeout=10)
    body = _otlp.traces(_otlp.span(1)).SerializeToString()
    try:
        connection.request(
            "POST", "/v1/traces", body, {"content-type": "application/x-protobuf", **headers}
        )
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_gateway_takes_telemetry_only_over_tls_and_with_its_token(
    start_collector: StartCollector, warehouse: Warehouse, tmp_path: Path
) -> None:
    certificate, key = make_certificate(tmp_path)
    (tmp_path / "token").write_text(_TOKEN)
    gateway = start_collector(
        "gateway.yaml",
        "tls.yaml",
        "auth.yaml",
        SPANLEDGER_TLS_CERT_FILE=str(certificate),
        SPANLEDGER_TLS_KEY_FILE=str(key),
        SPANLEDGER_OTLP_TOKEN_FILE=str(tmp_path / "token"),
    )
    assert post_tls(gateway.endpoint, certificate, {}) == 401
    assert post_tls(gateway.endpoint, certificate, {"authorization": "Bearer wrong"}) == 401
    assert _otlp.post(gateway.endpoint, _otlp.traces(_otlp.span(1))) == 400
    assert _spans(warehouse, "otel_traces") == []
    assert post_tls(gateway.endpoint, certificate, {"authorization": f"Bearer {_TOKEN}"}) == 200
    assert wait_until(lambda: len(_spans(warehouse, "otel_traces")) == 1)


_SOON = tuple(
    f"exporters.otlp_grpc.retry_on_failure.{name}"
    for name in ("initial_interval=100ms", "max_interval=1s")
)


def test_an_agents_collector_sends_through_a_gateway_that_wants_a_token(
    start_collector: StartCollector, warehouse: Warehouse, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(_TOKEN)
    gateway = start_collector(
        "gateway.yaml", "auth.yaml", SPANLEDGER_OTLP_TOKEN_FILE=str(tmp_path / "token")
    )
    agent = start_collector(
        "agent.yaml",
        "to-gateway.yaml",
        SPANLEDGER_GATEWAY_ENDPOINT=f"127.0.0.1:{gateway.grpc_port}",
        SPANLEDGER_GATEWAY_INSECURE="true",
        SPANLEDGER_GATEWAY_TOKEN=_TOKEN,
        settings=_SOON,
    )
    assert _otlp.post(agent.endpoint, _otlp.traces(_otlp.full_span())) == 200
    assert wait_until(lambda: len(_spans(warehouse, "otel_traces")) == 1)
    # The gateway dies; what comes meanwhile waits on the agent's disk.
    gateway.kill()
    assert _otlp.post(agent.endpoint, _otlp.traces(_otlp.span(1))) == 200
    gateway.start()

    # The gateway may die after its rows are in and before it says so: then they come twice.
    def both() -> bool:
        return len({row["SpanId"] for row in _spans(warehouse, "otel_traces")}) == 2

    assert wait_until(both, timeout_s=90.0)


_IMPATIENT = (*FAST, "exporters.clickhouse.retry_on_failure.max_elapsed_time=300ms")


def test_a_gateway_answers_for_nothing_that_clickhouse_has_not(
    server: ClickHouseServer, start_collector: StartCollector, warehouse: Warehouse
) -> None:
    with FaultProxy(f"http://127.0.0.1:{server.http_port}") as proxy:
        gateway = start_collector("gateway.yaml", clickhouse=proxy.endpoint, settings=_IMPATIENT)
        proxy.always(Refuse(status=503))
        # 503: the sender is to try again, and not to give up.
        assert _otlp.post(gateway.endpoint, _otlp.traces(_otlp.span(1))) == 503
        proxy.heal()
        assert _otlp.post(gateway.endpoint, _otlp.traces(_otlp.span(1))) == 200
        assert len(_spans(warehouse, "otel_traces")) == 1


def test_a_wrong_password_loses_nothing_while_it_is_being_changed(
    server: ClickHouseServer, start_collector: StartCollector, warehouse: Warehouse
) -> None:
    gateway = start_collector(
        "gateway.yaml", settings=_IMPATIENT, SPANLEDGER_CLICKHOUSE_PASSWORD="of before"
    )
    assert _otlp.post(gateway.endpoint, _otlp.traces(_otlp.span(1))) == 503
    keeps = start_collector("agent.yaml", SPANLEDGER_CLICKHOUSE_PASSWORD="of before")
    assert _otlp.post(keeps.endpoint, _otlp.traces(_otlp.span(1))) == 200
    keeps.kill()
    keeps.environment = {**keeps.environment, "SPANLEDGER_CLICKHOUSE_PASSWORD": server.password}
    keeps.start()
    assert wait_until(lambda: len(_spans(warehouse, "otel_traces")) == 1)


def trace(number: int, *, error: bool = False) -> list[Span]:
    """A call with content in it, below a root span."""
    spans = [
        _otlp.span(1, {semconv.OPERATION_NAME: "invoke_agent"}),
        _otlp.span(
            2,
            {
                semconv.OPERATION_NAME: "chat",
                semconv.USAGE_INPUT_TOKENS: 10,
                semconv.COST_NANO_USD: 1000 + number,
                semconv.BILLING: "call",
                "gen_ai.input.messages": "a prompt",
            },
            parent_span_id=(2).to_bytes(8, "big"),
        ),
    ]
    for span in spans:
        # Of now: the sampled table keeps a month.
        span.start_time_unix_nano = time.time_ns()
        span.end_time_unix_nano = span.start_time_unix_nano + 10**9
        span.trace_id = (1000 + number).to_bytes(16, "big")
    if error:
        spans[1].status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR))
    return spans


def test_tail_sampling_keeps_every_call_record_and_the_content_of_some(
    start_collector: StartCollector, warehouse: Warehouse
) -> None:
    for statement in _statements("sampler.sql"):
        warehouse.command(statement)
    sampler = start_collector(
        "gateway.yaml",
        "sampler.yaml",
        SPANLEDGER_SAMPLE_WAIT="1s",
        SPANLEDGER_SAMPLE_PERCENT="0",
    )
    gateway = start_collector(
        "gateway.yaml",
        "to-samplers.yaml",
        SPANLEDGER_SAMPLERS_PORT=str(sampler.grpc_port),
    )
    for number in range(10):
        # In two requests: all spans of a trace have to meet in the sampler.
        for span in trace(number, error=number == 7):
            assert _otlp.post(gateway.endpoint, _otlp.traces(span)) == 200
    assert wait_until(lambda: len(_spans(warehouse, "otel_traces_sampled")) == 2)
    whole = _spans(warehouse, "otel_traces_sampled")
    assert {span["TraceId"] for span in whole} == {f"{1007:032x}"}
    assert sorted(span["content"] for span in whole) == ["", "a prompt"]
    landed = _spans(warehouse, "otel_traces")
    assert len(landed) == 20
    assert {span["content"] for span in landed} == {""}
    calls = warehouse.query("SELECT cost_usd FROM calls")
    assert sorted(int(call["cost_usd"] * 10**9) for call in calls) == list(range(1000, 1010))


def _spans(warehouse: Warehouse, table: str) -> list[dict[str, Any]]:
    return warehouse.query(
        f"SELECT TraceId, SpanId, SpanAttributes['gen_ai.input.messages'] AS content FROM {table}"  # noqa: S608 - names from above
    )


def _statements(name: str) -> list[str]:
    """Of a file of collector-config, without its comments."""
    lines = (CONFIGS / name).read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    return [statement.strip() for statement in text.split(";") if statement.strip()]
