"""One ledger file, many processes: shared limits, killed owners, forks, thresholds."""

import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_any
from pathlib import Path
from random import Random
from typing import Any

import pytest

from spanledger.guard.ledger import Counter, Demand
from spanledger.guard.stores import SqliteStore
from spanledger.testing.clock import TickingClock
from tests.guard import _sqlite_workers as workers
from tests.guard._sqlite_workers import AGENT, DAY, demands
from tests.guard._wait import InThread

_spawn = multiprocessing.get_context("spawn")
PATIENCE_S = 120.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger" / "ledger.db"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spawned process gets this one's `sys.path`, and imports the functions that it runs."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])


@contextmanager
def _process(work: Any, *args: Any) -> Iterator[tuple[Any, Connection]]:
    """A process at work and the pipe from it; killed at the end if it still runs."""
    ours, its = _spawn.Pipe()
    process = _spawn.Process(target=work, args=(*args, its), daemon=True)
    process.start()
    its.close()
    try:
        yield process, ours
    finally:
        if process.is_alive():
            os.kill(process.pid or 0, signal.SIGKILL)
        process.join(PATIENCE_S)
        ours.close()


def _answers(work: Any, number: int, *args: Any) -> list[Any]:
    """The answers of `number` processes that begin together."""
    start, pipes, processes = _spawn.Barrier(number), [], []
    for process in range(number):
        ours, its = _spawn.Pipe()
        one = _spawn.Process(target=work, args=(args[0], process, *args[1:], start, its))
        one.start()
        its.close()
        pipes.append(ours)
        processes.append(one)
    answers = [_receive(pipe) for pipe in pipes]
    for one in processes:
        one.join(PATIENCE_S)
        assert one.exitcode == 0
    return answers


def _receive(pipe: Connection) -> Any:
    assert pipe.poll(PATIENCE_S), "a process does not answer"
    return pipe.recv()


@pytest.mark.parametrize("processes", [8, pytest.param(48, marks=pytest.mark.slow)])
def test_processes_use_up_a_budget_and_never_pass_it(path: Path, processes: int) -> None:
    """Estimates are upper bounds here, so the overshoot is 0 and nothing stays reserved."""
    limit = 1000 * processes
    answers = _answers(workers.spend, processes, path, limit)
    store = SqliteStore(path)
    charged = sum(charged for charged, _above in answers)
    assert store.read(DAY) == store.read(AGENT) == Counter(spent=charged)
    assert max(above for _charged, above in answers) <= 0
    assert 0.95 * limit <= charged <= limit
    assert store.open_reservations() == 0
    assert sum(c.charged for c in store.settlements() if c.key == DAY) == charged


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_process_loses_nothing_that_was_acknowledged(path: Path, kills: int) -> None:
    """What was settled is charged; what was open is held, and charged when its lease ends."""
    random, clock = Random(kills), TickingClock(time.time())
    settled, reserved = dict[str, int](), dict[str, int]()
    for kill in range(kills):
        with _process(workers.spend_until_killed, path, kill) as (process, pipe):
            assert pipe.poll(PATIENCE_S)
            _read_until(pipe, time.monotonic() + random.uniform(0.02, 0.2), settled, reserved)
            os.kill(process.pid, signal.SIGKILL)
            _read_until(pipe, float("inf"), settled, reserved)
    store = SqliteStore(path, clock=clock)
    counter, journal = store.read(DAY), store.settlements()
    charged = {change.reservation_id: change.charged for change in journal if change.key == DAY}
    assert len(settled) > kills
    assert settled.items() <= charged.items()
    assert counter.spent == sum(charged.values())
    # Each process may have settled and reserved one that it could not acknowledge any more.
    assert len(charged) - len(settled) <= kills
    assert counter.reserved == 10 * store.open_reservations() <= 10 * kills
    assert reserved.keys() - charged.keys() <= {rid for rid, _held in _open(path).items()}
    clock.advance(3600.0)
    ended = store.sweep()
    assert store.read(DAY) == Counter(spent=counter.spent + 10 * len(ended))
    assert store._ask(lambda c: c.execute("PRAGMA integrity_check").fetchone(), None) == ("ok",)


def _read_until(
    pipe: Connection, end: float, settled: dict[str, int], reserved: dict[str, int]
) -> None:
    while time.monotonic() < end:
        if not wait_for_any([pipe], 0.01):
            continue
        try:
            kind, rid, amount = pipe.recv()
        except EOFError:
            return
        (settled if kind == "settled" else reserved)[rid] = amount


def _open(path: Path) -> dict[str, str]:
    connection = sqlite3.connect(path)
    found = dict(connection.execute("SELECT id, demands FROM reservations"))
    connection.close()
    return found


def test_a_second_process_sees_what_the_first_has_spent(path: Path) -> None:
    """At its first call."""
    store = SqliteStore(path)
    store.reserve("r", demands(70, 100), lease_s=600.0, max_wait_s=0.0)
    store.settle("r", lambda _: 70)
    for amount, expected in ((40, (70, "exhausted")), (30, (70, "held"))):
        with _process(workers.spend_once, path, amount) as (_, pipe):
            assert _receive(pipe) == expected
    assert store.read(DAY) == Counter(spent=100)


def test_ten_processes_that_race_tell_every_mark_exactly_once(path: Path) -> None:
    """And none is told after a restart."""
    told = [mark for marks in _answers(workers.cross, 10, path) for mark in marks]
    assert sorted(told) == [80, 90, 95]
    store = SqliteStore(path)
    store.on_crossed(lambda crossing: told.append(crossing.mark))
    store.reserve("late", demands(0, 100, workers.MARKS), lease_s=600.0, max_wait_s=0.0)
    store.settle("late", lambda _: 1)
    assert sorted(told) == [80, 90, 95]
    assert store.read(DAY) == Counter(spent=101, told=95)


def test_what_a_killed_process_owed_is_charged_by_the_next(path: Path) -> None:
    """It could not write to the file, was told that its settlements are kept, and died."""
    store = SqliteStore(path)
    assert store.read(DAY) == Counter()
    with _process(_owe, path) as (process, pipe):
        assert _receive(pipe) == "reserved"
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        pipe.send("go on")
        assert _receive(pipe) == "owes"
        # Its journal is its own as long as it lives.
        other.execute("ROLLBACK")
        other.close()
        store._next_sweep = float("-inf")
        store.reserve("a", demands(1, 1000), lease_s=600.0, max_wait_s=0.0)
        assert store.read(DAY) == Counter(reserved=31)
        os.kill(process.pid, signal.SIGKILL)
        process.join(PATIENCE_S)
    store._next_sweep = float("-inf")
    store.reserve("b", demands(1, 1000), lease_s=600.0, max_wait_s=0.0)
    assert store.read(DAY) == Counter(spent=1 + 2 + 3, reserved=2)
    assert [file.name for file in path.parent.glob("*late*")] == []


def _owe(path: Path, answers: Connection) -> None:
    workers.owe(path, answers, (1, 2, 3))


# --- forks -----------------------------------------------------------------------------------


def _in_fork(work: Any) -> str:
    """What `work` returns in a forked child, as text."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = repr(work())
        except BaseException as error:  # noqa: BLE001 - the parent shows it
            answer = repr(error)
        os.write(write, answer.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


def test_a_forked_child_shares_the_ledger_and_settles_nothing_of_its_parents(path: Path) -> None:
    """Its copies of the parent's streams are collected in it, while the parent's go on."""
    store = SqliteStore(path)
    store.reserve("parents", demands(60, 100), lease_s=600.0, max_wait_s=0.0)

    def work() -> list[object]:
        seen: list[object] = [store.settle("parents", lambda _: 0)]
        for rid, amount in (("childs", 40), ("more", 1)):
            grant = store.reserve(rid, demands(amount, 100), lease_s=600.0, max_wait_s=0.0)
            seen.append(grant.shortage.kind if grant.shortage else "held")
        return [*seen, store.settle("childs", lambda _: 30)]

    assert _in_fork(work) == repr([False, "held", "contended", True])
    assert store.read(DAY) == Counter(spent=30, reserved=60)
    assert store.settle("parents", lambda _: 55)
    assert store.read(DAY) == Counter(spent=85)


def test_a_fork_in_the_midst_of_other_threads_work_leaves_both_sides_able_to_write(
    path: Path,
) -> None:
    """No lock of SQLite's or of ours is taken along."""
    store, stop = SqliteStore(path), threading.Event()

    def work(name: str, calls: int) -> int:
        for call in range(calls):
            rid = f"{name}/{call}"
            grant = store.reserve(rid, demands(1, 10**9), lease_s=600.0, max_wait_s=0.0)
            assert grant.shortage is None
            assert store.settle(rid, lambda _: 1)
        return calls

    def until_stopped() -> int:
        calls = 0
        while not stop.is_set():
            calls += work(f"parent/{calls}", 1)
        return calls

    busy = InThread(until_stopped)
    answers = [_in_fork(lambda child=child: work(f"child/{child}", 20)) for child in range(10)]
    stop.set()
    assert answers == ["20"] * 10
    calls = busy.result()
    assert store.read(DAY) == Counter(spent=calls + 200)


def test_what_a_forked_child_writes_outlives_its_parents_connection(path: Path) -> None:
    """A child that inherited SQLite's locks would own none: the parent would delete its log."""
    store = SqliteStore(path)
    store.reserve("parents", demands(1, 100), lease_s=600.0, max_wait_s=0.0)
    started, closed = os.pipe(), os.pipe()

    def work() -> bool:
        store.reserve("childs", demands(40, 100), lease_s=600.0, max_wait_s=0.0)
        os.write(started[1], b".")
        os.read(closed[0], 1)
        return store.settle("childs", lambda _: 30)

    child = InThread(lambda: _in_fork(work))
    os.read(started[0], 1)
    store.settle("parents", lambda _: 1)
    store.close()
    os.write(closed[1], b".")
    assert child.result() == "True"
    assert SqliteStore(path).read(DAY) == Counter(spent=31)
    for end in (*started, *closed):
        os.close(end)


def test_a_fork_from_inside_the_store_is_left_alone(path: Path) -> None:
    """Foreign code may do anything in the middle of a step, and the step goes on."""
    store = SqliteStore(path)
    store.reserve("r", demands(60, 100), lease_s=600.0, max_wait_s=0.0)

    def forks(_entry: Demand) -> int:
        assert _in_fork(lambda: "child") == "'child'"
        return 7

    assert store.settle("r", forks)
    assert store.read(DAY) == Counter(spent=7)
