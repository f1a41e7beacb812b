"""Gathering, coming again, and an engine that takes nothing for a while."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Self

import pytest

from spanledger.stack._intake import Intake, Postponed
from spanledger.stack._journal import Journal
from spanledger.stack._otlp import TRACES
from spanledger.stack.engine import EngineError
from spanledger.stack.receiver import Receiver, Taken
from tests.stack.test_otlp import a_span, traces

PATIENCE_S = 20.0


class Engine:
    """An engine that keeps what it is given by token, and fails when it is told to."""

    version, forgotten = "26.9", 0

    def __init__(self) -> None:
        self.inserts: list[tuple[str, int]] = []
        self.error: str | None = None
        self.poison: bytes | None = None
        self.gate = threading.Event()
        self.gate.set()

    def connect(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def text(self, sql: str) -> str:
        return sql

    def insert(self, head: str, fmt: str, data: bytes) -> int:
        assert self.gate.wait(PATIENCE_S)
        if self.error:
            raise EngineError(self.error)
        if self.poison and self.poison in data:
            raise EngineError("Code: 469. DB::Exception: Constraint is violated")
        token = head.partition("insert_deduplication_token = '")[2].partition("'")[0]
        # Two bytes before every name of a span, which each test chooses.
        rows = data.count(b"span:")
        if token not in dict(self.inserts):
            self.inserts.append((token, rows))
        return rows

    @property
    def rows(self) -> int:
        return sum(rows for _, rows in self.inserts)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def intake(engine: Engine, tmp_path: Path) -> Iterator[Intake]:
    yield from running(engine, tmp_path)


def running(engine: Engine, folder: Path, **options: float) -> Iterator[Intake]:
    journal = Journal(folder / "journal")
    intake = Intake(engine, journal, **options)  # type: ignore[arg-type]  # options by name
    intake.start(journal.recover(trusted=True))
    yield intake
    engine.error = None
    engine.gate.set()
    intake.close(PATIENCE_S)


def body(*names: str) -> bytes:
    spans = [a_span(name=f"span:{name}") for name in names]
    return bytes(traces(*spans).SerializeToString())


def take(intake: Intake, content: bytes) -> Taken:
    return Receiver(intake).take(TRACES, content)


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def idle(intake: Intake) -> bool:
    return intake.budget.used_bytes == 0


def test_a_request_is_done_when_its_rows_are_in(intake: Intake, engine: Engine) -> None:
    engine.gate.clear()
    taken = take(intake, body("a", "b"))
    assert not taken.future.done()
    engine.gate.set()
    assert taken.future.result(PATIENCE_S) == Counter()
    assert engine.rows == 2


def test_what_comes_during_an_insert_goes_into_the_next_one_together(
    intake: Intake, engine: Engine
) -> None:
    engine.gate.clear()
    first = take(intake, body("a"))
    wait_until(lambda: intake._lanes["traces"]._busy)
    others = [take(intake, body(f"b{number}")) for number in range(20)]
    engine.gate.set()
    for taken in (first, *others):
        taken.future.result(PATIENCE_S)
    assert [rows for _, rows in engine.inserts] == [1, 20]


def test_the_same_request_is_taken_once_while_it_waits_and_when_it_is_in(
    intake: Intake, engine: Engine
) -> None:
    engine.gate.clear()
    content = body("a")
    futures = [take(intake, content).future for _ in range(3)]
    engine.gate.set()
    for future in futures:
        future.result(PATIENCE_S)
    assert take(intake, content).future.done()
    assert engine.rows == 1


def test_the_same_request_is_known_to_the_next_daemon(engine: Engine, tmp_path: Path) -> None:
    content, other = body("a"), body("b")
    for _ in range(2):
        for intake in running(engine, tmp_path):
            futures = [take(intake, one).future for one in (content, other)]
            assert [future.result(PATIENCE_S) for future in futures] == [Counter()] * 2
    assert engine.rows == 2


def test_an_engine_that_fails_sends_clients_away_and_takes_the_batch_later_by_itself(
    intake: Intake, engine: Engine
) -> None:
    engine.error = "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space"
    content = body("a", "b")
    with pytest.raises(EngineError, match="not enough space"):
        take(intake, content).future.result(PATIENCE_S)
    assert intake.stalled
    with pytest.raises(Postponed, match="not enough space"):
        take(intake, body("c"))
    engine.error = None
    wait_until(lambda: intake.stalled is None)
    assert take(intake, content).future.result(PATIENCE_S) == Counter()
    assert engine.rows == 2
    assert intake.budget.used_bytes == 0


def test_what_an_engine_never_took_is_there_for_the_next_daemon(
    engine: Engine, tmp_path: Path
) -> None:
    content = body("a", "b")
    for intake in running(engine, tmp_path):
        engine.error = "Code: 241. DB::Exception: Memory limit exceeded"
        with pytest.raises(EngineError):
            take(intake, content).future.result(PATIENCE_S)
        intake.close(PATIENCE_S)
    assert engine.rows == 0
    engine.error = None
    for intake in running(engine, tmp_path):
        assert take(intake, content).future.result(PATIENCE_S) == Counter()
    assert engine.rows == 2


def test_a_disk_that_takes_nothing_sends_clients_away_and_recovers(
    intake: Intake, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = body("a")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "append", full)
        with pytest.raises(Postponed, match="No space left"):
            take(intake, content).future.result(PATIENCE_S)
    assert engine.rows == 0
    assert take(intake, content).future.result(PATIENCE_S) == Counter()
    assert intake.budget.used_bytes == 0


def test_the_bytes_that_wait_have_a_lid(engine: Engine, tmp_path: Path) -> None:
    for intake in running(engine, tmp_path, max_waiting_bytes=2000):
        engine.gate.clear()
        accepted = [take(intake, body(f"{number}")) for number in range(2)]
        with pytest.raises(Postponed, match="busy"):
            [take(intake, body(f"more {number}")) for number in range(100)]
        assert 0 < intake.budget.used_bytes <= 2000
        engine.gate.set()
        for taken in accepted:
            taken.future.result(PATIENCE_S)
        wait_until(partial(idle, intake))


def test_a_request_larger_than_the_lid_is_taken_when_nothing_else_waits(
    engine: Engine, tmp_path: Path
) -> None:
    for intake in running(engine, tmp_path, max_waiting_bytes=10):
        assert take(intake, body("a")).future.result(PATIENCE_S) == Counter()


def test_one_span_that_the_engine_refuses_is_left_out_of_its_batch_alone(
    intake: Intake, engine: Engine
) -> None:
    engine.gate.clear()
    first = take(intake, body("a"))
    wait_until(lambda: intake._lanes["traces"]._busy)
    good = take(intake, body("c", "d"))
    bad = take(intake, body(*"efghijk", "poison", *"lmn"))
    engine.poison = b"poison"
    engine.gate.set()
    reasons = [taken.future.result(PATIENCE_S) for taken in (first, good, bad)]
    assert reasons == [Counter(), Counter(), Counter({"refused by the engine (error 469)": 1})]
    assert engine.rows == 1 + 2 + 10


def test_a_pause_takes_nothing_until_it_ends(intake: Intake, engine: Engine) -> None:
    taken = take(intake, body("a"))
    intake.pause(60)
    assert taken.future.done()
    with pytest.raises(Postponed, match="paused"):
        take(intake, body("b"))
    intake.pause(0)
    assert take(intake, body("c")).future.result(PATIENCE_S) == Counter()


def test_stopping_stores_what_waits(engine: Engine, tmp_path: Path) -> None:
    for intake in running(engine, tmp_path, pace_s=5):
        futures = [take(intake, body(f"{number}")).future for number in range(5)]
        intake.close(PATIENCE_S)
        assert all(future.done() for future in futures)
        with pytest.raises(Postponed, match="stopping"):
            take(intake, body("late"))
    assert engine.rows == 5


def test_a_client_that_comes_again_before_its_batch_of_an_earlier_daemon_is_in_waits_for_it(
    engine: Engine, tmp_path: Path
) -> None:
    contents = [body("a", "b"), body("c")]
    for intake in running(engine, tmp_path):
        engine.error = "Code: 241. DB::Exception: Memory limit exceeded"
        with pytest.raises(EngineError):
            take(intake, contents[0]).future.result(PATIENCE_S)
        intake.close(PATIENCE_S)
    engine.error = None
    engine.gate.clear()
    for intake in running(engine, tmp_path):
        futures = [take(intake, content).future for content in (contents[1], contents[0])]
        engine.gate.set()
        assert [future.result(PATIENCE_S) for future in futures] == [Counter()] * 2
    assert [rows for _, rows in engine.inserts] == [2, 1]
