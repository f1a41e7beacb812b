"""The ledger in a file: the same answers as in memory, kept, waited for, told."""

import asyncio
import gc
import sqlite3
import stat
import threading
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import run_state_machine_as_test

from spanledger.guard import Budget, Spending
from spanledger.guard.ledger import Counter, Crossing, Demand, Key, Ledger, Trip
from spanledger.guard.stores import Grant, MemoryStore, SqliteStore, StoreUnavailable
from spanledger.testing.clock import TickingClock
from tests.guard._calls import call, guard
from tests.guard._ledger_machine import LEASE_S, LedgerMachine
from tests.guard._store_programs import TIMED_PROGRAMS, Runner, Step, assert_journal_sums_up
from tests.guard._wait import InThread, until

A, B = Key("a", "", 0, "tokens"), Key("b", "", 0, "tokens")
LONG_S = 30.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger" / "ledger.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path)
    yield store
    store.close()


def _demand(amount: int, key: Key = A, limit: int = 10, marks: tuple[int, ...] = ()) -> Demand:
    return Demand(key, "tokens", limit, amount, marks)


def _reserve(
    store: SqliteStore, rid: str, *demands: Demand, wait_s: float = 0.0, lease_s: float = 3600.0
) -> Grant:
    return store.reserve(rid, demands, lease_s=lease_s, max_wait_s=wait_s)


def _kind(grant: Grant) -> str:
    return "held" if grant.shortage is None else grant.shortage.kind


def _waits(store: SqliteStore, rid: str, *demands: Demand, wait_s: float = LONG_S) -> InThread:
    before = store.waiting()
    waiter = InThread(lambda: _reserve(store, rid, *demands, wait_s=wait_s))
    until(lambda: store.waiting() > before)
    return waiter


# --- the same answers as in memory -----------------------------------------------------------


class _AsLedger(Ledger):
    """A store under the ledger's own random programs."""

    def __init__(self) -> None:
        self._directory = TemporaryDirectory()
        self._now = 0.0
        path = Path(self._directory.name) / "ledger.db"
        self._store = SqliteStore(path, clock=lambda: self._now)

    @property
    def counters(self) -> dict[Key, Counter]:  # type: ignore[override]  # read from the file
        return dict(self._store.counters())

    def reserve(self, reservation_id, demands, lease_until):  # type: ignore[no-untyped-def]  # as above
        self._now = lease_until - LEASE_S
        return self._store.reserve(
            reservation_id, demands, lease_s=LEASE_S, max_wait_s=0.0
        ).shortage

    def extend(self, reservation_id, more):  # type: ignore[no-untyped-def]  # as above
        return self._store.extend(reservation_id, more)

    def trip(self, demand: Demand, at: int) -> bool:
        return self._store.trip(demand, at)

    def settle(self, reservation_id, actual):  # type: ignore[no-untyped-def]  # as above
        return self._store.settle(reservation_id, actual)

    def sweep(self, now: float) -> list[str]:
        self._now = now
        return self._store.sweep()

    def remove(self) -> None:
        self._store.close()
        self._directory.cleanup()


class _SqliteMachine(LedgerMachine):
    make = _AsLedger

    def teardown(self) -> None:
        assert isinstance(self.ledger, _AsLedger)
        self.ledger.remove()


def test_random_programs_keep_every_property_of_the_ledger() -> None:
    """See `_ledger_machine` for the properties."""
    run_state_machine_as_test(
        _SqliteMachine,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@given(TIMED_PROGRAMS)
@settings(max_examples=60, deadline=None)
def test_a_random_program_gives_the_same_answers_and_sums_as_in_memory(program: list[Step]) -> None:
    """Admissions, refusals with their figures, leases, thresholds."""
    with TemporaryDirectory() as directory:
        clock = TickingClock()
        memory = Runner(MemoryStore(clock.monotonic))
        store = SqliteStore(Path(directory) / "ledger.db", clock=clock.monotonic)
        file = Runner(store, settle_down=store.flush)
        for step in program:
            assert memory.run([step]) == file.run([step])
            if step.name == "wait":
                clock.advance(step.seconds)
        assert memory.crossed == file.crossed
        assert_journal_sums_up(store, program)
        store.close()


def test_the_journal_of_settlements_sums_up_to_what_is_spent(store: SqliteStore) -> None:
    """So ledger and call records can be compared, call by call."""
    clock = TickingClock()
    store._clock = clock
    _reserve(store, "done", _demand(3), _demand(3, B))
    store.settle("done", lambda entry: 2 if entry.key == A else 5, estimated=True)
    _reserve(store, "dead", _demand(4), lease_s=1.0)
    clock.advance(2.0)
    store.sweep()
    assert store.read(A).spent == 6
    store.settle("dead", lambda _: 1)
    store.reset("b")
    journal = store.settlements()
    assert [(c.reservation_id, c.kind, c.key.rule, c.reserved, c.charged) for c in journal] == [
        ("done", "settled", "a", 3, 2),
        ("done", "settled", "b", 3, 5),
        ("dead", "expired", "a", 4, 4),
        ("dead", "corrected", "a", 4, -3),
        ("", "reset", "b", 0, -5),
    ]
    assert journal[0].estimated is True
    assert journal[3].estimated is None
    for key in (A, B):
        assert sum(c.charged for c in journal if c.key == key) == store.read(key).spent


def test_the_journal_is_pruned_by_age(path: Path) -> None:
    """And what is spent stays."""
    clock = TickingClock()
    store = SqliteStore(path, clock=clock, keep_s=86_400.0)
    _reserve(store, "old", _demand(3))
    store.settle("old", lambda _: 3)
    clock.advance(2 * 86_400.0)
    _reserve(store, "new", _demand(1))
    store.settle("new", lambda _: 1)
    assert [change.reservation_id for change in store.settlements()] == ["new"]
    assert store.read(A) == Counter(spent=4)


def test_an_amount_beyond_what_the_file_can_hold_is_refused(store: SqliteStore) -> None:
    """And changes nothing; neither does a settlement with one."""
    with pytest.raises(StoreUnavailable, match="too large"):
        _reserve(store, "r", _demand(2**63, limit=2**70))
    _reserve(store, "r", _demand(3))
    with pytest.raises(OverflowError):
        store.settle("r", lambda _: 2**63)
    assert store.read(A) == Counter(reserved=3)
    assert store.settle("r", lambda _: 10**18)
    assert store.read(A) == Counter(spent=10**18)


def test_a_user_id_without_utf8_and_one_of_every_kind_of_text_is_counted(
    store: SqliteStore,
) -> None:
    """Also half a surrogate pair, NUL, quotes and percent signs."""
    for rid, value in enumerate(
        ("\ud800", "a\0b", "'; DROP TABLE counters; --", "%_", "שלום", "x" * 10_000)
    ):
        key = Key("user", value, 0)
        assert _kind(_reserve(store, str(rid), _demand(3, key))) == "held"
        assert store.settle(str(rid), lambda _: 3)
        assert store.read(key) == Counter(spent=3)


def test_forgetting_keeps_what_is_open_and_what_is_new(store: SqliteStore) -> None:
    """Also an open call that holds an amount of 0."""
    for start in (100, 200, 300, 400):
        rid, key = f"r{start}", Key("day", "", start)
        _reserve(store, rid, _demand(0 if start == 200 else 2, key))
        if start not in {100, 200}:
            store.settle(rid, lambda _: 2)
    store.forget("day", 400)
    assert store.flush()
    assert sorted(key.window_start for key, _counter in store.counters("day")) == [100, 200, 400]


def test_thousands_of_ended_windows_are_forgotten_in_small_steps(path: Path) -> None:
    """More than one step takes."""
    store = SqliteStore(path)
    demands = [_demand(1, Key("user", str(number), 100)) for number in range(1300)]
    assert _kind(_reserve(store, "r", *demands)) == "held"
    store.settle("r", lambda _: 1)
    store.forget("user", 200)
    assert store.flush()
    assert store.counters() == []


@pytest.mark.parametrize("estimated", [True, False])
def test_the_journal_says_whether_what_a_call_used_was_counted_by_us(
    store: SqliteStore, estimated: bool
) -> None:
    """As the guard was told when it settled."""
    held = guard(Budget("b", "tokens", 100), store=store)
    held.settle(held.admit(call()).granted(), Spending(7, 0, estimated=estimated))
    (change,) = store.settlements()
    assert (change.charged, change.estimated) == (7, estimated)


def test_to_ask_makes_no_ledger(path: Path) -> None:
    """Where none was ever made, nothing is spent and no rule is kept."""
    store = SqliteStore(path)
    assert store.read(A) == Counter()
    assert store.counters() == []
    assert store.settlements() == []
    assert store.rules() == store.forced() == {}
    assert store.open_reservations() == 0
    store.forget("a", 100)
    assert store.flush()
    assert list(path.parent.parent.iterdir()) == []


#: What version 1 made.
_VERSION_1 = """
PRAGMA journal_mode=WAL;
CREATE TABLE counters (
    rule TEXT NOT NULL, value TEXT NOT NULL, window_start INTEGER NOT NULL,
    spent INTEGER NOT NULL, reserved INTEGER NOT NULL, told INTEGER NOT NULL,
    PRIMARY KEY (rule, value, window_start)
) WITHOUT ROWID;
CREATE TABLE reservations (
    id TEXT PRIMARY KEY, lease_until REAL NOT NULL, lease_s REAL NOT NULL, demands TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE swept (
    id TEXT PRIMARY KEY, at REAL NOT NULL, demands TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE settlements (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL,
    demands TEXT NOT NULL, charged TEXT NOT NULL, estimated INTEGER
);
CREATE TABLE crossings (
    rule TEXT NOT NULL, value TEXT NOT NULL, window_start INTEGER NOT NULL, mark INTEGER NOT NULL,
    metric TEXT NOT NULL, spent INTEGER NOT NULL, at REAL NOT NULL,
    claimed_until REAL NOT NULL, delivered_at REAL,
    PRIMARY KEY (rule, value, window_start, mark)
) WITHOUT ROWID;
CREATE TABLE rules (name TEXT PRIMARY KEY, definition TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE forced (name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('a', '', 0, 92, 3, 2), ('b', '', 0, 5, 0, 0);
INSERT INTO settlements VALUES
    (1, 's', 1.0, 'settled', '[[["b","",0],"cost",100,3,[],null,0]]', '5', 0);
INSERT INTO crossings VALUES
    ('a', '', 0, 80, 'tokens', 85, 1.0, 0.0, 1.0), ('a', '', 0, 90, 'tokens', 92, 2.0, 0.0, 2.0);
INSERT INTO reservations VALUES
    ('open', 9e9, 3600.0, '[[["a","",0],"tokens",100,3,[80,90,95],null,0]]');
PRAGMA application_id=1397771335; PRAGMA user_version=1;
"""


def test_a_file_of_the_first_version_goes_on_with_its_sums_and_what_it_has_told(path: Path) -> None:
    """A mark counts as told by its amount now, and did by its number."""
    path.parent.mkdir(mode=0o700)
    connection = sqlite3.connect(path)
    connection.executescript(_VERSION_1)
    connection.close()
    store, told = SqliteStore(path), list[Crossing]()
    store.on_crossed(told.append)
    a, b = A, B._replace(metric="cost")
    assert store.read(a) == Counter(spent=92, reserved=3, told=90)
    assert store.read(b) == Counter(spent=5)
    assert store.settle("open", lambda _: 4)
    assert told == [Crossing(a, "tokens", 95, 96)]
    store.close()
    again = SqliteStore(path)
    assert again.read(a) == Counter(spent=96, told=95)
    assert again.trip(_demand(50, a)._replace(trip=True), 7)
    assert again.read(a).tripped == Trip(7, 10, 96, 0, 50)
    again.close()


def test_rules_and_forced_breakers_are_kept(path: Path) -> None:
    """For other processes, and the next start."""
    store = SqliteStore(path)
    store.put_rule("daily", '{"limit": "10usd"}')
    store.put_rule("other", "{}")
    store.put_rule("other", None)
    store.force("openai", "open")
    again = SqliteStore(path)
    assert again.rules() == {"daily": '{"limit": "10usd"}'}
    assert again.forced() == {"openai": "open"}
    again.force("openai", None)
    assert store.forced() == {}


def test_a_reset_takes_what_is_spent_and_lets_waiters_through(store: SqliteStore) -> None:
    """What is open stays open."""
    _reserve(store, "done", _demand(4))
    store.settle("done", lambda _: 4)
    _reserve(store, "open", _demand(5))
    waiter = _waits(store, "next", _demand(5))
    assert store.reset("a", "nobody") == 0
    assert store.reset("a") == 1
    assert _kind(waiter.result()) == "held"
    assert store.read(A) == Counter(reserved=10)


# --- kept, and shared ------------------------------------------------------------------------


def test_what_is_spent_and_reserved_is_there_at_the_next_start(path: Path) -> None:
    """The window is part of the key, so the next day begins with nothing."""
    store = SqliteStore(path)
    _reserve(store, "r", _demand(6), _demand(6, Key("a", "", 86_400)))
    store.close()
    again = SqliteStore(path)
    assert again.read(A) == Counter(reserved=6)
    # Reserved before midnight and settled after it: it belongs to the day of its admission.
    assert again.settle("r", lambda entry: 5 if entry.key == A else 0)
    assert again.read(A) == Counter(spent=5)
    assert again.read(Key("a", "", 86_400)) == Counter()


def test_a_call_that_waits_sees_what_another_process_frees(path: Path) -> None:
    """Within the longest look, and it is still held once."""
    one, two = SqliteStore(path), SqliteStore(path)
    _reserve(one, "full", _demand(10))
    waiter = _waits(two, "next", _demand(5))
    one.settle("full", lambda _: 3)
    grant = waiter.result()
    assert _kind(grant) == "held"
    assert 0 < grant.waited_s < 5
    assert one.read(A) == Counter(spent=3, reserved=5)


def test_two_stores_never_answer_from_what_they_remember(path: Path) -> None:
    """Each sees the other's last commit, though it keeps counters in memory between them."""
    stores = [SqliteStore(path), SqliteStore(path)]
    held = 0
    for number in range(60):
        grant = _reserve(stores[number % 2], str(number), _demand(1, limit=41))
        held += grant.shortage is None
        if grant.shortage is None:
            stores[(number // 3) % 2].settle(str(number), lambda _: 1)
    assert held == 41
    assert stores[0].read(A) == stores[1].read(A) == Counter(spent=41)


def test_the_file_is_private_and_so_is_its_directory(path: Path, store: SqliteStore) -> None:
    """Also the write-ahead log."""
    _reserve(store, "r", _demand(1))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    names = {file.name for file in path.parent.iterdir()}
    assert names == {"ledger.db", "ledger.db-wal", "ledger.db-shm"}


def test_the_file_is_in_the_mode_that_survives_a_killed_process(
    path: Path, store: SqliteStore
) -> None:
    """WAL, and no waiting hidden in SQLite."""
    _reserve(store, "r", _demand(1))
    other = sqlite3.connect(path)
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._ask(lambda c: c.execute("PRAGMA synchronous").fetchone(), None) == (1,)
    other.close()


# --- waiting ---------------------------------------------------------------------------------


def test_waiters_are_served_first_come_first_served(store: SqliteStore) -> None:
    """Each settlement lets the next one through."""
    _reserve(store, "full", _demand(10))
    waiters = [_waits(store, f"r{number}", _demand(10)) for number in range(4)]
    store.settle("full", lambda _: 0)
    for number, waiter in enumerate(waiters):
        assert _kind(waiter.result()) == "held"
        assert [later.done for later in waiters[number + 1 :]] == [False] * (3 - number)
        store.settle(f"r{number}", lambda _: 0)
    assert store.read(A) == Counter()


def test_a_small_call_does_not_overtake_one_that_waits_for_the_same_counter(
    store: SqliteStore,
) -> None:
    """Else a large call would starve."""
    _reserve(store, "held", _demand(6))
    large = _waits(store, "large", _demand(8))
    assert _kind(_reserve(store, "small", _demand(1))) == "contended"
    assert _kind(_reserve(store, "elsewhere", _demand(1, B))) == "held"
    store.settle("held", lambda _: 0)
    assert _kind(large.result()) == "held"
    assert _kind(_reserve(store, "small", _demand(1))) == "held"


def test_a_call_waits_no_longer_than_it_may(store: SqliteStore) -> None:
    """Then it is contended, and gone from the queue."""
    _reserve(store, "full", _demand(10))
    grant = _reserve(store, "r", _demand(5), wait_s=0.05)
    assert _kind(grant) == "contended"
    assert 0.04 <= grant.waited_s < 5
    assert store.waiting() == 0
    assert store.open_reservations() == 1


def test_an_interrupted_wait_leaves_nothing_behind(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control-C while a call waits for others."""
    _reserve(store, "full", _demand(10))

    def interrupted(_event: threading.Event, _timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Event, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _reserve(store, "r", _demand(5), wait_s=LONG_S)
    assert store.waiting() == 0
    assert store.read(A) == Counter(reserved=10)


def test_threads_that_wait_use_up_the_budget_to_the_last_call(store: SqliteStore) -> None:
    """Nobody is refused as used up while there is room, and nobody is forgotten in the queue."""

    def work(number: int) -> int:
        for attempt in range(10):
            rid = f"{number}/{attempt}"
            if _kind(_reserve(store, rid, _demand(10, A, 60), wait_s=LONG_S)) != "held":
                return attempt
            store.settle(rid, lambda _: 1)
        return 10

    workers = [InThread(partial(work, number)) for number in range(8)]
    # A call asks for 10 and uses 1: the last one that fits is admitted at 50 spent.
    assert sum(worker.result() for worker in workers) == 51
    assert store.read(A) == Counter(spent=51)


# --- coroutines ------------------------------------------------------------------------------


async def _reserve_async(store: SqliteStore, rid: str, amount: int, wait_s: float = 0.0) -> Grant:
    return await store.reserve_async(rid, [_demand(amount)], lease_s=60.0, max_wait_s=wait_s)


async def _waiting(store: SqliteStore, number: int) -> None:
    await asyncio.to_thread(until, lambda: store.waiting() == number)


async def test_no_step_runs_on_the_event_loops_thread(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither admission, extension nor settlement."""
    threads = []
    write = store._file.write

    def noted(step):  # type: ignore[no-untyped-def]  # a spy
        threads.append(threading.current_thread())
        return write(step)

    monkeypatch.setattr(store._file, "write", noted)
    assert _kind(await _reserve_async(store, "r", 6)) == "held"
    assert store.extend("r", lambda e: e._replace(amount=1)) is None
    assert store.settle("r", lambda _: 5)
    store.forget("a", 0)
    assert await asyncio.to_thread(store.flush)
    assert store.read(A) == Counter(spent=5)
    assert threads
    assert threading.current_thread() not in threads


async def test_the_event_loop_runs_on_while_a_coroutine_waits(store: SqliteStore) -> None:
    """Also when the file itself is locked."""
    assert _kind(await _reserve_async(store, "full", 10)) == "held"
    task = asyncio.create_task(_reserve_async(store, "r", 5, LONG_S))
    await _waiting(store, 1)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert store.settle("full", lambda _: 2)
    ticks = 0
    for _ in range(20):
        await asyncio.sleep(0.001)
        ticks += 1
    assert ticks == 20
    assert not task.done()
    other.execute("ROLLBACK")
    other.close()
    grant = await task
    assert _kind(grant) == "held"
    assert grant.waited_s > 0


async def test_a_coroutine_waits_no_longer_than_it_may(store: SqliteStore) -> None:
    """Then it is contended, and gone from the queue."""
    await _reserve_async(store, "full", 10)
    assert _kind(await _reserve_async(store, "r", 5)) == "contended"
    assert _kind(await _reserve_async(store, "r", 5, 0.03)) == "contended"
    assert store.waiting() == 0


async def test_a_cancelled_waiter_leaves_nothing_behind(store: SqliteStore) -> None:
    """Neither in the queue nor in the ledger, and who waited behind it is served."""
    await _reserve_async(store, "held", 6)
    large = asyncio.create_task(_reserve_async(store, "large", 8, LONG_S))
    await _waiting(store, 1)
    small = asyncio.create_task(_reserve_async(store, "small", 3, LONG_S))
    await _waiting(store, 2)
    large.cancel()
    assert _kind(await small) == "held"
    with pytest.raises(asyncio.CancelledError):
        await large
    assert store.waiting() == 0
    assert store.read(A) == Counter(reserved=9)


@pytest.mark.parametrize("turns", range(6))
async def test_a_call_that_is_cancelled_while_it_is_written_frees_what_it_got(
    store: SqliteStore, turns: int
) -> None:
    """At whatever turn of the loop the cancellation comes."""
    await _reserve_async(store, "warm", 1)
    tasks = [asyncio.create_task(_reserve_async(store, f"r{n}", 1, LONG_S)) for n in range(20)]
    for _ in range(turns):
        await asyncio.sleep(0.0002 if turns > 2 else 0)
    for task in tasks:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert await asyncio.to_thread(store.flush)
    granted = sum(isinstance(answer, Grant) and answer.shortage is None for answer in answers)
    assert store.read(A) == Counter(reserved=1 + granted)
    assert store.waiting() == 0


async def test_a_stream_on_an_event_loop_is_cut_at_the_step_after(store: SqliteStore) -> None:
    """The answer to an extension is that to the one before, for the loop must not wait."""
    await _reserve_async(store, "r", 8)

    def more(entry: Demand) -> Demand:
        return entry._replace(amount=2)

    assert store.extend("r", more) is None
    await asyncio.to_thread(store.flush)
    assert store.read(A) == Counter(reserved=10)
    assert store.extend("r", more) is None
    await asyncio.to_thread(store.flush)
    short = store.extend("r", more)
    assert short is not None
    assert (short.kind, short.reserved) == ("contended", 10)
    assert store.read(A) == Counter(reserved=10)


# --- finalisers ------------------------------------------------------------------------------


class _Cycle:
    """Garbage that only the collector can find."""

    def __init__(self) -> None:
        self.itself = self


def test_a_finaliser_that_settles_inside_the_store_does_not_hang(store: SqliteStore) -> None:
    """The collector runs inside a transaction, on the thread that is in it."""
    _reserve(store, "abandoned", _demand(4))
    _reserve(store, "mine", _demand(3))

    def collect(_entry: Demand) -> int:
        weakref.finalize(_Cycle(), store.settle, "abandoned", lambda _: 1)
        gc.collect()
        return 2

    assert InThread(lambda: store.settle("mine", collect)).result() is True
    assert store.read(A) == Counter(spent=3)


def test_a_store_that_nobody_uses_is_collected_with_its_thread(path: Path) -> None:
    """The hooks for forks and the end of the process must not keep every store."""
    store = SqliteStore(path)
    _reserve(store, "r", _demand(1))
    store.forget("a", 0)
    assert store.flush()
    thread = store._writer._thread
    assert thread is not None
    gone = weakref.ref(store)
    del store
    gc.collect()
    assert gone() is None
    thread.join(10.0)
    assert not thread.is_alive()


# --- thresholds ------------------------------------------------------------------------------


def test_every_mark_is_told_once_in_order_also_when_one_call_crosses_two(
    store: SqliteStore,
) -> None:
    """70 → 96 % tells 80, 90 and 95."""
    told: list[Crossing] = []
    store.on_crossed(told.append)
    for rid, used in (("a", 70), ("b", 26), ("c", 1)):
        _reserve(store, rid, _demand(used, limit=100, marks=(80, 90, 95)))
        assert told == [] or rid == "c"
        store.settle(rid, lambda _, used=used: used)  # type: ignore[misc]  # binds the loop's value
    assert [(crossing.mark, crossing.spent) for crossing in told] == [(80, 96), (90, 96), (95, 96)]


def _cross(store: SqliteStore, rid: str = "r") -> None:
    _reserve(store, rid, _demand(9, marks=(8,)))
    store.settle(rid, lambda _: 9)


def test_a_mark_that_was_told_is_not_told_after_a_restart(path: Path) -> None:
    """Nor by another process."""
    first, told = SqliteStore(path), list[Crossing]()
    first.on_crossed(told.append)
    _cross(first)
    first.close()
    again = SqliteStore(path)
    again.on_crossed(told.append)
    _reserve(again, "next", _demand(1, marks=(8,)))
    again.settle("next", lambda _: 1)
    assert [crossing.mark for crossing in told] == [8]


def test_a_mark_whose_listener_failed_is_told_again_by_whoever_comes(path: Path) -> None:
    """With the same key and mark; once the first had its time."""
    clock, told = TickingClock(), list[Crossing]()
    first, second = SqliteStore(path, clock=clock), SqliteStore(path, clock=clock)

    def fails(_crossing: Crossing) -> None:
        raise OSError("no route to the pager")

    first.on_crossed(fails)
    second.on_crossed(told.append)
    _cross(first)
    clock.advance(30.0)
    _reserve(second, "early", _demand(1, B))
    assert told == []
    clock.advance(31.0)
    _reserve(second, "later", _demand(1, B))
    clock.advance(61.0)
    _reserve(second, "latest", _demand(1, B))
    assert told == [Crossing(A, "tokens", 8, 9)]


def test_a_mark_that_nobody_listened_to_is_told_to_the_first_who_does(path: Path) -> None:
    """A command settles, and the agent's listener sends the alert."""
    silent, told = SqliteStore(path), list[Crossing]()
    _cross(silent)
    listening = SqliteStore(path)
    listening.on_crossed(told.append)
    _reserve(listening, "any", _demand(1, B))
    assert [crossing.mark for crossing in told] == [8]


def test_after_a_reset_a_mark_can_be_crossed_again(store: SqliteStore) -> None:
    """It is another crossing then."""
    told: list[Crossing] = []
    store.on_crossed(told.append)
    _cross(store, "first")
    store.reset("a")
    _cross(store, "second")
    assert [crossing.mark for crossing in told] == [8, 8]


# --- leases and clocks -----------------------------------------------------------------------


def test_a_clock_that_is_set_back_makes_no_lease_longer_than_it_was_given(path: Path) -> None:
    """A lease that began two hours in the future ends after its own time from now."""
    clock = TickingClock()
    store = SqliteStore(path, clock=clock)
    _reserve(store, "dead", _demand(4), lease_s=60.0)
    clock.jump(-7200.0)
    _reserve(store, "next", _demand(1, B))
    clock.advance(66.0)
    assert store.sweep() == ["dead"]
    assert store.read(A) == Counter(spent=4)


def test_a_clock_that_is_set_forward_charges_what_is_open_and_the_settlement_corrects_it(
    path: Path,
) -> None:
    """Nothing is lost, and nothing is free."""
    clock = TickingClock()
    store = SqliteStore(path, clock=clock)
    _reserve(store, "running", _demand(4), lease_s=60.0)
    clock.jump(86_400.0)
    _reserve(store, "next", _demand(1, B))
    assert store.read(A) == Counter(spent=4)
    assert store.settle("running", lambda _: 1)
    assert store.read(A) == Counter(spent=1)
    assert not store.settle("running", lambda _: 1)
