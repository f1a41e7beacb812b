"""Rules that change, for agents of many hosts: the same over a real Redis."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger.config import GuardSettings
from spanledger.guard import Guard, current, ready, ready_async, use
from spanledger.guard.reloading import Reloader
from spanledger.guard.rulebook import define
from spanledger.guard.stores.redis import RedisStore
from tests._redis import RedisMissing, RedisServer, redis_server
from tests.guard._calls import Events, call
from tests.guard._wait import until

QUICKLY = GuardSettings(on_contention="refuse", reload_s=0.01)
BUDGET = {"name": "b", "metric": "calls", "window": "total"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    try:
        with redis_server(tmp_path) as running:
            yield running
    except RedisMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def stores(server: RedisServer, tmp_path: Path) -> Iterator[tuple[RedisStore, RedisStore]]:
    """That of an agent, and that of an operator."""
    before = current()
    # Here nobody measures how soon an answer that does not come is given up.
    made = [RedisStore(server.url, directory=tmp_path / n, timeout_s=5.0) for n in ("a", "o")]
    yield made[0], made[1]
    use(before)
    for store in made:
        store.close()


def _follow(store: RedisStore) -> Events:
    events = Events()
    guard = Guard(settings=QUICKLY, store=store, listeners=[events])
    guard.follow(Reloader(guard.policy, store, QUICKLY))
    use(guard)
    return events


def _reason() -> str:
    decision = ready().admit(call())
    if decision.reservation is not None:
        current().release(decision.reservation)
    return decision.reason


def test_a_running_agent_obeys_what_is_decided_on_another_host(
    stores: tuple[RedisStore, RedisStore],
) -> None:
    store, operator = stores
    _follow(store)
    assert _reason() == "allowed"
    operator.put_rule("b", define("budgets", {**BUDGET, "limit": 0}))
    until(lambda: _reason() == "budget_exhausted")
    operator.put_rule("b", None)
    until(lambda: _reason() == "allowed")
    operator.force("openai/gpt-4o", "open")
    until(lambda: _reason() == "circuit_open")


async def test_the_first_call_on_an_event_loop_knows_the_rules_of_the_server(
    stores: tuple[RedisStore, RedisStore],
) -> None:
    store, operator = stores
    await asyncio.to_thread(operator.put_rule, "b", define("budgets", {**BUDGET, "limit": 0}))
    _follow(store)
    assert (await (await ready_async()).admit_async(call())).reason == "budget_exhausted"


def test_a_server_that_is_away_at_the_start_is_waited_for(
    server: RedisServer, stores: tuple[RedisStore, RedisStore]
) -> None:
    """Nothing passes, for it may hold rules; and once it is back they hold."""
    store, operator = stores
    operator.put_rule("b", define("budgets", {**BUDGET, "limit": 0}))
    server.kill()
    events = _follow(store)
    assert [_reason() for _ in range(3)] == ["ledger_unavailable"] * 3
    server.start()
    reasons: list[str] = []
    until(lambda: reasons.append(_reason()) or reasons[-1] == "budget_exhausted")  # type: ignore[func-returns-value]  # kept, to be seen in a failure
    assert [event.reason for event in events.seen].count("rules_unreadable") == 1


def test_rules_hold_on_while_the_server_is_away(
    server: RedisServer, stores: tuple[RedisStore, RedisStore]
) -> None:
    store, operator = stores
    operator.put_rule("c", define("ceilings", {"name": "c", "max_steps": 1}))
    events = _follow(store)
    assert _reason() == "allowed"
    held = ready().admit(call()).granted()
    server.kill()
    until(lambda: "rules_unreadable" in {event.reason for event in events.seen})
    assert _reason() == "ceiling_reached"
    current().release(held)
    assert [event.reason for event in events.seen].count("rules_unreadable") == 1
