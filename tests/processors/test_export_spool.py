"""The way out with a disk: what can't be sent waits there, outlives us, and is sent by another."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spanledger.processors import Exporter, ExportOptions, SpoolOptions, spool_state
from spanledger.testing.otlp_server import (
    Accept,
    HangReply,
    LostReply,
    OtlpServer,
    PartialSuccess,
    Refuse,
)
from tests.guard._wait import until
from tests.processors._endpoints import refusing
from tests.processors._exporting import SECRET, assert_law, exporter_to, record, span
from tests.processors._spooling import MB, segments, small_disk

REPOSITORY = Path(__file__).parents[2]


def options(
    root: Path, *, max_bytes: int = 16 * MB, shutdown_timeout_s: float = 2.0
) -> ExportOptions:
    return ExportOptions(
        interval_s=0.01,
        timeout_s=2.0,
        shutdown_timeout_s=shutdown_timeout_s,
        spool=SpoolOptions(root, max_bytes=max_bytes),
    )


@contextmanager
def spooling(endpoint: str, root: Path, shutdown_timeout_s: float = 2.0) -> Iterator[Exporter]:
    """An exporter whose books are right at the end, also about what it left on disk."""
    exporter = exporter_to(endpoint, options(root, shutdown_timeout_s=shutdown_timeout_s))
    try:
        yield exporter
    finally:
        exporter.shutdown()
        assert_law(exporter.books())


def deliver_the_rest(server: OtlpServer, root: Path) -> None:
    """What the next process does."""
    server.always(Accept())
    with spooling(server.endpoint, root) as heir:
        heir.put(span("heir"))
    assert heir.books().dropped == 0
    assert spool_state(root).items == 0
    assert segments(root) == []


def names(server: OtlpServer) -> list[str]:
    return sorted(one.name for one in server.unique_spans)


def test_while_the_collector_listens_nothing_is_left(
    otlp_server: OtlpServer, tmp_path: Path
) -> None:
    with spooling(otlp_server.endpoint, tmp_path) as exporter:
        for n in range(1000):
            exporter.put(span(f"{n}"))
        exporter.put(record())
        assert exporter.flush(10.0)
        books = exporter.books()
        assert (books.accepted, books.delivered, books.on_disk) == (1001, 1001, 0)
    assert len(otlp_server.unique_spans) == 1000
    assert otlp_server.duplicates == 0
    assert list(tmp_path.glob("*/*")) == []


def test_spans_get_to_the_disk_though_a_request_hangs(
    otlp_server: OtlpServer, tmp_path: Path
) -> None:
    """That is what makes them survive a kill in just that moment."""
    otlp_server.always(HangReply())
    with spooling(otlp_server.endpoint, tmp_path, shutdown_timeout_s=0.2) as exporter:
        exporter.put(span())
        assert otlp_server.wait_for(requests=1)
        for _ in range(9):
            exporter.put(span())
        until(lambda: exporter.books().on_disk == 10)
        assert spool_state(tmp_path).items == 10
    deliver_the_rest(otlp_server, tmp_path)
    assert len(otlp_server.unique_spans) == 11


def test_what_is_on_disk_is_clean(tmp_path: Path) -> None:
    with refusing() as endpoint, spooling(endpoint, tmp_path, shutdown_timeout_s=0.1) as exporter:
        exporter.put(span(f"chat {SECRET}", **{"gen_ai.agent.name": SECRET, "input.value": "hi"}))
        exporter.put(record(f"refused {SECRET}"))
        until(lambda: exporter.books().on_disk == 2)
        content = b"".join(path.read_bytes() for path in segments(tmp_path))
    assert b"chat" in content
    assert SECRET.encode() not in content
    assert b"input.value" not in content


def test_what_a_program_could_not_send_is_sent_by_the_next(
    otlp_server: OtlpServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And the end of the program does not wait for a collector that is not there."""
    with refusing() as endpoint:
        exporter = exporter_to(endpoint, options(tmp_path, shutdown_timeout_s=5.0))
        for n in range(100):
            exporter.put(span(f"{n:02d}"))
        began = time.monotonic()
        exporter.shutdown()
        assert time.monotonic() - began < 2.5
    books = exporter.books()
    assert (books.on_disk, books.spooled, books.dropped) == (100, 100, 0)
    assert spool_state(tmp_path).items == 100
    assert "they are on disk, and the next process sends them" in caplog.text
    deliver_the_rest(otlp_server, tmp_path)
    assert names(otlp_server) == [*(f"{n:02d}" for n in range(100)), "heir"]
    assert otlp_server.duplicates == 0


@pytest.mark.parametrize(
    "fault",
    [
        Refuse(status=503, retry_after_s=0.05),
        Refuse(status=429),
        LostReply(),
        HangReply(seconds=0.05, store=True),
        PartialSuccess(rejected=0),
    ],
    ids=repr,
)
def test_a_fault_that_passes_loses_nothing(
    fault: object, otlp_server: OtlpServer, tmp_path: Path
) -> None:
    otlp_server.enqueue(fault)  # type: ignore[arg-type]  # each of the list above is a behaviour
    with spooling(otlp_server.endpoint, tmp_path) as exporter:
        for n in range(3):
            exporter.put(span(f"{n}"))
        assert exporter.flush(10.0)
        assert exporter.books().delivered == 3
    assert names(otlp_server) == ["0", "1", "2"]


def test_one_bad_span_does_not_cost_the_others(otlp_server: OtlpServer, tmp_path: Path) -> None:
    """The receiver refuses the batch, then the half and the quarter that it is in."""
    # Eight spans: the whole, the first four, the first two, the first.
    otlp_server.enqueue(*[Refuse(status=400)] * 4)
    with spooling(otlp_server.endpoint, tmp_path) as exporter:
        for n in range(8):
            exporter.put(span(f"{n}"))
        assert exporter.flush(10.0)
        assert exporter.books().dropped_by_reason == {"refused": 1}
    assert names(otlp_server) == [f"{n}" for n in range(1, 8)]


def test_a_full_spool_drops_the_oldest_and_counts_them(
    otlp_server: OtlpServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with refusing() as endpoint:
        exporter = exporter_to(endpoint, options(tmp_path, max_bytes=MB, shutdown_timeout_s=0.1))
        for n in range(1200):
            exporter.put(span(f"{n:04d}", **{"gen_ai.agent.name": "x" * 2000}))
            if n % 100 == 99:
                until(lambda: len(exporter._queue) == 0)
        books = exporter.books()
        exporter.shutdown()
    assert_law(books)
    assert books.dropped == books.dropped_by_reason["spool_full"] > 600
    assert spool_state(tmp_path).bytes <= MB
    assert spool_state(tmp_path).items == books.on_disk
    assert "SPANLEDGER_SPOOL_MAX_MB" in caplog.text
    deliver_the_rest(otlp_server, tmp_path)
    assert names(otlp_server)[:-1] == [f"{n:04d}" for n in range(1200 - books.on_disk, 1200)]


def test_without_room_on_the_disk_spans_wait_in_memory(
    otlp_server: OtlpServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Said once, counted each time, and nothing is lost once the collector listens."""
    otlp_server.stop()
    with small_disk(tmp_path / "disk") as disk:
        (disk / "others").write_bytes(b"x" * (MB - 8192))
        exporter = exporter_to(otlp_server.endpoint, options(disk / "spool"))
        for n in range(300):
            exporter.put(span(f"{n:03d}"))
            if n % 50 == 0:
                until(lambda: exporter.books().spool_errors > 0 or exporter.books().on_disk > 0)
        until(lambda: exporter.books().spool_errors > 0)
        assert_law(exporter.books())
        assert exporter.books().spooled == 300
        otlp_server.start()
        assert exporter.flush(10.0)
        exporter.shutdown()
    assert exporter.books().delivered == 300
    assert len(names(otlp_server)) == 300
    assert caplog.text.count("kept in memory only") == 1


def test_a_disk_that_works_again_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger.processors.delivery.intake._DISK_REST_S", 0.1)
    monkeypatch.setattr("spanledger.processors.delivery.intake._LOOK_AGAIN_S", 0.05)
    root = tmp_path / "spool"
    root.touch()
    with refusing() as endpoint, spooling(endpoint, root, shutdown_timeout_s=0.1) as exporter:
        exporter.put(span())
        until(lambda: exporter.books().spool_errors > 0)
        root.unlink()
        exporter.put(span())
        until(lambda: exporter.books().on_disk > 0)
    assert exporter.books().spooled >= 1


def test_a_connection_that_can_not_be_made_is_a_reason_to_wait(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Said once, as for any collector that is not there."""
    environ = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(tmp_path / "missing.pem")}
    exporter = exporter_to("grpcs://127.0.0.1:9", options(tmp_path / "spool"), **environ)
    exporter.put(span())
    assert not exporter.flush(0.5)
    exporter.shutdown()
    assert exporter.books().on_disk == 1
    assert caplog.text.count("can't be sent") == 1
    assert "missing.pem" in caplog.text


def test_a_spool_that_somebody_removes_is_made_again(
    otlp_server: OtlpServer, tmp_path: Path
) -> None:
    """And what was in it is sent as long as it is still open."""
    root = tmp_path / "spool"
    otlp_server.always(Refuse(status=503))
    with spooling(otlp_server.endpoint, root) as exporter:
        exporter.put(span("before"))
        until(lambda: exporter.books().on_disk == 1)
        shutil.rmtree(root)
        time.sleep(1.1)  # It looks around once in a second.
        exporter.put(span("after"))
        until(lambda: spool_state(root).items == 1)
        otlp_server.always(Accept())
        assert exporter.flush(10.0)
    assert names(otlp_server) == ["after", "before"]


KILLED = """
import sys, time
from pathlib import Path
from tests.processors._exporting import exporter_to, span
from tests.processors.test_export_spool import options
exporter = exporter_to(sys.argv[1], options(Path(sys.argv[2])))
n = 0
while True:
    for _ in range(20):
        exporter.put(span(f"{sys.argv[3]}-{n:06d}"))
        n += 1
    books = exporter.books()
    assert books.dropped == 0
    adopted = books.accepted - n
    print(books.delivered + books.on_disk - adopted, flush=True)
    time.sleep(0.002)
"""


@pytest.mark.parametrize("listening", [True, False])
def test_after_kill_9_every_spooled_span_is_delivered_once(
    listening: bool, otlp_server: OtlpServer, tmp_path: Path
) -> None:
    """Under load, with a collector that works and with one that does not."""
    wanted: set[str] = set()
    for run in range(3):
        otlp_server.always(Accept() if listening else Refuse(status=503))
        safe = _run_and_kill(otlp_server.endpoint, tmp_path, run, lines=60 + 25 * run)
        wanted |= {f"{run}-{n:06d}" for n in range(safe)}
    deliver_the_rest(otlp_server, tmp_path)
    found = {one.name for one in otlp_server.unique_spans}
    assert wanted <= found
    assert len(wanted) > 1000


def _run_and_kill(endpoint: str, root: Path, run: int, lines: int) -> int:
    """How many spans, from the first on, were safe when the process was killed."""
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, endpoint, str(root), str(run)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(lines)]
    child.kill()
    said += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    # They get there in the order in which they end.
    return int([line for line in said if line.endswith("\n")][-1])


def test_a_forked_child_has_a_spool_of_its_own(otlp_server: OtlpServer, tmp_path: Path) -> None:
    """It sends neither what waits in its parent's memory nor what is on its parent's disk."""
    otlp_server.always(Refuse(status=503, retry_after_s=0.05))
    with spooling(otlp_server.endpoint, tmp_path) as exporter:
        exporter.put(span("parent"))
        until(lambda: exporter.books().on_disk == 1)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                exporter.put(span("child"))
                until(lambda: exporter.books().on_disk == 1)
                exporter.shutdown()
                status = 0 if exporter.books().accepted == 1 else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert exporter.books().accepted == 1
        otlp_server.always(Accept())
        assert exporter.flush(10.0)
    deliver_the_rest(otlp_server, tmp_path)
    assert names(otlp_server) == ["child", "heir", "parent"]


def test_a_child_that_lives_does_not_keep_what_its_parent_left(
    otlp_server: OtlpServer, tmp_path: Path
) -> None:
    """A lock is inherited with the file; the child has to let go of it."""
    program = """
import os, sys, time
from pathlib import Path
from tests.guard._wait import until
from tests.processors._exporting import exporter_to, span
from tests.processors.test_export_spool import options
exporter = exporter_to("http://127.0.0.1:9", options(Path(sys.argv[1])))
exporter.put(span("parent"))
until(lambda: exporter.books().on_disk == 1)
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.write(write, b"x")
    sys.stdin.read()
    os._exit(0)
os.read(read, 1)
print(child, flush=True)
os.kill(os.getpid(), 9)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    child = int(process.stdout.readline())
    process.wait()
    os.kill(child, 0)
    assert spool_state(tmp_path).orphans == 1
    deliver_the_rest(otlp_server, tmp_path)
    process.stdin.close()
    process.stdout.close()
    assert names(otlp_server) == ["heir", "parent"]


def test_many_exporters_in_one_folder_deliver_everything_once(
    otlp_server: OtlpServer, tmp_path: Path
) -> None:
    """Threads, faults, orphans, all at once."""
    for _ in range(5):
        otlp_server.enqueue(Refuse(status=503), LostReply(), Refuse(status=429))
    for n in range(3):
        with refusing() as endpoint:
            dead = exporter_to(endpoint, options(tmp_path, shutdown_timeout_s=0.1))
            dead.put(span(f"dead-{n}"))
            dead.shutdown()
    exporters = [exporter_to(otlp_server.endpoint, options(tmp_path)) for _ in range(4)]

    def work(number: int) -> None:
        for n in range(200):
            exporters[number].put(span(f"{number}-{n:03d}"))
        exporters[number].flush(20.0)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in exporters:
        one.shutdown()
        assert_law(one.books())
        assert one.books().dropped == 0
    deliver_the_rest(otlp_server, tmp_path)
    found = names(otlp_server)
    wanted = [f"{number}-{n:03d}" for number in range(4) for n in range(200)]
    assert found == sorted([*wanted, "dead-0", "dead-1", "dead-2", "heir"])
