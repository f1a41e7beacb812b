"""What is sent to the real Collector is in the tables, field by field."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger import semconv, stack
from spanledger.stack import StackInfo
from spanledger.testing.providers import MockProvider
from spanledger.warehouse import Warehouse, connect
from tests._engines import ClickHouseServer
from tests.pipeline import _otlp
from tests.pipeline._agents import COST_NANO_USD, SPANS_PER_CALL, Agents
from tests.pipeline._collector import Collector
from tests.pipeline._wait import wait_until
from tests.pipeline.conftest import StartCollector

pytestmark = pytest.mark.storage

#: What the exporter writes for `_otlp.ATTRIBUTES`.
_WRITTEN = {
    "text": "grüße, 世界 🙂",
    "quotes": 'a "b" \\ \n c',
    "empty": "",
    "yes": "true",
    "small": "-7",
    "large": "9223372036854775807",
    "real": "0.1",
    "whole": "3",
    "tiny": "1e-300",
    "texts": '["stop","length"]',
    "numbers": "[1,2]",
    "nested": '{"inner":[true,{"deep":1}]}',
    "bytes": "AP8=",
    "nothing": "",
}


@pytest.fixture(params=["agent.yaml", "gateway.yaml"])
def config(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["native", "http"])
def collector(
    request: pytest.FixtureRequest,
    config: str,
    server: ClickHouseServer,
    start_collector: StartCollector,
) -> Collector:
    """One in front of an empty database, by both of ClickHouse's protocols."""
    http = f"http://127.0.0.1:{server.http_port}"
    return start_collector(config, clickhouse=http if request.param == "http" else None)


def test_a_foreign_span_arrives_field_by_field(collector: Collector, warehouse: Warehouse) -> None:
    assert _otlp.post(collector.endpoint, _otlp.traces(_otlp.full_span())) == 200
    [row] = rows_of(warehouse, "otel_traces")
    assert row == {
        "Timestamp": _otlp.NOON_NS + 7,
        "TraceId": f"{1:032x}",
        "SpanId": f"{8:016x}",
        "ParentSpanId": b"parent_1".hex(),
        "TraceState": "vendor=1,other=2",
        "SpanName": "chat 7",
        "SpanKind": "Client",
        "ServiceName": "billing",
        "ResourceAttributes": {"service.name": "billing", "host.cpus": "8"},
        "ScopeName": "foreign.scope",
        "ScopeVersion": "1.2.3",
        "SpanAttributes": _WRITTEN,
        "Duration": 1_500_000_001,
        "StatusCode": "Error",
        "StatusMessage": "it broke",
        "Events.Timestamp": [_otlp.NOON_NS + 5, _otlp.NOON_NS + 6],
        "Events.Name": ["first", "second"],
        "Events.Attributes": [_WRITTEN, {}],
        "Links.TraceId": [b"another trace id".hex()],
        "Links.SpanId": [b"another!".hex()],
        "Links.TraceState": ["a=b"],
        "Links.Attributes": [{"why": "retry"}],
    }


def test_a_foreign_log_record_arrives_field_by_field(
    collector: Collector, warehouse: Warehouse
) -> None:
    assert _otlp.post(collector.endpoint, _otlp.logs()) == 200
    first, second = rows_of(warehouse, "otel_logs")
    assert first == {
        "Timestamp": _otlp.NOON_NS,
        "TraceId": f"{1:032x}",
        "SpanId": f"{8:016x}",
        "TraceFlags": 1,
        "SeverityText": "WARN",
        "SeverityNumber": 13,
        "ServiceName": "billing",
        "Body": "a sentence",
        "ResourceSchemaUrl": "",
        "ResourceAttributes": {"service.name": "billing", "host.cpus": "8"},
        "ScopeSchemaUrl": "",
        "ScopeName": "foreign.scope",
        "ScopeVersion": "1.2.3",
        "ScopeAttributes": {},
        "LogAttributes": _WRITTEN,
        "EventName": "something.happened",
    }
    assert second["Body"] == '{"a":[1,"b"]}'


@pytest.fixture(scope="module")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    pytest.importorskip("chdb", reason="the embedded engine is not installed")
    data_dir = tmp_path_factory.mktemp("stack")
    yield stack.start(data_dir, clickhouse_port=0, otlp_port=0, grpc_port=None)
    stack.stop(data_dir)


def test_the_local_stack_writes_what_the_collector_writes(
    start_collector: StartCollector, warehouse: Warehouse, local_stack: StackInfo
) -> None:
    collector = start_collector("agent.yaml")
    requests = (_otlp.traces(_otlp.full_span(), _otlp.span(1)), _otlp.logs(), _otlp.metrics())
    for request in requests:
        for endpoint in (collector.endpoint, local_stack.otlp_endpoint):
            assert _otlp.post(endpoint, request) == 200
    with connect(local_stack.clickhouse_url) as ours:
        for table in (
            "otel_traces", "otel_logs", "otel_metrics_gauge", "otel_metrics_sum",
            "otel_metrics_histogram",
        ):  # fmt: skip
            theirs = rows_of(warehouse, table)
            assert theirs
            assert rows_of(ours, table) == theirs


def test_a_call_of_our_own_agent_is_a_call_record_at_its_price(
    config: str, start_collector: StartCollector, warehouse: Warehouse, tmp_path: Path
) -> None:
    collector = start_collector(config)
    with MockProvider() as provider:
        agents = Agents(tmp_path / "agent", provider, collector.endpoint)
        try:
            agents.start(3, 0).wait()
            agents.drain()
        finally:
            agents.stop()
    assert wait_until(lambda: _count(warehouse, "otel_traces") == 3 * SPANS_PER_CALL)
    assert wait_until(lambda: _count(warehouse, "calls") == 3)
    calls = warehouse.query("SELECT * FROM calls ORDER BY session_id")
    assert [call["session_id"] for call in calls] == ["run0-0", "run0-1", "run0-2"]
    for call in calls:
        assert int(call["cost_usd"] * 10**9) == COST_NANO_USD
        assert (call["input_tokens"], call["output_tokens"]) == (1234, 567)
        assert (call["agent"], call["provider"]) == ("worker", "openai")
        assert call["cost_provenance"] == "computed"


def test_a_call_of_a_foreign_producer_is_a_call_record(
    config: str, start_collector: StartCollector, warehouse: Warehouse
) -> None:
    now = int(datetime.now(UTC).timestamp()) * 10**9
    attributes: dict[str, _otlp.Value] = {
        semconv.OPERATION_NAME: "chat",
        semconv.PROVIDER_NAME: "openai",
        semconv.REQUEST_MODEL: "gpt-4o-mini",
        semconv.USAGE_INPUT_TOKENS: 1000,
        semconv.USAGE_OUTPUT_TOKENS: 100,
    }
    span = _otlp.span(1, attributes)
    span.start_time_unix_nano, span.end_time_unix_nano = now, now + 10**9
    collector = start_collector(config)
    assert _otlp.post(collector.endpoint, _otlp.traces(span)) == 200
    assert wait_until(lambda: _count(warehouse, "calls") == 1)
    [call] = warehouse.query("SELECT * FROM calls")
    assert (call["input_tokens"], call["output_tokens"]) == (1000, 100)
    assert (call["request_model"], call["service"]) == ("gpt-4o-mini", "billing")


def test_secrets_are_masked_and_tokens_are_not(
    config: str, start_collector: StartCollector, warehouse: Warehouse
) -> None:
    secret = "sk-" + "a1B2" * 8
    attributes: dict[str, _otlp.Value] = {
        "note": f"with {secret} in it",
        "http.request.header.authorization": "Basic of some kind",
        semconv.USAGE_INPUT_TOKENS: 12,
        semconv.CONVERSATION_ID: "session-1",
    }
    collector = start_collector(config)
    _otlp.post(collector.endpoint, _otlp.traces(_otlp.span(1, attributes)))
    [row] = rows_of(warehouse, "otel_traces")
    written = row["SpanAttributes"]
    assert secret not in str(row)
    assert written["note"].startswith("with ***")
    assert written["http.request.header.authorization"] != "Basic of some kind"
    assert written[semconv.USAGE_INPUT_TOKENS] == "12"
    assert written[semconv.CONVERSATION_ID] == "session-1"


@pytest.mark.parametrize("body", [b"\x0a\xff", b"not protobuf at all"], ids=["torn", "text"])
def test_what_is_not_otlp_is_refused_for_good(
    config: str, start_collector: StartCollector, body: bytes
) -> None:
    collector = start_collector(config)
    assert _otlp.post_bytes(collector.endpoint, "/v1/traces", body) == 400


def test_one_odd_span_does_not_hold_up_its_batch(
    config: str, start_collector: StartCollector, warehouse: Warehouse
) -> None:
    """What retries for ever must never meet what can never be stored."""
    odd = [
        _otlp.span(1, {f"key.{number}": number for number in range(10_000)}),
        _at(_otlp.span(2), start=0, end=0),
        _at(_otlp.span(3), start=4_102_444_800 * 10**9, end=4_102_444_801 * 10**9),
        _at(_otlp.span(4), start=2**64 - 1, end=2**64 - 1),
        _at(_otlp.span(5), start=_otlp.NOON_NS, end=_otlp.NOON_NS - 10**9),
        _otlp.span(6, {semconv.USAGE_INPUT_TOKENS: -5, semconv.COST_NANO_USD: "NaN"}),
        _otlp.span(7, {semconv.REQUEST_MODEL: "gpt\x00\x1b[31m-x", semconv.OPERATION_NAME: "chat"}),
        _otlp.span(8, {"dup": 1}),
        _otlp.span(8, {"dup": 2}),
        _otlp.span(9, {"long": "x" * 1_000_000}),
    ]  # fmt: skip
    collector = start_collector(config)
    assert _otlp.post(collector.endpoint, _otlp.traces(*odd, _otlp.span(10))) == 200
    assert wait_until(lambda: _count(warehouse, "otel_traces") == len(odd) + 1, 10)


def test_a_request_beyond_the_limit_is_refused_and_the_next_one_taken(
    config: str, start_collector: StartCollector, warehouse: Warehouse
) -> None:
    collector = start_collector(config)
    large = _otlp.traces(_otlp.span(1, {"long": "x" * (64 * 1024 * 1024)}))
    assert _otlp.post(collector.endpoint, large) in {400, 413}
    assert _otlp.post(collector.endpoint, _otlp.traces(_otlp.span(2))) == 200
    assert wait_until(lambda: _count(warehouse, "otel_traces") == 1)


@pytest.mark.parametrize(
    "name", ["agent.yaml", pytest.param("gateway.yaml", marks=pytest.mark.slow)]
)
def test_the_collector_says_how_it_fares(
    name: str, start_collector: StartCollector, warehouse: Warehouse
) -> None:
    """Its own metrics go the way of all others, every 15 seconds."""
    collector = start_collector(name)
    _otlp.post(collector.endpoint, _otlp.traces(_otlp.span(1)))
    assert wait_until(lambda: _count(warehouse, "otel_traces") == 1)
    assert wait_until(lambda: "otelcol_exporter_sent_spans" in _metric_names(warehouse), 25)


def rows_of(warehouse: Warehouse, table: str) -> list[dict[str, Any]]:
    """All rows, once there are some: times as nanoseconds, which Python's have not."""
    wait_until(lambda: _count(warehouse, table) > 0)
    columns = warehouse.query(
        "SELECT name, type, default_kind AS kind FROM system.columns"
        " WHERE database = {database:String} AND table = {table:String} AND default_kind = ''"
        " ORDER BY position",
        database=warehouse.database,
        table=table,
    )
    chosen = ", ".join(_exactly(column["name"], column["type"]) for column in columns)
    time = "Timestamp" if table in {"otel_traces", "otel_logs"} else "TimeUnix"
    return warehouse.query(f"SELECT {chosen} FROM {table} ORDER BY {table}.{time}")  # noqa: S608 - names from above


def _exactly(name: str, kind: str) -> str:
    if kind.startswith("DateTime64(9"):
        return f"toUnixTimestamp64Nano(`{name}`) AS `{name}`"
    if kind.startswith("Array(DateTime64(9"):
        return f"arrayMap(t -> toUnixTimestamp64Nano(t), `{name}`) AS `{name}`"
    return f"`{name}`"


def _count(warehouse: Warehouse, table: str) -> int:
    [row] = warehouse.query(f"SELECT count() AS rows FROM {table}")  # noqa: S608 - names from here
    return int(row["rows"])


def _metric_names(warehouse: Warehouse) -> set[str]:
    rows = warehouse.query("SELECT DISTINCT MetricName AS name FROM otel_metrics_sum")
    return {row["name"] for row in rows}


def _at(span: Span, *, start: int, end: int) -> Span:
    span.start_time_unix_nano, span.end_time_unix_nano = start, end
    return span
