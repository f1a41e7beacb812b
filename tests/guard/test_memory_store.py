"""The ledger in memory: many threads, many tasks, waiting and giving up."""

import asyncio
import gc
import os
import threading
import weakref
from random import Random

import pytest

from spanledger.guard import MemoryStore
from spanledger.guard.ledger import Counter, Demand, Key
from spanledger.guard.stores import Grant
from spanledger.testing.clock import TickingClock
from tests.guard._wait import InThread, until

A, B = Key("a", "", 0), Key("b", "", 0)
LONG_S = 30.0


def _demand(amount: int, key: Key = A, limit: int = 10) -> Demand:
    return Demand(key, "tokens", limit, amount)


def _reserve(
    store: MemoryStore, rid: str, *demands: Demand, wait_s: float = 0.0, lease_s: float = 3600.0
) -> Grant:
    return store.reserve(rid, demands, lease_s=lease_s, max_wait_s=wait_s)


def _waits(store: MemoryStore, rid: str, *demands: Demand, wait_s: float = LONG_S) -> InThread:
    """A reservation that waits in a thread, and is known to be in the queue."""
    before = store.waiting()
    waiter = InThread(lambda: _reserve(store, rid, *demands, wait_s=wait_s))
    until(lambda: store.waiting() > before)
    return waiter


def _kind(grant: Grant) -> str:
    return "held" if grant.shortage is None else grant.shortage.kind


def _full(*keys: Key) -> MemoryStore:
    """A store in which calls in flight (``full``) hold all of `keys`."""
    store = MemoryStore()
    assert _kind(_reserve(store, "full", *(_demand(10, key) for key in keys))) == "held"
    return store


def test_a_call_that_fits_is_held_at_once_and_settled_once() -> None:
    """The plain way."""
    store = MemoryStore()
    assert _reserve(store, "r", _demand(6)) == Grant(None, 0.0)
    assert store.read(A) == Counter(reserved=6)
    assert store.settle("r", lambda _: 4)
    assert not store.settle("r", lambda _: 4)
    assert store.read(A) == Counter(spent=4)


def test_without_waiting_contention_is_answered_at_once() -> None:
    """And nobody joins the queue."""
    store = _full(A)
    assert _kind(_reserve(store, "r", _demand(1))) == "contended"
    assert store.waiting() == 0


def test_what_is_used_up_is_answered_at_once_also_to_those_who_would_wait() -> None:
    """No settlement can make room."""
    store = _full(A)
    store.settle("full", lambda _: 10)
    assert _kind(_reserve(store, "r", _demand(1), wait_s=LONG_S)) == "exhausted"


def test_a_waiting_call_is_let_through_when_another_settles_for_less() -> None:
    """The answer says that it waited."""
    store = _full(A)
    waiter = _waits(store, "r", _demand(5))
    store.settle("full", lambda _: 3)
    grant = waiter.result()
    assert _kind(grant) == "held"
    assert grant.waited_s > 0
    assert store.read(A) == Counter(spent=3, reserved=5)


def test_a_waiting_call_is_refused_as_soon_as_the_budget_is_used_up() -> None:
    """Not when its time is over."""
    store = _full(A)
    waiter = _waits(store, "r", _demand(5))
    store.settle("full", lambda _: 9)
    assert _kind(waiter.result()) == "exhausted"
    assert store.waiting() == 0


def test_a_call_waits_no_longer_than_it_may() -> None:
    """Then it is contended, and gone from the queue."""
    store = _full(A)
    grant = _reserve(store, "r", _demand(5), wait_s=0.02)
    assert _kind(grant) == "contended"
    assert grant.waited_s >= 0.015
    assert store.waiting() == 0
    assert store.open_reservations() == 1


def test_a_longest_wait_beyond_what_threads_can_wait_is_cut() -> None:
    """`Event.wait` raises `OverflowError` above some centuries."""
    store = _full(A)
    waiter = _waits(store, "r", _demand(5), wait_s=1e15)
    store.settle("full", lambda _: 0)
    assert _kind(waiter.result()) == "held"


def test_waiters_are_served_first_come_first_served() -> None:
    """Each settlement lets the next one through."""
    store = _full(A)
    waiters = [_waits(store, f"r{number}", _demand(10)) for number in range(4)]
    store.settle("full", lambda _: 0)
    for number, waiter in enumerate(waiters):
        assert _kind(waiter.result()) == "held"
        assert [later.done for later in waiters[number + 1 :]] == [False] * (3 - number)
        store.settle(f"r{number}", lambda _: 0)
    assert store.read(A) == Counter()


def test_a_small_call_does_not_overtake_one_that_waits_for_the_same_counter() -> None:
    """Else a large call would starve."""
    store = MemoryStore()
    _reserve(store, "held", _demand(6))
    large = _waits(store, "large", _demand(8))
    assert _kind(_reserve(store, "small", _demand(1))) == "contended"
    store.settle("held", lambda _: 0)
    assert _kind(large.result()) == "held"
    assert _kind(_reserve(store, "small", _demand(1))) == "held"


def test_who_waits_for_other_counters_is_not_held_up() -> None:
    """Neither on arrival nor in the queue."""
    store = _full(A, B)
    _reserve(store, "other", _demand(5, Key("c", "", 0)))
    for_a = _waits(store, "a", _demand(5, A))
    assert _kind(_reserve(store, "c", _demand(5, Key("c", "", 0)))) == "held"
    for_b = _waits(store, "b", _demand(5, B))
    store.settle("full", lambda entry: 10 - 5 * (entry.key == B))
    assert _kind(for_b.result()) == "held"
    assert _kind(for_a.result()) == "exhausted"


def test_who_waits_behind_one_that_gives_up_is_served() -> None:
    """It waited for nothing but its turn."""
    store = MemoryStore()
    _reserve(store, "held", _demand(6))
    large = InThread(lambda: _reserve(store, "large", _demand(8), wait_s=0.3))
    until(lambda: store.waiting() == 1)
    small = _waits(store, "small", _demand(3))
    assert _kind(large.result()) == "contended"
    assert _kind(small.result()) == "held"


def test_an_ended_lease_is_charged_in_full_and_a_late_settlement_corrects_it() -> None:
    """The owner was only slow."""
    clock = TickingClock()
    store = MemoryStore(clock.monotonic)
    _reserve(store, "slow", _demand(8), lease_s=60.0)
    clock.advance(61.0)
    assert _kind(_reserve(store, "next", _demand(3))) == "exhausted"
    assert store.read(A) == Counter(spent=8)
    assert store.settle("slow", lambda _: 2)
    assert store.read(A) == Counter(spent=2)


def test_an_ended_lease_of_another_call_answers_those_who_wait() -> None:
    """It is charged in full, so they are refused now instead of at the end of their time."""
    clock = TickingClock()
    store = MemoryStore(clock.monotonic)
    _reserve(store, "dead", _demand(8), lease_s=60.0)
    waiter = _waits(store, "r", _demand(5))
    clock.advance(61.0)
    assert _kind(_reserve(store, "other", _demand(1, B))) == "held"
    assert _kind(waiter.result()) == "exhausted"


def test_an_interrupted_wait_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control-C while a call waits for others."""
    store = _full(A)

    def interrupted(_event: threading.Event, _timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Event, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _reserve(store, "r", _demand(5), wait_s=LONG_S)
    assert store.waiting() == 0
    assert store.read(A) == Counter(reserved=10)


def test_a_stream_holds_more_or_nothing() -> None:
    """`extend` in one step over all its counters."""
    store = MemoryStore()
    _reserve(store, "r", _demand(5, A), _demand(5, B))
    _reserve(store, "other", _demand(4, B))

    def more(entry: Demand) -> Demand:
        return _demand(2, entry.key)

    short = store.extend("r", more)
    assert short is not None
    assert (short.demand.key, short.kind) == (B, "contended")
    assert store.read(A) == Counter(reserved=5)
    store.settle("other", lambda _: 0)
    assert store.extend("r", more) is None
    assert (store.read(A).reserved, store.read(B).reserved) == (7, 7)


# --- coroutines -----------------------------------------------------------------------------


async def _queued(store: MemoryStore, rid: str, demand: Demand) -> asyncio.Task[Grant]:
    before = store.waiting()
    task = asyncio.create_task(store.reserve_async(rid, [demand], lease_s=60.0, max_wait_s=LONG_S))
    await asyncio.sleep(0)
    assert store.waiting() == before + 1
    return task


async def test_the_event_loop_runs_on_while_a_coroutine_waits() -> None:
    """And the settlement may come from another thread."""
    store = _full(A)
    task = await _queued(store, "r", _demand(5))
    await asyncio.to_thread(store.settle, "full", lambda _: 0)
    assert _kind(await task) == "held"


async def test_a_coroutine_waits_no_longer_than_it_may() -> None:
    """Then it is contended, and gone from the queue."""
    store = _full(A)
    grant = await store.reserve_async("r", [_demand(5)], lease_s=60.0, max_wait_s=0.02)
    assert _kind(grant) == "contended"
    assert store.waiting() == 0


async def test_a_coroutine_is_answered_at_once_where_waiting_would_not_help() -> None:
    """Or is not wanted."""
    store = _full(A)
    now = await store.reserve_async("r", [_demand(5)], lease_s=60.0, max_wait_s=0.0)
    assert _kind(now) == "contended"
    store.settle("full", lambda _: 10)
    never = await store.reserve_async("r", [_demand(5)], lease_s=60.0, max_wait_s=LONG_S)
    assert _kind(never) == "exhausted"


async def test_a_cancelled_waiter_leaves_nothing_behind() -> None:
    """Neither in the queue nor in the ledger, and who waited behind it is served."""
    store = MemoryStore()
    _reserve(store, "held", _demand(6))
    large = await _queued(store, "large", _demand(8))
    small = await _queued(store, "small", _demand(3))
    large.cancel()
    assert _kind(await small) == "held"
    with pytest.raises(asyncio.CancelledError):
        await large
    assert store.waiting() == 0
    assert store.read(A) == Counter(reserved=9)


async def test_a_waiter_that_is_cancelled_as_it_is_granted_frees_the_grant() -> None:
    """The grant and the cancellation arrive in the same turn of the loop."""
    store = _full(A)
    task = await _queued(store, "r", _demand(5))
    store.settle("full", lambda _: 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert store.read(A) == Counter()
    assert store.open_reservations() == 0


def test_a_settlement_survives_a_waiter_whose_loop_is_gone() -> None:
    """A loop that was closed without cancelling its tasks."""
    store = _full(A)
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(
        store.reserve_async("r", [_demand(5)], lease_s=60.0, max_wait_s=LONG_S)
    )
    while not store.waiting():
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert store.settle("full", lambda _: 0)
    # Kept until here, so that the task was not collected; nobody will ever run it again.
    assert not waiting.done()
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]  # it is meant to be left


# --- threads, processes, finalisers ---------------------------------------------------------


def test_sixteen_threads_never_overspend() -> None:
    """Estimates are upper bounds here, so the limit is never passed, at any moment."""
    store, limit, threads = MemoryStore(), 500, 16
    settled = [0] * threads
    seen_above = []
    start = threading.Barrier(threads)

    def work(number: int) -> None:
        random = Random(number)
        start.wait()
        for attempt in range(200):
            rid = f"{number}/{attempt}"
            if _kind(_reserve(store, rid, _demand(10, A, limit), _demand(10, B, limit))) == "held":
                used = random.randint(0, 10)
                store.settle(rid, lambda _, used=used: used)  # type: ignore[misc]  # binds the loop's value
                settled[number] += used
            counter = store.read(A)
            if counter.spent + counter.reserved > limit:
                seen_above.append(counter)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert seen_above == []
    assert store.read(A) == store.read(B) == Counter(spent=sum(settled))
    assert limit - 10 < sum(settled) <= limit


def test_threads_that_wait_use_up_the_budget_to_the_last_call() -> None:
    """Nobody is refused as used up while there is room, and nobody is forgotten in the queue."""
    store, limit = MemoryStore(), 60

    def work(number: int) -> int:
        held = 0
        for attempt in range(10):
            rid = f"{number}/{attempt}"
            if _kind(_reserve(store, rid, _demand(10, A, limit), wait_s=LONG_S)) != "held":
                break
            store.settle(rid, lambda _: 1)
            held += 1
        return held

    workers = [InThread(lambda number=number: work(number)) for number in range(16)]  # type: ignore[misc]  # binds the loop's value
    calls = sum(worker.result() for worker in workers)
    # A call asks for 10 and uses 1: the last one that fits is admitted at 50 spent.
    assert calls == 51
    assert store.read(A) == Counter(spent=51)


def test_a_forked_child_has_the_sums_and_none_of_the_open_calls() -> None:
    """And a lock of its own, whoever held the parent's."""
    store = MemoryStore()
    _reserve(store, "done", _demand(4))
    store.settle("done", lambda _: 4)
    _reserve(store, "open", _demand(6))
    held, go_on = threading.Event(), threading.Event()

    def hold(_entry: Demand) -> None:
        held.set()
        go_on.wait(LONG_S)

    holder = InThread(lambda: store.extend("open", hold))
    held.wait(LONG_S)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        seen = (store.read(A), store.open_reservations(), _kind(_reserve(store, "r", _demand(6))))
        os.write(write, repr(seen).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    go_on.set()
    holder.result()
    assert answer == repr((Counter(spent=4), 0, "held"))
    assert store.read(A) == Counter(spent=4, reserved=6)


def test_a_store_that_nobody_uses_is_collected() -> None:
    """The hook for forks must not keep every store of the process."""
    store = MemoryStore()
    gone = weakref.ref(store)
    del store
    gc.collect()
    assert gone() is None


class _Cycle:
    """Garbage that only the collector can find."""

    def __init__(self) -> None:
        self.itself = self


def _garbage(finaliser: object, *args: object) -> None:
    weakref.finalize(_Cycle(), finaliser, *args)  # type: ignore[arg-type]  # any callable


def test_a_finaliser_that_settles_inside_the_store_does_not_hang() -> None:
    """The collector runs while the store is locked, on the thread that locked it."""
    store = MemoryStore()
    _reserve(store, "abandoned", _demand(4))
    _reserve(store, "mine", _demand(3))
    seen = []

    def collect(_entry: Demand) -> int:
        _garbage(store.settle, "abandoned", lambda _: 1)
        gc.collect()
        # Nothing may change under the feet of the settlement that was interrupted.
        seen.append(store.read(A))
        return 2

    assert InThread(lambda: store.settle("mine", collect)).result() is True
    assert seen == [Counter(reserved=7)]
    assert store.read(A) == Counter(spent=3)
    assert store.open_reservations() == 0


def test_a_finaliser_that_settles_inside_an_extension_lets_waiters_through() -> None:
    """What was put off does all that a settlement does."""
    store = MemoryStore()
    _reserve(store, "abandoned", _demand(6))
    _reserve(store, "mine", _demand(4))
    waiter = _waits(store, "next", _demand(5))

    def collect(_entry: Demand) -> None:
        _garbage(store.settle, "abandoned", lambda _: 1)
        gc.collect()

    assert InThread(lambda: store.extend("mine", collect) is None).result()
    assert _kind(waiter.result()) == "held"
    assert store.read(A) == Counter(spent=1, reserved=9)


def test_finalisers_in_every_allocation_settle_exactly_once() -> None:
    """The collector at its most eager, in four threads at once."""
    store, calls, threads = MemoryStore(), 300, 4
    threshold = gc.get_threshold()
    gc.set_threshold(1, 1, 1)

    def work(number: int) -> bool:
        for attempt in range(calls):
            rid = f"{number}/{attempt}"
            assert _kind(_reserve(store, rid, _demand(1, A, 10**6))) == "held"
            _garbage(store.settle, rid, lambda _: 1)
        return True

    try:
        workers = [InThread(lambda number=number: work(number)) for number in range(threads)]  # type: ignore[misc]  # binds the loop's value
        assert all(worker.result() for worker in workers)
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert store.read(A) == Counter(spent=calls * threads)
    assert store.open_reservations() == 0
