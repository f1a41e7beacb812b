"""Calls that nobody asked for: counted in full, and what follows is refused."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.config import ConfigError, GuardSettings
from spanledger.guard import (
    Budget,
    Call,
    Estimate,
    Guard,
    MemoryStore,
    Policy,
    RateLimit,
    Spending,
    Store,
    StoreUnavailable,
)
from spanledger.guard.ceilings import Ceilings
from spanledger.guard.events import GuardEvent
from spanledger.guard.ledger import Demand
from spanledger.guard.stores import Grant, SqliteStore
from spanledger.guard.stores.redis import RedisStore
from spanledger.testing.clock import TickingClock
from tests._redis import RedisMissing, redis_server
from tests.guard._wait import until

EVERYTHING = Policy(
    (
        Budget("cost", "cost", 1000),
        Budget("tokens", "tokens", 1000, scope="agent"),
        Budget("soft", "calls", 1, enforce="soft"),
    ),
    rate_limits=(
        RateLimit("rate", "calls", 5, per="minute"),
        RateLimit("at-once", "concurrency", 2),
    ),
)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Each kind of ledger, empty."""
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "sqlite":
        made = SqliteStore(tmp_path / "ledger.db")
        yield made
        made.close()
    else:
        try:
            with redis_server(tmp_path) as server:
                link = RedisStore(server.url, directory=tmp_path / "link")
                yield link
                link.close()
        except RedisMissing as missing:
            pytest.skip(str(missing))


def call(number: int = 0, *, cost: int | None = 10, tokens: int = 100, agent: str = "a") -> Call:
    used = Estimate(tokens, 0, cost, "span")
    return Call(f"span-{number}", "cohere", "command-r", "chat", used, agents=(agent,))


def charge(guard: Guard, number: int, *, cost: int | None = 10, tokens: int | None = 100) -> None:
    guard.charge(call(number, cost=cost, tokens=tokens or 0), Spending(tokens, cost))


def spent(guard: Guard, rule: str) -> int:
    return sum(counter.spent for _key, counter in guard.store.counters(rule))


def reserved(guard: Guard) -> int:
    return sum(counter.reserved for _key, counter in guard.store.counters())


def test_every_rule_that_concerns_the_call_counts_it(store: Store) -> None:
    guard = Guard(EVERYTHING, store=store)
    charge(guard, 1)
    charge(guard, 2)
    found = {r: spent(guard, r) for r in ("cost", "tokens", "soft", "rate", "at-once")}
    assert found == {"cost": 20, "tokens": 200, "soft": 2, "rate": 2, "at-once": 0}
    assert reserved(guard) == 0


def test_a_budget_passes_its_limit_by_it_and_refuses_what_comes_next(store: Store) -> None:
    guard = Guard(EVERYTHING, store=store)
    assert guard.used_up(call(1)) is None
    charge(guard, 1, cost=5000)
    assert spent(guard, "cost") == 5000
    refusal = guard.used_up(call(2))
    assert refusal is not None
    assert (refusal.reason, refusal.rule, refusal.spent) == ("budget_exhausted", "cost", 5000)
    assert guard.admit(call(3)).reason == "budget_exhausted"
    assert reserved(guard) == 0


def test_a_reset_lets_calls_begin_again(store: Store) -> None:
    guard = Guard(EVERYTHING, store=store)
    charge(guard, 1, cost=5000)
    assert guard.used_up(call(2)) is not None
    store.reset("cost")
    assert guard.used_up(call(2)) is None


def test_rates_and_soft_budgets_never_keep_a_call_from_beginning() -> None:
    """A rate is for those who can wait; here nobody asked."""
    guard = Guard(EVERYTHING)
    for number in range(20):
        charge(guard, number, cost=1, tokens=1)
    assert guard.used_up(call()) is None


def test_only_those_whom_a_budget_counts_are_refused() -> None:
    guard = Guard(EVERYTHING)
    charge(guard, 1, cost=1, tokens=1000)
    assert guard.used_up(call(2, agent="a")) is not None
    assert guard.used_up(call(2, agent="b")) is None


def test_a_new_window_begins_with_nothing_spent() -> None:
    now = [1_000_000.0]
    guard = Guard(Policy((Budget("hour", "calls", 1, window="hour"),)), clock=lambda: now[0])
    charge(guard, 1)
    assert guard.used_up(call(2)) is not None
    now[0] += 3600
    assert guard.used_up(call(2)) is None


def test_a_policy_that_cannot_be_read_lets_nothing_begin() -> None:
    guard = Guard(policy_error=ConfigError("broken", key="budgets"))
    refusal = guard.used_up(call())
    assert refusal is not None
    assert refusal.reason == "policy_unreadable"


def test_a_refusal_is_told_and_a_charge_crosses_marks() -> None:
    told: list[GuardEvent] = []
    policy = Policy((Budget("small", "calls", 2, thresholds=(0.5,)),))
    guard = Guard(policy, listeners=(told.append,))
    charge(guard, 1)
    charge(guard, 2)
    guard.used_up(call(3))
    assert [(e.kind, e.reason) for e in told] == [
        ("threshold", "budget_threshold"),
        ("refused", "budget_exhausted"),
    ]


def test_a_model_without_a_price_is_charged_as_the_settings_say() -> None:
    settings = GuardSettings(on_unpriced="ceiling_price", ceiling_usd_per_mtok="10")
    guard = Guard(EVERYTHING, settings=settings)
    charge(guard, 1, cost=None, tokens=3)
    assert spent(guard, "cost") == 30_000


def test_a_call_that_tells_no_tokens_counts_as_a_call() -> None:
    guard = Guard(EVERYTHING)
    charge(guard, 1, cost=None, tokens=None)
    assert (spent(guard, "soft"), spent(guard, "tokens"), spent(guard, "cost")) == (1, 0, 0)


def test_ceilings_count_it_too() -> None:
    guard = Guard(Policy(ceilings=(Ceilings(max_calls=2),)))
    charge(guard, 1)
    charge(guard, 2)
    assert guard.admit(call(3)).reason == "ceiling_reached"


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**9)), max_size=20))
def test_what_is_spent_is_the_sum_of_all_charges(charges: list[tuple[int, int]]) -> None:
    guard = Guard(EVERYTHING)
    for number, (cost, tokens) in enumerate(charges):
        charge(guard, number, cost=cost, tokens=tokens)
    assert spent(guard, "cost") == sum(cost for cost, _tokens in charges)
    assert spent(guard, "tokens") == sum(tokens for _cost, tokens in charges)
    assert reserved(guard) == 0


# --- event loops ----------------------------------------------------------------------------


def test_on_an_event_loop_the_ledger_is_told_by_another_thread(store: Store) -> None:
    guard = Guard(EVERYTHING, store=store)

    async def calls() -> None:
        for number in range(5):
            charge(guard, number, cost=200)

    asyncio.run(calls())
    until(lambda: spent(guard, "cost") == 1000)
    assert reserved(guard) == 0


def test_on_an_event_loop_a_used_up_budget_is_seen_after_one_look(tmp_path: Path) -> None:
    """Another process has used it up: this one has not looked yet."""
    clock = TickingClock(start_s=100.0, tick_s=0.0)
    policy = Policy((Budget("small", "calls", 1),))
    store = SqliteStore(tmp_path / "ledger.db")
    other = Guard(policy, store=SqliteStore(tmp_path / "ledger.db"))
    charge(other, 1)
    guard = Guard(policy, store=store, monotonic=clock)

    async def ask(seen: Callable[[], bool]) -> None:
        for _ in range(2000):
            if seen():
                return
            await asyncio.sleep(0.005)
        raise AssertionError("the ledger was not looked at")

    async def calls() -> None:
        assert guard.used_up(call(2)) is None
        await ask(lambda: guard.used_up(call(2)) is not None)
        store_reset = asyncio.to_thread(other.store.reset, "small")
        assert await store_reset == 1
        # The last look is still fresh; a later one sees the reset.
        assert guard.used_up(call(3)) is not None
        clock.advance(2.0)
        await ask(lambda: guard.used_up(call(3)) is None)

    asyncio.run(calls())


# --- a ledger that cannot be written ----------------------------------------------------------


class Breaking(MemoryStore):
    """A ledger on a disk that comes and goes."""

    in_memory = False
    down = False

    def reserve(
        self, reservation_id: str, demands: Sequence[Demand], *, lease_s: float, max_wait_s: float
    ) -> Grant:
        if self.down:
            raise StoreUnavailable("the disk", "is away", "bring it back")
        return super().reserve(reservation_id, demands, lease_s=lease_s, max_wait_s=max_wait_s)


def test_charges_that_the_ledger_could_not_take_are_made_up_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Breaking()
    guard = Guard(EVERYTHING, store=store)
    store.down = True
    with caplog.at_level(logging.WARNING):
        charge(guard, 1)
        charge(guard, 2)
    assert "charged later" in caplog.text
    assert spent(guard, "cost") == 0
    store.down = False
    charge(guard, 3)
    assert spent(guard, "cost") == 30
    assert spent(guard, "soft") == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_charges_its_own_calls_and_nobody_elses(tmp_path: Path) -> None:
    guard = Guard(EVERYTHING, store=SqliteStore(tmp_path / "ledger.db"))

    async def one(number: int) -> None:
        charge(guard, number)

    asyncio.run(one(1))
    until(lambda: spent(guard, "cost") == 10)
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(one(2))
            until(lambda: spent(guard, "cost") == 20)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the parent reads the exit code
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert spent(guard, "cost") == 20
