"""What the local stack takes in: spans/s, CPU, latency, memory, and when rows can be queried.

    nice -n 10 python benchmarks/stack.py [--rounds 3] [--engine server --clickhouse PATH]

Senders on loopback post ready-made OTLP requests over connections of their own (the sender's CPU is
in the measured time, on the same cores). The shapes are interleaved round by round, so that a busy
minute of the machine hits all alike; printed is the median of the rounds. "queryable" is the
longest time between an acknowledgement and the row being found by a query. Exits with 1 if a target
is missed.
"""

import argparse
import http.client
import itertools
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger import stack
from spanledger.stack import StackInfo
from spanledger.warehouse import connect

TARGET_SPANS_S = 10_000
TARGET_QUERYABLE_S = 2.0
TARGET_MEMORY_MIB = 1200
#: Spans a request, connections, requests a connection; the first is the target's.
SHAPES = ((500, 4, 30), (500, 1, 40), (50, 8, 40), (1, 16, 40))
ATTRIBUTES: dict[str, str | int] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.usage.input_tokens": 1234,
    "gen_ai.usage.output_tokens": 321,
    "gen_ai.agent.name": "researcher",
    "user.id": "user-17",
    "spanledger.call.id": "0123456789abcdef",
    "spanledger.billing": "call",
    "spanledger.cost.nano_usd": 377_700,
    "spanledger.cost.provenance": "computed",
}
_numbers = itertools.count(1)


@dataclass
class Result:
    """One shape in all rounds."""

    spans_s: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    rows_an_insert: list[float] = field(default_factory=list)


def a_request(spans: int) -> bytes:
    """An OTLP request of model calls that nobody sent before."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add().scope_spans.add()
    now = time.time_ns()
    for _ in range(spans):
        span = group.spans.add(
            trace_id=os.urandom(16),
            span_id=os.urandom(8),
            name="chat gpt-4o-mini",
            start_time_unix_nano=now,
            end_time_unix_nano=now + 10**9,
        )
        for key, value in ATTRIBUTES.items():
            item = span.attributes.add(key=key)
            if isinstance(value, int):
                item.value.int_value = value
            else:
                item.value.string_value = value
        session = span.attributes.add(key="gen_ai.conversation.id")
        session.value.string_value = f"session-{next(_numbers) % 1000}"
    return bytes(request.SerializeToString())


def post_all(port: int, bodies: list[bytes], latencies: list[float]) -> None:
    """Send requests over one connection; come again when told to."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body in bodies:
        began, status = time.perf_counter(), 0
        while status != 200:
            headers = {"Content-Type": "application/x-protobuf"}
            connection.request("POST", "/v1/traces", body, headers)
            response = connection.getresponse()
            response.read()
            status = response.status
        latencies.append(time.perf_counter() - began)
    connection.close()


def measure(info: StackInfo, shape: tuple[int, int, int], result: Result) -> None:
    """One round of one shape."""
    spans, connections, requests = shape
    port = urlsplit(info.otlp_endpoint).port or 0
    work = [[a_request(spans) for _ in range(requests)] for _ in range(connections)]
    latencies: list[float] = []
    threads = [threading.Thread(target=post_all, args=(port, b, latencies)) for b in work]
    inserts, cpu, began = stack.health(info)["inserts"], cpu_s(info.pid), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total, took = spans * connections * requests, time.perf_counter() - began
    latencies.sort()
    result.spans_s.append(total / took)
    result.cpu_us.append((cpu_s(info.pid) - cpu) / total * 1e6)
    result.p50_ms.append(statistics.median(latencies) * 1e3)
    result.p99_ms.append(latencies[int(len(latencies) * 0.99)] * 1e3)
    result.rows_an_insert.append(total / (stack.health(info)["inserts"] - inserts))


def queryable_s(info: StackInfo, rounds: int = 20) -> float:
    """The longest time from an acknowledgement to the call record that a query finds."""
    port, longest = urlsplit(info.otlp_endpoint).port or 0, 0.0
    with connect(info.clickhouse_url) as warehouse:
        for _ in range(rounds):
            body = a_request(1)
            span = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0]
            post_all(port, [body], [])
            began = time.perf_counter()
            sql = "SELECT count() AS n FROM calls WHERE span_id = {id:String}"
            while not warehouse.query(sql, id=span.spans[0].span_id.hex())[0]["n"]:
                time.sleep(0.005)
            longest = max(longest, time.perf_counter() - began)
    return longest


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used, its children's too."""
    ticks = os.sysconf("SC_CLK_TCK")
    return sum(
        sum(map(int, Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:13]))
        / ticks
        for one in (pid, *children(pid))
    )


def children(pid: int) -> Iterator[int]:
    """The processes that *pid* started."""
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        yield from map(int, path.read_text().split())


def peak_mib(pid: int) -> float:
    """The most memory that a process has held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def show(shape: tuple[int, int, int], result: Result) -> float:
    """Print a row; the median of spans/s."""
    found = statistics.median(result.spans_s)
    print(
        f"{shape[0]:4} spans a request × {shape[1]:2} connections  {found:9,.0f} spans/s  "
        f"{statistics.median(result.cpu_us):8,.0f} µs CPU a span  "
        f"p50 {statistics.median(result.p50_ms):5.0f} ms  "
        f"p99 {statistics.median(result.p99_ms):5.0f} ms  "
        f"{statistics.median(result.rows_an_insert):6,.0f} rows an insert"
    )
    return found


def run(rounds: int, engine: Literal["embedded", "server"], clickhouse: Path | None) -> bool:
    """Measure and print; whether all targets were met."""
    with tempfile.TemporaryDirectory() as folder:
        info = stack.start(
            Path(folder), clickhouse_port=0, otlp_port=0, grpc_port=None, engine=engine,
            clickhouse=clickhouse,
        )  # fmt: skip
        try:
            results = {shape: Result() for shape in SHAPES}
            for shape, result in (pair for _ in range(rounds) for pair in results.items()):
                measure(info, shape, result)
            rates = [show(shape, result) for shape, result in results.items()]
            seconds, memory = queryable_s(info), peak_mib(info.pid)
        finally:
            stack.stop(Path(folder))
    print(
        f"target {TARGET_SPANS_S:,} spans/s; queryable after {seconds * 1e3:.0f} ms at most "
        f"(target {TARGET_QUERYABLE_S:.0f} s); peak memory {memory:,.0f} MiB "
        f"(target {TARGET_MEMORY_MIB:,})"
    )
    return (
        rates[0] >= TARGET_SPANS_S and seconds <= TARGET_QUERYABLE_S and memory <= TARGET_MEMORY_MIB
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", choices=("embedded", "server"), default="embedded")
    parser.add_argument("--clickhouse", type=Path)
    options = parser.parse_args()
    return int(not run(options.rounds, options.engine, options.clickhouse))


if __name__ == "__main__":
    raise SystemExit(main())
