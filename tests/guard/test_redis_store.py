"""The ledger in Redis: the same answers and sums as in memory, waiting, crossings, tables."""

import asyncio
import gc
import math
import os
import subprocess
import sys
import tempfile
import threading
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spanledger.guard.ledger import Counter, Crossing, Demand, Key, Ledger, Shortage
from spanledger.guard.stores import Grant, MemoryStore, SqliteStore
from spanledger.guard.stores._redis_records import MAX_AMOUNT, MAX_LIMIT, counter_name
from spanledger.guard.stores.redis import RedisStore
from spanledger.testing.clock import TickingClock
from tests._redis import RedisMissing, RedisServer, redis_server
from tests.guard._store_programs import (
    PROGRAMS,
    Runner,
    Step,
    assert_journal_sums_up,
    journal_of,
)
from tests.guard._wait import InThread, until

A, B, RATE, BEFORE = Key("a", "", 0), Key("b", "", 0), Key("r", "u", 60), Key("r", "u", 0)
LONG_S = 30.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    try:
        with redis_server(tmp_path_factory.mktemp("redis")) as running:
            yield running
    except RedisMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def store(server: RedisServer, tmp_path: Path) -> Iterator[RedisStore]:
    made = _store(server, tmp_path)
    yield made
    made.close()


def _store(server: RedisServer, directory: Path, prefix: str | None = None) -> RedisStore:
    # The tests of answers have time: only those of a server that is away measure it.
    return RedisStore(
        server.url, directory=directory, prefix=prefix or uuid.uuid4().hex, timeout_s=5.0
    )


def _demand(amount: int, key: Key = A, limit: int | None = 10, *marks: int) -> Demand:
    return Demand(key, "tokens", limit, amount, marks)


def _reserve(
    store: RedisStore, rid: str, *demands: Demand, wait_s: float = 0.0, lease_s: float = 3600.0
) -> Grant:
    return store.reserve(rid, demands, lease_s=lease_s, max_wait_s=wait_s)


def _waits(store: RedisStore, rid: str, *demands: Demand, wait_s: float = LONG_S) -> InThread:
    before = store.waiting()
    waiter = InThread(lambda: _reserve(store, rid, *demands, wait_s=wait_s))
    until(lambda: store.waiting() > before)
    return waiter


async def _queued(store: RedisStore, count: int) -> None:
    await asyncio.to_thread(until, lambda: store.waiting() >= count)


def _kind(grant: Grant) -> str:
    return "held" if grant.shortage is None else grant.shortage.kind


def _fill(store: RedisStore, *keys: Key) -> None:
    assert _kind(_reserve(store, "full", *(_demand(10, key) for key in keys))) == "held"


# --- the same as in memory ------------------------------------------------------------------

_KEYS = st.sampled_from([A, B, Key("a", 'x"\\\ud800/é', 7), RATE])
_AMOUNTS = st.integers(0, 12)


@st.composite
def _demands(draw: st.DrawFn) -> list[Demand]:
    scale = draw(st.sampled_from([1, 10**12 + 7]))
    demands = []
    for key in draw(st.lists(_KEYS, min_size=1, max_size=4, unique=True)):
        limit = draw(st.sampled_from([None, 0, 20 * scale, 30 * scale, MAX_AMOUNT]))
        amount = draw(_AMOUNTS) * scale
        marks = draw(st.sampled_from([(), (5 * scale, 10 * scale, 19 * scale), (0,)]))
        if key == RATE:
            ppm = draw(st.integers(0, 1_000_000))
            demands.append(Demand(key, "tokens", limit, amount, marks, BEFORE, ppm))
        else:
            demands.append(Demand(key, "cost", limit, amount, marks))
    return demands


_IDS = st.sampled_from(["1", "2", "3", "ü\ud800"])
_STEPS = st.one_of(
    st.tuples(st.just("reserve"), _IDS, _demands(), st.booleans()),
    st.tuples(st.just("before"), _AMOUNTS),
    st.tuples(st.just("settle"), _IDS, st.integers(0, 15)),
    st.tuples(st.just("extend"), _IDS, st.integers(0, 9), st.sampled_from([A, B, None])),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("reset"), st.sampled_from(["a", "b", "r"]), st.sampled_from([None, "", "u"])),
    st.tuples(st.just("forget"), st.sampled_from(["a", "r"]), st.sampled_from([0, 8, 100])),
)


class _Program:
    """The same steps on both stores; each answers alike."""

    def __init__(self, store: RedisStore) -> None:
        self.redis = store
        self.redis._next_tick = math.inf  # sweeps come from the program alone
        self.clock = TickingClock()
        self.memory = MemoryStore(self.clock.monotonic)
        self.ending = False
        self.told: tuple[list[Crossing], list[Crossing]] = ([], [])
        self.redis.on_crossed(self.told[0].append)
        self.memory.on_crossed(self.told[1].append)

    def run(self, name: str, *args: object) -> None:
        getattr(self, name)(*args)
        assert sorted(self.redis.counters()) == sorted(
            (key, counter) for key, counter in self.memory.counters()
        )
        assert sorted(self.told[0]) == sorted(self.told[1])
        assert self.redis.open_reservations() == self.memory.open_reservations()

    def reserve(self, rid: str, demands: list[Demand], short: bool) -> None:
        # One at a time: of several that end in one millisecond each store has its own first one.
        short, self.ending = short and not self.ending, short or self.ending
        mine = self.redis.reserve(rid, demands, lease_s=0.0 if short else 1e6, max_wait_s=0)
        other = self.memory.reserve(rid, demands, lease_s=1.0 if short else 1e6, max_wait_s=0)
        assert mine.shortage == other.shortage

    def before(self, amount: int) -> None:
        """Something in the bucket before."""
        self.reserve("before", [Demand(BEFORE, "tokens", None, amount)], False)
        self.settle("before", amount)

    def settle(self, rid: str, used: int) -> None:
        def actual(entry: Demand) -> int:
            return entry.amount // 2 + used

        assert self.redis.settle(rid, actual) == self.memory.settle(rid, actual)

    def extend(self, rid: str, amount: int, only: Key | None) -> None:
        def more(entry: Demand) -> Demand | None:
            if only is not None and entry.key != only:
                return None
            return Demand(entry.key, entry.metric, 25, amount)

        assert self.redis.extend(rid, more) == self.memory.extend(rid, more)

    def sweep(self) -> None:
        self.ending = False
        self.redis.sweep()
        self.clock.advance(10.0)
        self.memory.reserve("sweep", [], lease_s=1e6, max_wait_s=0)
        self.memory.settle("sweep", lambda _entry: 0)

    def reset(self, rule: str, value: str | None) -> None:
        assert self.redis.reset(rule, value) == self.memory.reset(rule, value)

    def forget(self, rule: str, before: int) -> None:
        self.redis.forget(rule, before)
        self.redis.flush(LONG_S)
        self.memory.forget(rule, before)


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(_STEPS, max_size=25))
def test_any_program_has_the_same_answers_sums_and_crossings_as_in_memory(
    server: RedisServer, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, ...]]
) -> None:
    """Reservations, extensions, settlements, sweeps, resets; odd names and large amounts."""
    store = _store(server, tmp_path_factory.getbasetemp() / "programs")
    program = _Program(store)
    try:
        for step in steps:
            program.run(*step)
    finally:
        store.close()


@settings(max_examples=60, deadline=None)
@given(program=PROGRAMS)
def test_the_programs_of_all_stores_run_as_in_memory(
    server: RedisServer, tmp_path_factory: pytest.TempPathFactory, program: list[Step]
) -> None:
    """The programs that other stores are compared with, too; and the journal is SQLite's."""
    store = _store(server, tmp_path_factory.getbasetemp() / "shared")
    file = SqliteStore(tmp_path_factory.mktemp("file") / "ledger.db")
    mine = Runner(store, settle_down=lambda: store.flush(LONG_S))
    memory, other = Runner(MemoryStore()), Runner(file, settle_down=file.flush)
    try:
        assert mine.run(program) == memory.run(program) == other.run(program)
        assert mine.crossed == memory.crossed == other.crossed
        assert_journal_sums_up(store, program)
        assert journal_of(store) == journal_of(file)
    finally:
        store.close()
        file.close()


@settings(max_examples=150, deadline=None)
@given(
    limit=st.one_of(st.integers(0, MAX_LIMIT), st.integers(MAX_AMOUNT - 50, MAX_AMOUNT + 50)),
    below=st.one_of(st.integers(-2, 6), st.integers(0, 10**10)),
    reserved=st.one_of(st.integers(0, 3), st.integers(0, 10**10)),
    amount=st.one_of(st.integers(0, 3), st.integers(0, MAX_AMOUNT)),
)
@example(limit=2**62, below=2, reserved=0, amount=3)
@example(limit=2**62, below=2, reserved=2, amount=1)
@example(limit=MAX_AMOUNT, below=1, reserved=1, amount=1)
@example(limit=MAX_AMOUNT + 1, below=1, reserved=0, amount=1)
def test_limits_are_held_to_the_last_unit_up_to_the_largest(
    server: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
    limit: int,
    below: int,
    reserved: int,
    amount: int,
) -> None:
    """Also above 2^53, where doubles are not exact any more."""
    spent = max(0, min(limit - below, MAX_LIMIT))
    prefix = uuid.uuid4().hex
    store = _store(server, tmp_path_factory.getbasetemp() / "limits", prefix)
    _set(server, prefix, A, spent, reserved)
    ledger = Ledger({A: Counter(spent, reserved)})
    demand = _demand(amount, A, limit)
    try:
        assert _reserve(store, "r", demand).shortage == ledger.reserve("r", [demand], 0.0)
    finally:
        store.close()


@settings(max_examples=100, deadline=None)
@given(
    earlier=st.integers(0, 2**53),
    ppm=st.integers(0, 1_000_000),
    slack=st.integers(-2, 2),
)
@example(earlier=978214948881594, ppm=960779, slack=-1)
@example(earlier=978214948881594, ppm=960779, slack=0)
def test_the_part_of_the_bucket_before_is_exact(
    server: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
    earlier: int,
    ppm: int,
    slack: int,
) -> None:
    """Its product with millionths does not fit in a double."""
    limit = min(MAX_AMOUNT, max(0, -(-earlier * ppm // 1_000_000) + 5 + slack))
    prefix = uuid.uuid4().hex
    store = _store(server, tmp_path_factory.getbasetemp() / "rates", prefix)
    _set(server, prefix, BEFORE, earlier, 0)
    ledger = Ledger({BEFORE: Counter(earlier)})
    demand = Demand(RATE, "tokens", limit, 5, (), BEFORE, ppm)
    try:
        assert _reserve(store, "r", demand).shortage == ledger.reserve("r", [demand], 0.0)
    finally:
        store.close()


def _set(server: RedisServer, prefix: str, key: Key, spent: int, reserved: int) -> None:
    name = f"{{{prefix}}}:c:{counter_name(key)}"
    server.command("HSET", name, "spent", str(spent), "reserved", str(reserved))


@pytest.mark.parametrize(
    "demand",
    [
        _demand(MAX_AMOUNT + 1, A, None),
        _demand(-1),
        _demand(1, A, MAX_LIMIT + 1),
        _demand(1, A, -1),
        Demand(RATE, "tokens", MAX_AMOUNT + 1, 1, (), BEFORE, 1),
    ],
)
def test_what_can_not_be_compared_exactly_is_refused(store: RedisStore, demand: Demand) -> None:
    """Rather than held wrongly."""
    with pytest.raises(ValueError, match="Redis"):
        _reserve(store, "r", demand)
    assert store.counters() == []


def test_an_amount_that_can_not_be_charged_changes_nothing(store: RedisStore) -> None:
    """A wrong unit is an error of the caller."""
    _reserve(store, "r", _demand(4))
    with pytest.raises(ValueError, match="wrong unit"):
        store.settle("r", lambda _: MAX_AMOUNT + 1)
    assert store.read(A) == Counter(reserved=4)


# --- reservations -----------------------------------------------------------------------------


def test_a_call_that_fits_is_held_at_once_and_settled_once(store: RedisStore) -> None:
    """The plain way."""
    assert _reserve(store, "r", _demand(6)) == Grant(None, 0.0)
    assert store.read(A) == Counter(reserved=6)
    assert store.settle("r", lambda _: 4)
    assert not store.settle("r", lambda _: 4)
    assert store.read(A) == Counter(spent=4)


def test_a_reservation_that_is_open_stays_as_it_is_when_it_is_asked_for_again(
    store: RedisStore,
) -> None:
    """With other demands: what is held is what was admitted."""
    _reserve(store, "r", _demand(4), _demand(4, B))
    assert _kind(_reserve(store, "r", _demand(5))) == "held"
    assert store.extend("r", lambda e: e._replace(amount=1) if e.key == B else None) is None
    assert (store.read(A).reserved, store.read(B).reserved) == (4, 5)
    assert store.settle("r", lambda entry: entry.amount)
    assert (store.read(A), store.read(B)) == (Counter(spent=4), Counter(spent=5))


def test_a_reservation_may_be_extended_and_settled_by_another_process(
    server: RedisServer, tmp_path: Path
) -> None:
    """Who does not know it asks the server; who knew it learns that it has grown."""
    prefix = uuid.uuid4().hex
    one, other = _store(server, tmp_path, prefix), _store(server, tmp_path, prefix)
    _reserve(one, "r", _demand(4))
    assert other.extend("r", lambda entry: entry._replace(amount=3)) is None
    assert one.read(A) == Counter(reserved=7)
    assert one.settle("r", lambda entry: entry.amount)
    assert other.read(A) == Counter(spent=7)
    assert not other.settle("r", lambda _: 1)
    one.close()
    other.close()


def test_scripts_that_the_server_forgot_are_sent_again(
    store: RedisStore, server: RedisServer
) -> None:
    """`SCRIPT FLUSH`, a restart, or a new replica."""
    _reserve(store, "r", _demand(6))
    server.command("SCRIPT", "FLUSH")
    assert store.settle("r", lambda _: 4)
    assert store.read(A) == Counter(spent=4)


def test_an_ended_lease_is_charged_in_full_and_a_late_settlement_corrects_it(
    store: RedisStore,
) -> None:
    """The owner was only slow."""
    _reserve(store, "slow", _demand(8), lease_s=0.0)
    assert store.sweep() == 1
    assert store.read(A) == Counter(spent=8)
    assert store.settle("slow", lambda _: 2)
    assert store.read(A) == Counter(spent=2)
    assert not store.settle("slow", lambda _: 2)


def test_a_reservation_ends_by_itself_with_the_next_calls(
    server: RedisServer, tmp_path: Path
) -> None:
    """Nobody has to call `sweep`: a process that starts looks at once."""
    prefix = uuid.uuid4().hex
    one, other = _store(server, tmp_path, prefix), _store(server, tmp_path, prefix)
    _reserve(one, "dead", _demand(8), lease_s=0.0)
    assert _kind(_reserve(other, "next", _demand(3))) == "exhausted"
    one.close()
    other.close()


def test_a_stream_on_an_event_loop_is_told_a_shortage_with_its_next_step(
    store: RedisStore,
) -> None:
    """The loop's thread does not wait for the server."""
    _reserve(store, "r", _demand(8))

    async def stream() -> tuple[Shortage | None, Shortage | None]:
        first = store.extend("r", lambda entry: entry._replace(amount=5))
        assert store.flush(LONG_S)
        return first, store.extend("r", lambda entry: entry._replace(amount=5))

    first, second = asyncio.run(stream())
    assert first is None
    assert second is not None
    assert second.kind == "contended"
    assert store.read(A) == Counter(reserved=8)


# --- waiting ----------------------------------------------------------------------------------


def test_without_waiting_contention_is_answered_at_once(store: RedisStore) -> None:
    """And nobody joins the queue."""
    _fill(store, A)
    assert _kind(_reserve(store, "r", _demand(1))) == "contended"
    assert store.waiting() == 0


def test_a_waiting_call_is_let_through_when_another_settles_for_less(store: RedisStore) -> None:
    """The answer says that it waited."""
    _fill(store, A)
    waiter = _waits(store, "r", _demand(5))
    store.settle("full", lambda _: 3)
    grant = waiter.result()
    assert _kind(grant) == "held"
    assert grant.waited_s > 0
    assert store.read(A) == Counter(spent=3, reserved=5)


def test_a_waiting_call_sees_what_another_process_settles(
    server: RedisServer, tmp_path: Path
) -> None:
    """By looking now and then."""
    prefix = uuid.uuid4().hex
    one, other = _store(server, tmp_path, prefix), _store(server, tmp_path, prefix)
    _fill(other, A)
    waiter = _waits(one, "r", _demand(5))
    other.settle("full", lambda _: 9)
    assert _kind(waiter.result()) == "exhausted"
    one.close()
    other.close()


def test_a_call_waits_no_longer_than_it_may(store: RedisStore) -> None:
    """Then it is contended, and gone from the queue."""
    _fill(store, A)
    grant = _reserve(store, "r", _demand(5), wait_s=0.02)
    assert _kind(grant) == "contended"
    assert grant.waited_s >= 0.015
    assert store.waiting() == 0


def test_waiters_are_served_first_come_first_served(store: RedisStore) -> None:
    """Each settlement lets the next one through."""
    _fill(store, A)
    waiters = [_waits(store, f"r{number}", _demand(10)) for number in range(4)]
    store.settle("full", lambda _: 0)
    for number, waiter in enumerate(waiters):
        assert _kind(waiter.result()) == "held"
        assert [later.done for later in waiters[number + 1 :]] == [False] * (3 - number)
        store.settle(f"r{number}", lambda _: 0)
    assert store.read(A) == Counter()


def test_a_small_call_does_not_overtake_one_that_waits_for_the_same_counter(
    store: RedisStore,
) -> None:
    """Else a large call would starve."""
    _reserve(store, "held", _demand(6))
    large = _waits(store, "large", _demand(8))
    assert _kind(_reserve(store, "small", _demand(1))) == "contended"
    assert _kind(_reserve(store, "else", _demand(1, B))) == "held"
    store.settle("held", lambda _: 0)
    assert _kind(large.result()) == "held"
    assert _kind(_reserve(store, "small", _demand(1))) == "held"


async def test_a_hundred_coroutines_wait_without_a_thread_each(store: RedisStore) -> None:
    """And the event loop runs on while they do."""
    await store.reserve_async("full", [_demand(10)], lease_s=60, max_wait_s=0)
    before = threading.active_count()

    async def call(number: int) -> str:
        grant = await store.reserve_async(
            f"r{number}", [_demand(10)], lease_s=60, max_wait_s=LONG_S
        )
        # The answer is decided on the loop: settling must not block it.
        assert store.settle(f"r{number}", lambda _: 0)
        return _kind(grant)

    tasks = [asyncio.create_task(call(number)) for number in range(100)]
    await _queued(store, 100)
    assert threading.active_count() <= before + 4
    assert store.settle("full", lambda _: 0)
    assert await asyncio.gather(*tasks) == ["held"] * 100
    assert await asyncio.to_thread(store.flush, LONG_S)
    assert await asyncio.to_thread(store.read, A) == Counter()


async def test_a_cancelled_waiter_leaves_nothing_behind(store: RedisStore) -> None:
    """Neither in the queue nor in the ledger, and who waited behind it is served."""
    await store.reserve_async("full", [_demand(6)], lease_s=60, max_wait_s=0)

    def task(rid: str, amount: int) -> asyncio.Task[Grant]:
        return asyncio.create_task(
            store.reserve_async(rid, [_demand(amount)], lease_s=60, max_wait_s=LONG_S)
        )

    large = task("large", 8)
    await _queued(store, 1)
    small = task("small", 3)
    await _queued(store, 2)
    large.cancel()
    assert _kind(await small) == "held"
    with pytest.raises(asyncio.CancelledError):
        await large
    assert store.waiting() == 0
    assert await asyncio.to_thread(store.read, A) == Counter(reserved=9)


async def test_calls_that_are_cancelled_at_any_moment_leave_nothing_reserved(
    store: RedisStore,
) -> None:
    """Before, while and after the server is asked."""
    for turns in range(60):
        task = asyncio.create_task(
            store.reserve_async(f"r{turns}", [_demand(1)], lease_s=60, max_wait_s=0)
        )
        for _ in range(turns % 4):
            await asyncio.sleep(0)
        await asyncio.sleep(turns % 5 * 0.0001)
        if not task.cancel():
            store.settle(f"r{turns}", lambda _: 0)
        await asyncio.gather(task, return_exceptions=True)

    def nothing_left() -> bool:
        store.flush(LONG_S)
        return store.read(A) == Counter()

    await asyncio.to_thread(until, nothing_left)


# --- crossings, tables ------------------------------------------------------------------------


def test_each_mark_is_told_once_by_whichever_process_crosses_it(
    server: RedisServer, tmp_path: Path
) -> None:
    """Also several at once, also to a process that starts later: never again."""
    prefix = uuid.uuid4().hex
    stores = [_store(server, tmp_path, prefix) for _ in range(3)]
    told: list[Crossing] = []
    for store in stores[:2]:
        store.on_crossed(told.append)
    demand = _demand(1, A, 1000, 8, 9, 10)
    for number, used in enumerate([7, 2, 5, 5]):
        _reserve(stores[number % 2], str(number), demand)
        stores[number % 2].settle(str(number), lambda _, used=used: used)  # type: ignore[misc]  # binds the loop's value
    assert [(c.mark, c.spent) for c in told] == [(8, 9), (9, 9), (10, 14)]
    stores[2].on_crossed(told.append)
    stores[2].sweep()
    assert len(told) == 3
    for store in stores:
        store.close()


def test_a_crossing_whose_listener_failed_is_told_again(
    store: RedisStore, server: RedisServer, tmp_path: Path
) -> None:
    """And the settlement counts nevertheless."""

    def fail(_crossing: Crossing) -> None:
        raise RuntimeError("the webhook is away")

    store.on_crossed(fail)
    _reserve(store, "r", _demand(5, A, 10, 4))
    assert store.settle("r", lambda _: 5)
    base = store._link._base
    server.command("ZADD", f"{base}outbox", "XX", "0", _only(server, f"{base}outbox"))
    told: list[Crossing] = []
    later = _store(server, tmp_path, base[1:-2])
    later.on_crossed(told.append)
    later.sweep()
    later.sweep()
    assert told == [Crossing(A, "tokens", 4, 5)]
    later.close()


def _only(server: RedisServer, key: str) -> str:
    return server.command("ZRANGE", key, "0", "-1").decode().split("\r\n")[2]


def test_rules_and_forced_breakers_are_seen_by_every_process(
    server: RedisServer, tmp_path: Path
) -> None:
    """And can be taken out."""
    prefix = uuid.uuid4().hex
    one, other = _store(server, tmp_path, prefix), _store(server, tmp_path, prefix)
    one.put_rule("daily ü", '{"limit": 5}')
    one.force("openai/gpt-4o", "open")
    assert (other.rules(), other.forced()) == (
        {"daily ü": '{"limit": 5}'},
        {"openai/gpt-4o": "open"},
    )
    other.put_rule("daily ü", None)
    other.force("openai/gpt-4o", None)
    assert (one.rules(), one.forced()) == ({}, {})
    one.close()
    other.close()


def test_more_counters_than_a_page_are_listed_reset_and_forgotten(store: RedisStore) -> None:
    """One rule's, and no other's."""
    for number in range(120):
        demands = [_demand(1, Key("many", f"{number}-{i}", number % 2 * 10)) for i in range(10)]
        _reserve(store, str(number), *demands)
        store.settle(str(number), lambda _: 1)
    _reserve(store, "other", _demand(1))
    assert len(store.counters("many")) == 1200
    assert store.reset("many") == 1200
    assert store.reset("many", "7-3") == 1
    assert {counter.spent for _key, counter in store.counters("many")} == {0}
    store.forget("many", 5)
    assert store.flush(LONG_S)
    assert len(store.counters("many")) == 600
    assert len(store.counters()) == 601


# --- processes, finalisers --------------------------------------------------------------------


def test_a_forked_child_talks_to_the_server_on_its_own(store: RedisStore) -> None:
    """And has none of its parent's open calls."""
    _reserve(store, "open", _demand(6))
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        seen = (
            store._held,
            _kind(_reserve(store, "r", _demand(4))),
            store.settle("r", lambda _: 1),
        )
        os.write(write, repr(seen).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    assert answer == repr(({}, "held", True))
    assert store.settle("open", lambda _: 2)
    assert store.read(A) == Counter(spent=3)


def test_a_store_that_nobody_uses_is_collected(server: RedisServer, tmp_path: Path) -> None:
    """The hook for forks must not keep every store of the process."""
    store = _store(server, tmp_path)
    gone = weakref.ref(store)
    del store
    gc.collect()
    assert gone() is None


class _Cycle:
    """Garbage that only the collector can find."""

    def __init__(self) -> None:
        self.itself = self


def test_finalisers_in_every_allocation_settle_exactly_once(store: RedisStore) -> None:
    """The collector at its most eager, in four threads at once."""
    calls, threads = 40, 4
    threshold = gc.get_threshold()
    gc.set_threshold(1, 1, 1)

    def work(number: int) -> bool:
        for attempt in range(calls):
            rid = f"{number}/{attempt}"
            assert _kind(_reserve(store, rid, _demand(1, A, 10**6))) == "held"
            weakref.finalize(_Cycle(), store.settle, rid, lambda _: 1)
        return True

    try:
        workers = [InThread(lambda number=number: work(number)) for number in range(threads)]  # type: ignore[misc]  # binds the loop's value
        assert all(worker.result() for worker in workers)
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert store.flush(LONG_S)
    assert store.read(A) == Counter(spent=calls * threads)
    assert store.open_reservations() == 0


def test_the_thread_of_a_store_that_nobody_uses_ends(server: RedisServer, tmp_path: Path) -> None:
    """Stores come and go in tests and notebooks."""
    store = _store(server, tmp_path)
    _reserve(store, "r", _demand(1))
    thread = store._writer._thread
    assert thread is not None
    store.flush(LONG_S)
    del store
    gc.collect()
    thread.join(LONG_S)
    assert not thread.is_alive()


def test_the_driver_is_loaded_with_the_first_use_and_not_before() -> None:
    """An agent whose ledger is elsewhere does not pay for it."""
    program = "import sys, spanledger.guard.stores.redis; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_the_address_may_name_either_server(
    server: RedisServer, tmp_path: Path, scheme: str
) -> None:
    """They speak one protocol."""
    url = server.url.replace("redis", scheme)
    store = RedisStore(url, directory=tmp_path, prefix=uuid.uuid4().hex, timeout_s=5.0)
    assert _kind(_reserve(store, "r", _demand(1))) == "held"
    store.close()


def test_a_unix_socket_is_an_address_too(tmp_path: Path) -> None:
    """For servers that do not listen on the network."""
    with tempfile.TemporaryDirectory() as short:  # such paths are at most 107 bytes long
        socket = f"{short}/s"
        try:
            with redis_server(tmp_path / "server", "--unixsocket", socket):
                store = RedisStore(f"unix://{socket}", directory=tmp_path, timeout_s=5.0)
                assert _kind(_reserve(store, "r", _demand(1))) == "held"
                store.close()
        except RedisMissing as missing:
            pytest.skip(str(missing))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"on_down": "hope"}, "fail_closed, local_share, fail_open"),
        ({"timeout_s": 0.0}, "timeout_s"),
        ({"share": 0.0}, "1/N"),
        ({"prefix": "a{b}"}, "braces"),
    ],
)
def test_wrong_arguments_are_named(wrong: dict[str, object], says: str, tmp_path: Path) -> None:
    """With what is allowed."""
    with pytest.raises(ValueError, match=says):
        RedisStore("redis://127.0.0.1:1/0", directory=tmp_path, **wrong)  # type: ignore[arg-type]  # wrong on purpose
