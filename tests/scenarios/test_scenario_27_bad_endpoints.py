"""The endpoint is refused, hangs, lies; the disk is full; a span is huge; a million come at once.

The program waits for none of it, memory and the end are bounded, and the books are right:
accepted = delivered + spooled + dropped.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from spanledger.processors import Exporter, ExportOptions, SpoolOptions, spool_state
from spanledger.testing.otlp_server import OtlpBehaviour, OtlpServer, PartialSuccess, Refuse
from tests.processors._endpoints import (
    Talk,
    babble,
    drip,
    drip_body,
    hang,
    never_end,
    read_nothing,
    refusing,
    talking,
)
from tests.processors._exporting import assert_law, exporter_to, span
from tests.processors._spooling import MB, small_disk

REPOSITORY = Path(__file__).parents[2]
SHUTDOWN_S = 3.0
SPANS = 300


@contextmanager
def answering(behaviour: OtlpBehaviour) -> Iterator[str]:
    with OtlpServer(behaviour) as server:
        yield server.endpoint


def tls_without_tls() -> AbstractContextManager[str]:
    """The handshake is answered with a plain error, as by a collector without TLS."""
    return talking(babble, scheme="https")


#: What each of them does with the spans; those that say they took them are believed.
ENDPOINTS: dict[str, tuple[AbstractContextManager[str], str]] = {
    "refused": (refusing(), "on disk"),
    "hanging": (talking(hang), "on disk"),
    "reading nothing": (talking(read_nothing), "on disk"),
    "slow-loris": (talking(drip), "on disk"),
    "slow-loris in the body": (talking(drip_body), "on disk"),
    "503 and Retry-After": (answering(Refuse(status=503, retry_after_s=60)), "on disk"),
    "TLS error": (tls_without_tls(), "on disk"),
    "not HTTP": (talking(babble), "on disk"),
    "endless reply": (talking(never_end), "delivered"),
    "lies about numbers": (answering(PartialSuccess(rejected=10**9)), "dropped"),
    "everything is bad": (answering(Refuse(status=401)), "dropped"),
}


def put_spans(exporter: Exporter) -> float:
    """Some spans, one of 10 MB among them; how long the program waited for each, in seconds."""
    spans = [span(f"{n}") for n in range(SPANS - 1)]
    spans.insert(7, span("large", **{"gen_ai.agent.name": "x" * 10_000_000}))
    began = time.perf_counter()
    for one in spans:
        exporter.put(one)
    return (time.perf_counter() - began) / SPANS


def shut_down(exporter: Exporter) -> float:
    began = time.monotonic()
    exporter.shutdown()
    return time.monotonic() - began


@pytest.mark.parametrize("name", ENDPOINTS)
def test_scenario_27_the_program_does_not_wait_for_a_bad_endpoint(
    name: str, tmp_path: Path
) -> None:
    context, fate = ENDPOINTS[name]
    options = ExportOptions(
        interval_s=0.01, shutdown_timeout_s=SHUTDOWN_S, spool=SpoolOptions(tmp_path)
    )
    with context as endpoint:
        exporter = exporter_to(endpoint, options)
        assert put_spans(exporter) < 1e-3
        assert shut_down(exporter) <= SHUTDOWN_S + 0.5
        books = exporter.books()
    assert_law(books)
    assert books.accepted == SPANS
    assert spool_state(tmp_path).items == books.on_disk
    counted = {"on disk": books.on_disk, "delivered": books.delivered, "dropped": books.dropped}
    assert counted == {**dict.fromkeys(counted, 0), fate: SPANS}
    if fate == "on disk":
        assert_delivered_later(tmp_path)


def assert_delivered_later(root: Path) -> None:
    """The next process, with a good endpoint, sends all of it, the huge one shortened."""
    with OtlpServer() as server:
        heir = exporter_to(server.endpoint, ExportOptions(spool=SpoolOptions(root)))
        heir.put(span("heir"))
        heir.shutdown()
        found = {one.name: one for one in server.unique_spans}
        assert len(found) == SPANS + 1
        assert len(found["large"].attributes["gen_ai.agent.name"]) < MB
    assert_law(heir.books())
    assert spool_state(root).items == 0


@pytest.mark.parametrize("talk", [hang, drip], ids=["hanging", "slow-loris"])
def test_scenario_27_the_default_end_takes_five_and_a_half_seconds_at_most(
    talk: Talk, tmp_path: Path
) -> None:
    with talking(talk) as endpoint:
        exporter = exporter_to(endpoint, ExportOptions(spool=SpoolOptions(tmp_path)))
        put_spans(exporter)
        time.sleep(1.2)  # A request is on its way, whose own time-out is longer than that.
        assert shut_down(exporter) <= 5.5
    assert_law(exporter.books())
    assert exporter.books().on_disk == SPANS


@pytest.mark.parametrize("endpoint", ["refused", "good"])
def test_scenario_27_a_full_disk_costs_no_span_while_there_is_memory(
    endpoint: str, tmp_path: Path
) -> None:
    """And the program does not notice it at all."""
    with small_disk(tmp_path / "disk") as disk, OtlpServer() as server, refusing() as nowhere:
        (disk / "others").write_bytes(b"x" * (MB - 4096))
        options = ExportOptions(shutdown_timeout_s=SHUTDOWN_S, spool=SpoolOptions(disk / "spool"))
        exporter = exporter_to(server.endpoint if endpoint == "good" else nowhere, options)
        assert put_spans(exporter) < 1e-3
        assert shut_down(exporter) <= SHUTDOWN_S + 0.5
        books = exporter.books()
    assert_law(books)
    assert books.spool_errors > 0
    if endpoint == "good":
        assert books.delivered == SPANS
    else:
        # Said and counted; nothing else is left to be done at the end of a process.
        assert books.dropped_by_reason.get("shutdown", 0) + books.spooled == SPANS


BURST = """
import json, resource, sys, time
from pathlib import Path
from spanledger.processors import ExportOptions, SpoolOptions
from tests.processors._exporting import exporter_to, span
count, root, endpoint = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
exporter = exporter_to(endpoint, ExportOptions(spool=SpoolOptions(root, max_bytes=32 << 20)))
for _ in range(2000):
    exporter.put(span(**{"gen_ai.agent.name": "x" * 200}))
before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
put_s = 0.0
for n in range(count):
    one = span(**{"gen_ai.agent.name": "x" * 200})
    began = time.perf_counter()
    exporter.put(one)
    put_s += time.perf_counter() - began
began = time.monotonic()
exporter.shutdown()
books = exporter.books()
print(json.dumps({
    "put_s": put_s / count,
    "grown_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb,
    "shutdown_s": time.monotonic() - began,
    "accepted": books.accepted,
    "sum": books.delivered + books.spooled + books.dropped,
    "on_disk": books.on_disk,
    "delivered": books.delivered,
}))
"""


@pytest.mark.parametrize("count", [50_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("endpoint", ["refused", "good"])
def test_scenario_27_a_burst_of_spans_is_bounded_in_memory_and_counted(
    endpoint: str, count: int, tmp_path: Path
) -> None:
    with OtlpServer() as server, refusing() as nowhere:
        address = server.endpoint if endpoint == "good" else nowhere
        done = subprocess.run(
            [sys.executable, "-c", BURST, str(count), str(tmp_path), address],
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
            cwd=REPOSITORY,
        )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["put_s"] < 1e-3
    assert found["shutdown_s"] <= 5.5
    assert found["accepted"] == found["sum"] == count + 2000
    assert found["on_disk"] == spool_state(tmp_path).items
    # The queue of 8192 small spans, what is being encoded, and a request on its way.
    assert found["grown_kb"] < 120 * 1024
    if endpoint == "good":
        assert found["delivered"] > 0
