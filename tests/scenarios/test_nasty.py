"""The extra nasty ones: what no plan has in it, and every production has."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from spanledger import guard, semconv, track
from spanledger.config import GuardSettings
from spanledger.guard import Budget, BudgetExceeded, LoopDetected, Policy, Store
from spanledger.guard import Guard as AnyGuard
from spanledger.guard.loops import LoopRule
from spanledger.instrumentation import install
from spanledger.testing.providers import MockProvider, RecordedRequest, Reply
from tests.gate._gate import gated
from tests.guard._calls import call
from tests.guard._wait import InThread, until
from tests.scenarios._agents import Agents
from tests.scenarios._shared import (
    DEMO,
    DEMO_NANO_USD,
    DEMO_PRICES,
    ask,
    books,
    client,
    held_by,
    used,
)

TOKENS = Policy((Budget("tokens", "tokens", 10_000),))


# --- installed twice ------------------------------------------------------------------------------


def test_nasty_installed_a_second_time_each_call_is_still_counted_once(
    provider: MockProvider,
) -> None:
    """The first one holds, whatever the second one says."""
    provider.on(DEMO, used(90))
    with gated(provider, TOKENS) as gate:
        installed = install(environ={}, policy=Policy())
        assert installed is not None
        assert installed.policy is TOKENS
        ask(client(provider))
        list(ask(client(provider), stream=True))
        assert books() == {("tokens", ""): (200, 0)}
        assert [r["attributes"][semconv.BILLING] for r in gate.records] == ["call", "call"]
        assert gate.open == 0
    assert provider.calls() == 2


# --- fork -----------------------------------------------------------------------------------------


def test_nasty_a_fork_in_the_midst_of_a_call_settles_it_once(
    provider: MockProvider, agents: Agents
) -> None:
    """The child ends in order, with a call of its own, before its parent's call is answered."""
    provider.on(DEMO, used(100))
    env = {"SPANLEDGER_BUDGET_USD": "1", "SPANLEDGER_BUDGET_CALLS": "10"}
    found = agents.run("fork_in_flight", 100, env=env)
    assert found["outcomes"] == {"parent": "ok", "child": 0}, agents.logs()[-3000:]
    assert provider.calls() == 2
    store = agents.ledger()
    assert books(store) == {
        ("environment-cost", ""): (2 * 100 * DEMO_NANO_USD, 0),
        ("environment-calls", ""): (2, 0),
    }
    settled = [change.reservation_id for change in store.settlements()]
    assert len(settled) == 2 * len(set(settled)) == 4  # two calls on two counters each


# --- the collector --------------------------------------------------------------------------------


def test_nasty_a_finaliser_that_settles_while_the_ledger_is_locked_neither_hangs_nor_is_lost(
    provider: MockProvider, any_store: Store
) -> None:
    """Streams that only the collector finds, while threads settle and it runs all the time."""
    threshold = gc.get_threshold()

    def forget_some() -> bool:
        for _ in range(3):
            held: dict[str, Any] = {"stream": ask(client(provider), stream=True)}
            held["itself"] = held
            next(held["stream"])
        return True

    with held_by(provider, AnyGuard(TOKENS, store=any_store)):
        gc.set_threshold(100, 1, 1)
        try:
            for thread in [InThread(forget_some) for _ in range(4)]:
                assert thread.result()
        finally:
            gc.set_threshold(*threshold)
        # Again and again: while another thread collects, to collect does nothing.
        until(lambda: gc.collect() >= 0 and books()["tokens", ""][1] == 0)
        spent, reserved = books()["tokens", ""]
    assert provider.calls() == 12
    assert reserved == 0
    assert spent > 0
    assert spent % 12 == 0  # twelve times the same


# --- frozen time ----------------------------------------------------------------------------------


@contextmanager
def frozen_time() -> Iterator[None]:
    """What libraries that freeze time do to the module `time`, and to nothing else."""
    with (
        mock.patch.object(time, "time", return_value=1_772_366_400.0),
        mock.patch.object(time, "time_ns", return_value=1_772_366_400 * 10**9),
        mock.patch.object(time, "monotonic", return_value=1_772_366_400.0),
        mock.patch.object(time, "perf_counter", return_value=1_772_366_400.0),
    ):
        yield


def test_nasty_calls_in_a_frozen_time_are_counted_and_limited(
    provider: MockProvider, any_store: Store
) -> None:
    provider.on(DEMO, used(90))
    policy = Policy((Budget("calls", "calls", 1, "day"), Budget("tokens", "tokens", 10**6)))
    with held_by(provider, AnyGuard(policy, store=any_store)) as gate:
        with frozen_time():
            ask(client(provider))
            with pytest.raises(BudgetExceeded):
                ask(client(provider))
        assert [r["attributes"][semconv.BILLING] for r in gate.records] == ["call"]
        until(lambda: books() == {("calls", ""): (1, 0), ("tokens", ""): (100, 0)})
    assert provider.calls() == 1


@pytest.mark.parametrize("settles", [True, False])
@pytest.mark.parametrize("depth", [0, 10])
def test_nasty_who_waits_in_a_frozen_time_is_served_or_told_in_the_end(
    any_store: Store, settles: bool, depth: int
) -> None:
    """Waits are on the real clock: a frozen one never comes to their end."""
    settings = GuardSettings(max_wait_s=5.0 if settles else 0.2)
    held = AnyGuard(Policy((Budget("b", "tokens", 10),)), settings=settings, store=any_store)
    first = held.admit(call(tokens=10)).granted()
    with frozen_time():
        waiting = InThread(lambda: _deep(depth, lambda: held.admit(call(tokens=10))))
        if settles:
            threading.Event().wait(0.1)
            assert not waiting.done
            held.release(first)
        decision = waiting.result()
    assert decision.reason == ("allowed" if settles else "budget_contended")


def _deep(depth: int, work: Callable[[], Any]) -> Any:
    """As deep inside of other calls as an agent's."""
    return _deep(depth - 1, work) if depth else work()


# --- limits and prices that change ----------------------------------------------------------------


def test_nasty_a_limit_lowered_below_what_is_spent_leaves_open_calls_alone(
    provider: MockProvider, any_store: Store
) -> None:
    lower = Policy((Budget("tokens", "tokens", 100),))

    def lowers(_request: RecordedRequest) -> Reply:
        guard.use(guard.current().replaced(lower))
        return used(90)

    provider.enqueue(used(190), lowers, used(1), used(1))
    with held_by(provider, AnyGuard(TOKENS, store=any_store)):
        ask(client(provider))
        ask(client(provider))
        assert books() == {("tokens", ""): (300, 0)}
        with pytest.raises(BudgetExceeded) as refused:
            ask(client(provider))
        assert (refused.value.limit, refused.value.spent) == (100, 300)
        guard.use(guard.current().replaced(TOKENS))
        ask(client(provider))
    assert provider.calls() == 3


def test_nasty_each_process_charges_by_its_own_prices(
    provider: MockProvider, agents: Agents, tmp_path: Path
) -> None:
    """Two price tables, one ledger: what a call is held and charged at is its own process's."""
    dear = tmp_path / "dear.toml"
    dear.write_text(DEMO_PRICES.replace("= 10\n", "= 30\n"))
    limit = {"SPANLEDGER_BUDGET_USD": "1"}
    provider.on(DEMO, used(1000))
    held: list[int] = []

    def watches(_request: RecordedRequest) -> Reply:
        held.append(books(agents.ledger())["environment-cost", ""][1])
        return used(1000)

    provider.enqueue(watches, watches)
    assert agents.run("ask", 2000, env=limit)["outcomes"] == ["ok"]
    dearer = {**limit, "SPANLEDGER_PRICES": str(dear)}
    assert agents.run("ask", 2000, env=dearer)["outcomes"] == ["ok"]
    assert held == [2000 * DEMO_NANO_USD, 2000 * 3 * DEMO_NANO_USD]
    charges = [(c.reserved, c.charged) for c in agents.ledger().settlements()]
    assert charges == [(amount, amount // 2) for amount in held]


# --- waiting is no loop ---------------------------------------------------------------------------


@pytest.mark.parametrize("polling", [False, True])
def test_nasty_a_poll_whose_results_change_is_not_blocked(polling: bool) -> None:
    """Nor one whose results do not, if its tool is declared as polling."""
    declared = frozenset({"job_state"}) if polling else frozenset[str]()
    rule = LoopRule("circle", action="block", warn_at=2, block_at=3, polling=declared)
    before = guard.current()
    guard.use(AnyGuard(Policy(loops=(rule,))))
    answers = iter(["queued"] * 100 if polling else [f"step {'x' * n}" for n in range(100)])

    @track.tool
    def job_state(job: str) -> str:
        return next(answers)

    @track.tool
    def stuck(job: str) -> str:
        return "queued"

    try:
        with track.session("s"):
            for _ in range(100):
                job_state("j-1")
            for _ in range(3):
                stuck("j-1")
            with pytest.raises(LoopDetected):
                stuck("j-1")
    finally:
        guard.use(before)
