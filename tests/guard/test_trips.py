"""A budget that trips: after one refusal everything is refused, whoever asks, until it is reset."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spanledger.guard import (
    Admin,
    Budget,
    BudgetExceeded,
    Call,
    Estimate,
    Guard,
    MemoryStore,
    Policy,
    Spending,
    Store,
)
from spanledger.guard.ledger import Counter, Demand, Key, Trip
from spanledger.guard.stores import SqliteStore
from spanledger.guard.stores.redis import RedisStore
from tests._redis import RedisMissing, RedisServer, redis_server
from tests.guard._calls import NOON_S, WAIT, Events, call, guard
from tests.guard._wait import InThread, until

TOKENS = Budget("tokens", "tokens", 100, "day", "agent", trip=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer | None]:
    try:
        with redis_server(tmp_path_factory.mktemp("redis")) as running:
            yield running
    except RedisMissing:
        yield None


@pytest.fixture(params=["memory", "sqlite", "redis"])
def make(
    request: pytest.FixtureRequest, tmp_path: Path, server: RedisServer | None
) -> Iterator[Callable[[], Store]]:
    """Gives a store of each kind; what it gives shares one ledger, as processes do."""
    memory, opened = MemoryStore(), list[SqliteStore | RedisStore]()

    def sqlite() -> Store:
        opened.append(SqliteStore(tmp_path / "ledger.db"))
        return opened[-1]

    def redis() -> Store:
        assert server is not None
        # A busy machine may take longer than the 50 ms that an agent waits for an answer.
        opened.append(RedisStore(server.url, directory=tmp_path / "link", timeout_s=5.0))
        return opened[-1]

    if request.param == "redis":
        if server is None:
            pytest.skip("no redis-server or valkey-server found")
        server.command("FLUSHALL")
    yield {"memory": lambda: memory, "sqlite": sqlite, "redis": redis}[request.param]
    for store in opened:
        store.close()


@pytest.fixture
def store(make: Callable[[], Store]) -> Store:
    return make()


def held(store: Store, *budgets: Budget, **more: Any) -> Guard:
    return guard(*(budgets or (TOKENS,)), store=store, **more)


def ask(asked: Guard, tokens: int, agent: str = "planner") -> str:
    """The reason of the answer; what is held stays held."""
    return asked.admit(call(agent, tokens=tokens)).reason


def trip(asked: Guard, agent: str = "planner") -> None:
    assert ask(asked, 101, agent) == "budget_exhausted"


def spend(asked: Guard, tokens: int) -> None:
    reservation = asked.admit(call("planner", tokens=tokens)).granted()
    asked.settle(reservation, Spending(tokens, 0))


async def until_async(condition: Callable[[], object]) -> None:
    """Wait until `condition`, asked on the event loop's thread, holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nothing tells that it holds
            await asyncio.sleep(0.001)


# --- what trips, and what that means --------------------------------------------------------


def test_after_a_refusal_a_call_that_fits_is_refused_too_and_by_everybody(
    make: Callable[[], Store],
) -> None:
    first, second = held(make()), held(make())
    spend(first, 40)
    trip(first)
    assert [ask(first, 1), ask(second, 1), ask(second, 0)] == ["budget_tripped"] * 3
    assert ask(second, 1, "another") == "allowed"


def test_without_the_option_a_smaller_call_is_let_through(store: Store) -> None:
    """A refused over-estimate does not lock a budget."""
    asked = held(store, Budget("tokens", "tokens", 100, "day", "agent"))
    trip(asked)
    assert ask(asked, 100) == "allowed"


def test_a_reset_lets_calls_through_again_and_a_higher_limit_does_not(store: Store) -> None:
    asked = held(store)
    spend(asked, 40)
    trip(asked)
    raised = asked.replaced(
        Policy((Budget("tokens", "tokens", 10_000, "day", "agent", trip=True),))
    )
    assert ask(raised, 1) == "budget_tripped"
    assert store.reset("tokens", "somebody else") == 0
    assert ask(asked, 1) == "budget_tripped"
    assert store.reset("tokens", "planner") == 1
    assert ask(asked, 100) == "allowed"
    assert store.read(_key(asked)) == Counter(reserved=100)


def _key(asked: Guard, agent: str = "planner") -> Key:
    (state,) = asked.state(call(agent))
    return Key("tokens", agent, state.window_start, "tokens")


def test_taking_the_option_back_lets_calls_through_until_it_is_set_again(store: Store) -> None:
    asked = held(store)
    trip(asked)
    without = asked.replaced(Policy((Budget("tokens", "tokens", 100, "day", "agent"),)))
    assert ask(without, 1) == "allowed"
    assert ask(asked, 1) == "budget_tripped"


def test_the_next_window_begins_untripped(store: Store) -> None:
    now = [NOON_S]
    asked = held(store, clock=lambda: now[0])
    trip(asked)
    now[0] += 43_199
    assert ask(asked, 1) == "budget_tripped"
    now[0] += 1
    assert ask(asked, 1) == "allowed"
    # A clock that is set back does not untrip the window before.
    now[0] -= 1
    assert ask(asked, 1) == "budget_tripped"


def test_calls_in_flight_settle_as_ever(store: Store) -> None:
    asked = held(store)
    open_ = asked.admit(call("planner", tokens=60)).granted()
    trip(asked)
    assert asked.settle(open_, Spending(50, 0))
    counter = store.read(_key(asked))
    assert (counter.spent, counter.reserved) == (50, 0)
    assert counter.tripped == Trip(int(NOON_S), 100, 0, 60, 101)


def test_what_calls_in_flight_hold_trips_nothing(store: Store) -> None:
    """It would fit in a moment."""
    asked = held(store)
    open_ = asked.admit(call("planner", tokens=60)).granted()
    assert ask(asked, 50) == "budget_contended"
    asked.release(open_)
    assert ask(asked, 50) == "allowed"


def test_only_the_budget_that_refused_trips(store: Store) -> None:
    wide = Budget("wide", "tokens", 1000, "day", trip=True)
    asked = held(store, wide, TOKENS)
    trip(asked)
    refusal = asked.admit(call("planner", tokens=1)).refusal
    assert refusal is not None
    assert (refusal.rule, refusal.scope) == ("tokens", "agent planner")
    assert ask(asked, 1, "another") == "allowed"


def test_a_trip_that_comes_after_the_reset_does_not_undo_it(store: Store) -> None:
    """Refused by one, reset by another, and only then tripped by the first."""
    demand = Demand(Key("tokens", "planner", 0), "tokens", 100, 60, trip=True)
    store.reserve("r", [demand], lease_s=60.0, max_wait_s=0.0)
    store.settle("r", lambda _: 60)
    assert store.reserve("s", [demand], lease_s=60.0, max_wait_s=0.0).shortage is not None
    store.reset("tokens")
    assert not store.trip(demand, 1)
    assert store.reserve("s", [demand], lease_s=60.0, max_wait_s=0.0).shortage is None


# --- the closer look ------------------------------------------------------------------------


def unsure(tokens: int, closer: int) -> Call:
    def refine() -> Estimate:
        return Estimate(closer, 0, None, "input:tiktoken output:request")

    return call("planner", tokens=tokens)._replace(refine=refine)


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_first_guess_that_is_too_high_trips_nothing(store: Store, how: str) -> None:
    asked = held(store, settings=WAIT)

    def reason(tokens: int, closer: int) -> str:
        if how == "sync":
            return asked.admit(unsure(tokens, closer)).reason
        return asyncio.run(asked.admit_async(unsure(tokens, closer))).reason

    assert reason(400, 30) == "allowed"
    assert reason(400, 30) == "allowed"
    assert reason(400, 101) == "budget_exhausted"
    assert reason(400, 1) == "budget_tripped"


def test_no_closer_look_is_taken_at_what_has_tripped() -> None:
    asked = held(MemoryStore())
    trip(asked)

    def never() -> Estimate:
        raise AssertionError("it can't change the answer")

    refused = asked.admit(call("planner", tokens=400)._replace(refine=never))
    assert refused.reason == "budget_tripped"


# --- who waits, streams, event loops --------------------------------------------------------


def test_who_waits_for_room_is_refused_when_the_budget_trips(store: Store) -> None:
    asked = held(store, settings=WAIT)
    asked.admit(call("planner", tokens=60)).granted()
    waiting = InThread(lambda: ask(asked, 50))
    until(store.waiting)  # type: ignore[attr-defined]  # each of the three has it
    trip(asked)
    assert waiting.result() == "budget_tripped"


def test_a_stream_that_is_cut_trips_its_budget(store: Store) -> None:
    """What it holds itself is all that there is."""
    asked = held(store)
    stream = asked.admit(call("planner", tokens=90)).granted()
    cut = asked.extend(stream, tokens=20, cost_nano_usd=0)
    assert cut is not None
    assert (cut.reason, cut.asked) == ("stream_exhausted", 20)
    assert "spanledger budget reset tokens --value planner" in cut.sentence()
    assert ask(asked, 1) == "budget_tripped"
    assert asked.settle(stream, Spending(90, 0))


def test_a_stream_gets_no_more_from_a_budget_that_tripped_meanwhile(store: Store) -> None:
    asked = held(store)
    stream = asked.admit(call("planner", tokens=10)).granted()
    trip(asked)
    cut = asked.extend(stream, tokens=1, cost_nano_usd=0)
    assert cut is not None
    assert cut.reason == "stream_exhausted"
    assert cut.sentence().startswith("The stream was cut: budget 'tokens' tripped at 2026-01-15")


def test_on_an_event_loop_a_stream_that_is_cut_trips_its_budget(store: Store) -> None:
    """The shared stores answer a step late, and are never waited for on the loop's thread."""
    asked, threads = held(store), set[int]()
    tripped = store.trip

    def seen(demand: Demand, at: int) -> bool:
        threads.add(threading.get_ident())
        return tripped(demand, at)

    store.trip = seen  # type: ignore[method-assign]  # to see where it runs

    async def main() -> None:
        stream = (await asked.admit_async(call("planner", tokens=90))).granted()
        await until_async(lambda: asked.extend(stream, tokens=20, cost_nano_usd=0))
        await until_async(lambda: threads)
        await until_async(lambda: store.read(_key(asked)).tripped)

    asyncio.run(main())
    assert ask(asked, 1) == "budget_tripped"
    assert (threads == {threading.get_ident()}) is store.in_memory


def test_coroutines_that_follow_each_other_meet_the_trip_at_once(store: Store) -> None:
    asked = held(store)

    async def main() -> list[str]:
        answers = [await asked.admit_async(call("planner", tokens=n)) for n in (101, 1, 1)]
        return [answer.reason for answer in answers]

    assert asyncio.run(main()) == ["budget_exhausted", "budget_tripped", "budget_tripped"]


# --- calls that only spans tell of -----------------------------------------------------------


def test_a_call_that_only_a_span_tells_of_may_not_begin_and_is_charged_all_the_same(
    store: Store,
) -> None:
    asked = held(store)
    assert asked.used_up(call("planner")) is None
    trip(asked)
    refusal = asked.used_up(call("planner"))
    assert refusal is not None
    assert refusal.reason == "budget_tripped"
    asked.charge(call("planner"), Spending(7, 0))
    assert store.read(_key(asked)).spent == 7


def test_a_call_that_only_a_span_tells_of_trips_a_budget_that_is_used_up(store: Store) -> None:
    asked = held(store)
    spend(asked, 100)
    refusal = asked.used_up(call("planner", tokens=0))
    assert refusal is not None
    assert refusal.reason == "budget_exhausted"
    raised = asked.replaced(
        Policy((Budget("tokens", "tokens", 10_000, "day", "agent", trip=True),))
    )
    assert ask(raised, 1) == "budget_tripped"


async def test_on_an_event_loop_such_a_call_meets_the_trip_after_one_look(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ledger.db")
    asked = held(store)
    await asyncio.to_thread(trip, asked)
    await until_async(lambda: asked.used_up(call("planner")))
    refusal = asked.used_up(call("planner"))
    assert refusal is not None
    assert refusal.reason == "budget_tripped"
    store.close()


# --- what is told ---------------------------------------------------------------------------


def test_a_trip_is_told_once_by_whoever_caused_it(make: Callable[[], Store]) -> None:
    stores, events = [make(), make()], Events()
    first, second = (held(store, listeners=[events]) for store in stores)
    spend(first, 40)
    trip(first)
    for asked in (first, second, first):
        assert ask(asked, 1) == "budget_tripped"
    told = [event for event in events.seen if event.kind == "tripped"]
    # Two guards over one store in memory are both told.
    assert len(told) == (2 if stores[0] is stores[1] else 1)
    assert len({event.id for event in told}) == 1
    event = told[0]
    assert event.reason == "budget_tripped"
    assert event.refusal is None
    assert event.threshold is not None
    assert (event.threshold.rule, event.threshold.scope, event.threshold.spent) == (
        "tokens",
        "agent planner",
        40,
    )
    assert event.message == (
        "Budget 'tokens' tripped (scope agent planner, window day): 40 tokens of 100 tokens is "
        "spent, and a call had no room. Every call that it counts is refused until the day ends, "
        "or somebody says `spanledger budget reset tokens --value planner`."
    )


def test_the_refusal_says_when_and_by_what_it_tripped_and_how_to_go_on(store: Store) -> None:
    asked = held(store)
    spend(asked, 40)
    trip(asked)
    with pytest.raises(BudgetExceeded) as caught:
        asked.admit(call("planner", tokens=5)).granted()
    refusal = caught.value
    assert refusal.reason == "budget_tripped"
    assert (refusal.limit, refusal.spent, refusal.reserved, refusal.asked) == (100, 40, 0, 5)
    assert refusal.retry_after_s == 43_200
    assert str(refusal) == (
        "Budget 'tokens' tripped at 2026-01-15 12:00:00 UTC, when a call asked 101 tokens "
        "(limit 100 tokens, spent 40 tokens, reserved 0 tokens). Now (scope agent planner, window "
        "day): limit 100 tokens, spent 40 tokens, reserved 0 tokens, asked 5 tokens. Frees up in "
        "12.0 h. Every call that it counts is refused until the day ends, or somebody says "
        "`spanledger budget reset tokens --value planner`."
    )


def test_a_budget_without_an_end_names_the_reset_alone() -> None:
    asked = held(MemoryStore(), Budget("for all", "tokens", 1, trip=True))
    first, second = (asked.admit(call(tokens=2)).refusal for _ in range(2))
    assert first is not None
    assert second is not None
    until_reset = "refused until somebody says `spanledger budget reset 'for all'`."
    assert first.sentence().endswith(
        f"That trips the budget. Every call that it counts is {until_reset}"
    )
    assert second.sentence().endswith(until_reset)


def test_explain_says_that_it_tripped(store: Store) -> None:
    asked = held(store)
    found = Admin(store, asked.policy, clock=lambda: NOON_S)
    trip(asked)
    question: dict[str, Any] = {"model": "gpt-4o", "agents": ["planner"], "max_output_tokens": 1}
    assert found.explain(**question).reason == "budget_tripped"
    (use,) = found.budgets()
    assert [counter.tripped_at for counter in use.counters] == [int(NOON_S)]
    found.reset_budget("tokens")
    assert found.explain(**question).reason == "allowed"
    assert [counter.tripped_at for counter in found.budget("tokens").counters] == [None]


def test_the_option_is_set_and_taken_back_while_agents_run(store: Store) -> None:
    asked = held(store)
    found = Admin(store, asked.policy, clock=lambda: NOON_S)
    trip(asked)
    assert not found.set_budget("tokens", trip=False).trip
    (counter,) = found.budget("tokens").counters
    assert counter.tripped_at is None
    assert found.set_budget("tokens", trip=True).trip
    (counter,) = found.budget("tokens").counters
    assert counter.tripped_at == int(NOON_S)


# --- stores ---------------------------------------------------------------------------------


_OTHER = """
import sys
from pathlib import Path
from spanledger.guard import Budget, Guard, Policy
from spanledger.guard.stores import SqliteStore
from tests.guard._calls import NOON_S, call
policy = Policy((Budget("tokens", "tokens", 100, "day", "agent", trip=True),))
asked = Guard(policy, store=SqliteStore(Path(sys.argv[1])), clock=lambda: NOON_S)
print(asked.admit(call("planner", tokens=int(sys.argv[2]))).reason)
"""


def test_another_process_and_the_next_one_meet_the_trip(tmp_path: Path) -> None:
    """The second comes after the first has ended."""
    path = tmp_path / "ledger.db"

    def ask_there(tokens: int) -> str:
        command = [sys.executable, "-c", _OTHER, str(path), str(tokens)]
        here = Path(__file__).parents[2]
        done = subprocess.run(
            command, cwd=here, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.strip()

    assert [ask_there(101), ask_there(1)] == ["budget_exhausted", "budget_tripped"]
    store = SqliteStore(path)
    assert ask(held(store), 1) == "budget_tripped"
    store.close()


def test_a_forked_child_meets_the_trip_of_its_parent() -> None:
    """In memory, too: it is no reservation of the parent's."""
    asked = held(MemoryStore())
    trip(asked)
    if (pid := os.fork()) == 0:
        os._exit(0 if ask(asked, 1) == "budget_tripped" else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_calls_that_race_find_no_gap_behind_the_refusal(store: Store) -> None:
    """Whoever was told that the budget tripped, or was exhausted, sees no call pass after that."""
    asked = held(store)
    answers: list[tuple[str, str]] = []
    barrier = threading.Barrier(8)

    def race(number: int) -> None:
        barrier.wait()
        first = ask(asked, 101 if number % 2 else 3)
        answers.append((first, ask(asked, 1)))

    threads = [threading.Thread(target=race, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = {second for first, second in answers if first != "allowed"}
    assert after == {"budget_tripped"}
    assert ask(asked, 0) == "budget_tripped"


def test_the_overflow_of_a_crowded_rule_trips_as_one_and_nobody_elses() -> None:
    asked = held(MemoryStore(most_values=2))
    assert [ask(asked, 10, agent) for agent in ("a", "b")] == ["allowed"] * 2
    trip(asked, "c")
    assert ask(asked, 1, "d") == "budget_tripped"
    assert ask(asked, 1, "a") == "allowed"


def test_a_reservation_that_was_made_keeps_its_word() -> None:
    """A granted call that is sent again under its id is not refused by what happened since."""
    store = MemoryStore()
    asked = held(store)
    again = call("planner", tokens=50)
    assert asked.admit(again).allowed
    trip(asked)
    assert asked.admit(again).allowed
