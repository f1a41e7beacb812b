"""What the pipeline carries: spans through the real Collector into ClickHouse with all its views.

    make collector && .venv/bin/python benchmarks/pipeline.py [spans]

A genuine ClickHouse 25.8 server, the built Collector and the sender share this machine. Spans are
encoded beforehand. docs/sizing.md calculates with what this prints.
"""

import http.client
import random
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

import psutil
from opentelemetry.proto.trace.v1.trace_pb2 import Span

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests._engines import ClickHouseServer
from tests.pipeline import _otlp
from tests.pipeline._collector import FAST, Collector
from tests.pipeline._wait import wait_until
from tests.pipeline.conftest import clickhouse_environment

from spanledger.testing.otlp_server import Refuse
from spanledger.testing.proxy import FaultProxy
from spanledger.warehouse import Warehouse, connect, migrate

SPANS_PER_REQUEST = 500
_HEADERS = {"content-type": "application/x-protobuf"}
_MB = 1024 * 1024


def encoded(spans: int) -> list[bytes]:
    """Requests with traces of eight spans: an agent, two tools, five calls."""
    chance = random.Random(7)
    requests = range(spans // SPANS_PER_REQUEST)
    return [_otlp.traces(*_spans(chance)).SerializeToString() for _ in requests]


def _spans(chance: random.Random) -> list[Span]:
    traces = [chance.randbytes(16) for _ in range(SPANS_PER_REQUEST // 8 + 1)]
    return [_span(number, traces[number // 8], chance) for number in range(SPANS_PER_REQUEST)]


def _span(number: int, trace_id: bytes, chance: random.Random) -> Span:
    place = number % 8
    operation = "invoke_agent" if place == 0 else "execute_tool" if place < 3 else "chat"
    attributes: dict[str, _otlp.Value] = {
        "gen_ai.operation.name": operation,
        "gen_ai.agent.name": f"agent-{chance.randrange(20)}",
        "gen_ai.conversation.id": f"session-{chance.randrange(5000)}",
        "user.id": f"user-{chance.randrange(1000)}",
    }
    if operation == "chat":
        attributes |= {
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": chance.choice(["gpt-4o", "gpt-4o-mini", "o3"]),
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.response.id": f"chatcmpl-{chance.getrandbits(96):024x}",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": chance.randrange(100, 20_000),
            "gen_ai.usage.output_tokens": chance.randrange(1, 2000),
            "spanledger.cost.nano_usd": chance.randrange(10**8),
            "spanledger.cost.provenance": "computed",
            "spanledger.billing": "call",
        }
    elif operation == "execute_tool":
        attributes["gen_ai.tool.name"] = f"tool-{chance.randrange(40)}"
    span = _otlp.span(number, attributes)
    span.trace_id = trace_id
    span.span_id = chance.randbytes(8)
    span.start_time_unix_nano = time.time_ns()
    span.end_time_unix_nano = span.start_time_unix_nano + chance.randrange(10**10)
    return span


def send(endpoint: str, bodies: Sequence[bytes], connections: int) -> float:
    """Send all, each until it is taken; seconds until the last acknowledgement."""
    waiting: SimpleQueue[bytes] = SimpleQueue()
    for body in bodies:
        waiting.put(body)
    threads = [
        threading.Thread(target=_send_from, args=(endpoint, waiting)) for _ in range(connections)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - began


def _send_from(endpoint: str, waiting: SimpleQueue[bytes]) -> None:
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=60)
    while True:
        try:
            body = waiting.get_nowait()
        except Empty:
            connection.close()
            return
        connection.request("POST", "/v1/traces", body, _HEADERS)
        reply = connection.getresponse()
        reply.read()
        if reply.status != 200:
            waiting.put(body)
            time.sleep(0.1)


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _landed(warehouse: Warehouse) -> int:
    [row] = warehouse.query("SELECT count() AS spans FROM otel_traces")
    return int(row["spans"])


def throughput(
    name: str, connections: int, server: ClickHouseServer, bodies: Sequence[bytes], directory: Path
) -> None:
    """Spans a second with all views, CPU of each process, and how soon the last span is seen."""
    database = name.removesuffix(".yaml")
    spans = len(bodies) * SPANS_PER_REQUEST
    with connect(server.url(database)) as warehouse:
        migrate(warehouse)
        environment = clickhouse_environment(server, database)
        collector = Collector(directory / database, [name], environment, ()).start()
        try:
            before = _cpu_s(collector.pid), _cpu_s(server.pid)
            began = time.monotonic()
            send(collector.endpoint, bodies, connections)
            acknowledged = time.monotonic()
            wait_until(lambda: _landed(warehouse) >= spans, 120)
            landed = time.monotonic()
            used = _cpu_s(collector.pid) - before[0], _cpu_s(server.pid) - before[1]
            memory = collector.memory_bytes() / _MB
            print(f"{name}: {spans / (landed - began):,.0f} spans/s, {connections} connections")
            print(f"  Collector   {used[0] / spans * 1e6:.1f} µs a span, {memory:.0f} MB")
            print(f"  ClickHouse  {used[1] / spans * 1e6:.1f} µs a span")
            print(f"  last span seen {landed - acknowledged:.1f} s after its answer")
            print(f"  lost {spans - _landed(warehouse)}")
        finally:
            collector.kill()


def outage(server: ClickHouseServer, bodies: Sequence[bytes], directory: Path) -> None:
    """ClickHouse answers 503 while everything is sent; memory and disk of the Collector."""
    spans = len(bodies) * SPANS_PER_REQUEST
    with (
        connect(server.url("outage")) as warehouse,
        FaultProxy(f"http://127.0.0.1:{server.http_port}") as proxy,
    ):
        migrate(warehouse)
        environment = clickhouse_environment(server, "outage", proxy.endpoint)
        collector = Collector(directory / "outage", ["agent.yaml"], environment, ()).start()
        try:
            proxy.always(Refuse(status=503))
            send(collector.endpoint, bodies, 4)
            memory, disk = collector.memory_bytes(), _size(collector.queue_dir)
            proxy.heal()
            began = time.monotonic()
            wait_until(lambda: _landed(warehouse) >= spans, 120)
            took = time.monotonic() - began
            print(f"outage: {spans:,} spans wait, {disk / spans:.0f} bytes of disk each")
            print(f"  the Collector has {memory / _MB:.0f} MB")
            print(f"  all in after {took:.1f} s, lost {spans - _landed(warehouse)}")
        finally:
            collector.kill()


def _size(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def merging(server: ClickHouseServer, database: str) -> None:
    """What it costs to merge all that landed into one part of each table, once."""
    with connect(server.url(database)) as warehouse:
        spans = _landed(warehouse)
        [parts] = warehouse.query(
            "SELECT count() AS n FROM system.parts WHERE active AND database = {database:String}"
            " AND table = 'otel_traces'",
            database=database,
        )
        tables = warehouse.query(
            "SELECT DISTINCT table FROM system.parts"
            " WHERE active AND database = {database:String} AND rows > {few:UInt64}",
            database=database,
            few=spans // 1000,
        )
        before = _cpu_s(server.pid)
        for row in tables:
            warehouse.command(f"OPTIMIZE TABLE {row['table']} FINAL")
        used = _cpu_s(server.pid) - before
    print(f"merge: {used / spans * 1e6:.1f} µs a span for all tables ({parts['n']} parts to one)")


def small_inserts(server: ClickHouseServer, number: int = 100) -> None:
    """What an INSERT costs with all views, if there is one span in it."""
    database = "small"
    with connect(server.url(database)) as warehouse:
        migrate(warehouse)
        environment = clickhouse_environment(server, database)
        with tempfile.TemporaryDirectory() as folder:
            collector = Collector(Path(folder), ["gateway.yaml"], environment, FAST).start()
            try:
                chance = random.Random(7)
                bodies = [
                    _otlp.traces(_span(3, chance.randbytes(16), chance)).SerializeToString()
                    for _ in range(number)
                ]
                send(collector.endpoint, bodies[:5], 1)
                before = _cpu_s(server.pid)
                send(collector.endpoint, bodies[5:], 1)
                used = _cpu_s(server.pid) - before
            finally:
                collector.kill()
    print(f"small inserts: {used / (number - 5) * 1e3:.0f} ms of CPU each")


def bytes_per_span(server: ClickHouseServer, database: str) -> None:
    """What the tables take on disk, for each span that landed."""
    with connect(server.url(database)) as warehouse:
        spans = _landed(warehouse)
        for table in ("otel_traces", "otel_traces_trace_id_ts", "llm_calls", "agent_steps"):
            warehouse.command(f"OPTIMIZE TABLE {table} FINAL")
        tables = warehouse.query(
            "SELECT table, sum(bytes_on_disk) AS bytes FROM system.parts"
            " WHERE active AND database = {database:String} GROUP BY table HAVING bytes > 100000"
            " ORDER BY bytes DESC",
            database=database,
        )
    for row in tables:
        print(f"  {row['table']:28} {int(row['bytes']) / spans:6.1f} bytes a span")


def main(spans: int) -> None:
    bodies = encoded(spans)
    with tempfile.TemporaryDirectory(prefix="pipeline-") as folder:
        directory = Path(folder)
        server = ClickHouseServer(directory / "clickhouse").start()
        try:
            throughput("agent.yaml", 4, server, bodies, directory)
            throughput("gateway.yaml", 64, server, bodies, directory)
            merging(server, "agent")
            bytes_per_span(server, "agent")
            small_inserts(server)
            outage(server, bodies, directory)
        finally:
            server.stop()


main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
