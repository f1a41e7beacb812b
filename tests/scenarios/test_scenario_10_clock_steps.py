"""The clock of the host is set back two hours, or forward by a day, and back again."""

from pathlib import Path

import pytest

from spanledger.guard import (
    Budget,
    BudgetExceeded,
    CeilingReached,
    CircuitOpen,
    Guard,
    Policy,
    Spending,
    Store,
)
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.guard.ceilings import Ceilings
from spanledger.guard.stores import MemoryStore, SqliteStore
from spanledger.testing.clock import TickingClock
from tests.guard._calls import REFUSE, call

BACK_S, FORWARD_S = -7200.0, 86_400.0
steps = pytest.mark.parametrize("step_s", [BACK_S, FORWARD_S], ids=["back", "forward"])


@pytest.fixture
def clock() -> TickingClock:
    """Noon, so that two hours earlier is the same day."""
    return TickingClock()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, clock: TickingClock, tmp_path: Path) -> Store:
    """One that several processes share can only go by the clock of the host."""
    if request.param == "memory":
        return MemoryStore(clock.monotonic)
    return SqliteStore(tmp_path / "ledger" / "ledger.sqlite", clock=clock)


def _guard(store: Store, clock: TickingClock, *budgets: Budget, **rules: object) -> Guard:
    return Guard(
        Policy(budgets, **rules),  # type: ignore[arg-type]  # the other kinds of rules
        settings=REFUSE,
        store=store,
        clock=clock,
        monotonic=clock.monotonic,
    )


def _spend(held: Guard, tokens: int) -> None:
    held.settle(held.admit(call(tokens=tokens)).granted(), Spending(tokens, 0))


@steps
def test_scenario_10_a_budget_that_is_used_up_stays_so_whatever_the_clock_does(
    store: Store, clock: TickingClock, step_s: float
) -> None:
    held = _guard(store, clock, Budget("day", "tokens", 100, "day"), Budget("all", "tokens", 150))
    _spend(held, 100)
    clock.jump(step_s)
    if step_s == FORWARD_S:
        _spend(held, 50)  # another day, with a counter of its own
    for _ in range(2):
        with pytest.raises(BudgetExceeded):
            held.admit(call(tokens=1)).granted()
        clock.jump(-step_s)
    # The first day was counted once, and is still known after a stay in the next.
    starts = {key.window_start: c.spent for key, c in store.counters("day") if c.spent}
    assert len(starts) == (2 if step_s == FORWARD_S else 1)
    assert set(starts.values()) <= {100, 50}


@steps
def test_scenario_10_an_open_call_is_charged_once_in_the_window_of_its_admission(
    store: Store, clock: TickingClock, step_s: float
) -> None:
    held = _guard(store, clock, Budget("day", "tokens", 100, "day"))
    start = held.state(call())[0].window_start
    reservation = held.admit(call(tokens=60)).granted()
    clock.jump(step_s)
    # Another call, at which ended leases are found.
    held.release(held.admit(call(tokens=1)).granted())
    assert held.settle(reservation, Spending(30, 0))
    clock.jump(-step_s)
    sums = {key.window_start: (c.spent, c.reserved) for key, c in store.counters("day")}
    assert sums.pop(start) == (30, 0)
    assert set(sums.values()) <= {(0, 0)}


def test_scenario_10_a_step_back_makes_no_lease_longer_than_it_was_given(
    store: Store, clock: TickingClock
) -> None:
    held = _guard(store, clock, Budget("all", "tokens", 100))
    lease_s = held.settings.lease_s
    held.admit(call(tokens=60)).granted()  # its owner is never heard of again
    clock.jump(BACK_S)
    held.release(held.admit(call(tokens=1)).granted())
    clock.advance(lease_s + 1)
    held.release(held.admit(call(tokens=1)).granted())
    assert [(c.spent, c.reserved) for _key, c in store.counters("all")] == [(60, 0)]


@steps
def test_scenario_10_breakers_and_ceilings_do_not_look_at_the_wall_clock(
    store: Store, clock: TickingClock, step_s: float
) -> None:
    held = _guard(
        store,
        clock,
        breakers=(BreakerRule("provider", min_calls=2),),
        ceilings=(Ceilings("short", max_wall_s=60.0),),
    )
    assert held.admit(call(session="s")).allowed
    for _ in range(2):
        reservation = held.admit(call(model="bad")).granted()
        held.settle(reservation, Spending(0, 0), outcome="failed")
    clock.jump(step_s)
    with pytest.raises(CircuitOpen) as refused:
        held.admit(call(model="bad")).granted()
    assert refused.value.retry_after_s == pytest.approx(30.0)
    assert held.admit(call(session="s")).allowed
    clock.advance(61.0)
    with pytest.raises(CeilingReached):
        held.admit(call(session="s")).granted()
    held.admit(call(model="bad", session="other")).granted()
