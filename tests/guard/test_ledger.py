"""The arithmetic of the ledger."""

from itertools import permutations
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from spanledger.guard.ledger import Counter, Demand, Key, Ledger
from tests.guard._ledger_machine import MUTANTS, LedgerMachine

A, B = Key("a", "", 0), Key("b", "", 0)


def _demand(key: Key, limit: int, amount: int) -> Demand:
    return Demand(key, "tokens", limit, amount)


def test_random_programs_keep_every_property_of_the_ledger() -> None:
    """See `_ledger_machine` for the properties."""
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=150,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: str(mutant.__name__))
def test_the_random_programs_catch_a_ledger_with_a_mistake(mutant: type[Ledger]) -> None:
    """A test that passes on these would prove nothing."""
    machine = type(f"{mutant.__name__}Machine", (LedgerMachine,), {"make": mutant})
    with pytest.raises(AssertionError, match=r"P(11|[1-8])"):
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=400,
                stateful_step_count=40,
                deadline=None,
                database=None,
                derandomize=True,
                phases=(Phase.generate,),
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )


@given(
    amounts=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 80)), max_size=12),
    seed=st.integers(0, 1000),
)
def test_the_order_of_settlements_does_not_matter(
    amounts: list[tuple[int, int]], seed: int
) -> None:
    """P9: any order gives the same sums."""
    sums = []
    for order in (
        list(range(len(amounts))),
        Random(seed).sample(range(len(amounts)), len(amounts)),
    ):
        ledger = Ledger()
        for number, (held, _) in enumerate(amounts):
            assert ledger.reserve(str(number), [_demand(A, 10**6, held)], 10.0) is None
        for number in order:
            ledger.settle(str(number), lambda _, used=amounts[number][1]: used)  # type: ignore[misc]  # binds the loop's value
        sums.append(ledger.counters)
    assert sums[0] == sums[1]


def test_settlement_and_sweep_commute() -> None:
    """A settlement that comes before, after or instead of the sweep charges the same."""
    for steps in permutations(("settle", "sweep")):
        ledger = Ledger()
        ledger.reserve("r", [_demand(A, 100, 30)], lease_until=5.0)
        for step in steps:
            if step == "settle":
                assert ledger.settle("r", lambda _: 7)
            else:
                ledger.sweep(6.0)
        assert ledger.counters[A] == Counter(spent=7, reserved=0)


def test_a_refused_reserve_changes_nothing() -> None:
    """P2, with the second of two scopes short."""
    ledger = Ledger()
    short = ledger.reserve("r", [_demand(A, 100, 10), _demand(B, 5, 10)], 1.0)
    assert short is not None
    assert (short.demand.key, short.kind, short.spent, short.reserved) == (B, "exhausted", 0, 0)
    assert ledger.counters == {}
    assert ledger.open == {}


def test_what_is_used_up_is_said_before_what_is_only_held() -> None:
    """Waiting would not help, so the caller must not be told to wait."""
    ledger = Ledger()
    ledger.reserve("held", [_demand(A, 10, 8)], 1.0)
    ledger.reserve("spent", [_demand(B, 10, 8)], 1.0)
    ledger.settle("spent", lambda _: 8)
    short = ledger.shortage([_demand(A, 10, 5), _demand(B, 10, 5)])
    assert short is not None
    assert (short.demand.key, short.kind) == (B, "exhausted")


def test_exactly_the_limit_fits() -> None:
    """And nothing more; a limit of 0 lets only what is free through."""
    ledger = Ledger()
    assert ledger.reserve("full", [_demand(A, 10, 10)], 1.0) is None
    assert ledger.reserve("more", [_demand(A, 10, 1)], 1.0) is not None
    assert ledger.reserve("none", [_demand(B, 0, 1)], 1.0) is not None
    assert ledger.reserve("free", [_demand(B, 0, 0)], 1.0) is None


def test_a_reservation_made_twice_is_made_once() -> None:
    """A call that is sent again under its id holds no more."""
    ledger = Ledger()
    assert ledger.reserve("r", [_demand(A, 10, 6)], 1.0) is None
    assert ledger.reserve("r", [_demand(A, 10, 6)], 1.0) is None
    assert ledger.counters[A].reserved == 6


def test_a_settlement_above_the_limit_is_charged_in_full() -> None:
    """Clamping would let the next call through."""
    ledger = Ledger()
    ledger.reserve("r", [_demand(A, 10, 10)], 1.0)
    ledger.settle("r", lambda _: 25)
    assert ledger.counters[A] == Counter(spent=25)
    assert ledger.shortage([_demand(A, 10, 0)]) is not None


def test_a_call_is_charged_to_the_window_of_its_admission() -> None:
    """P10: the key holds the window's start and stays with the reservation."""
    ledger = Ledger()
    yesterday, today = Key("a", "", 0), Key("a", "", 86400)
    ledger.reserve("r", [_demand(yesterday, 10, 6)], 1.0)
    ledger.settle("r", lambda _: 4)
    assert ledger.counters[yesterday].spent == 4
    assert today not in ledger.counters


def test_a_settlement_that_fails_changes_nothing() -> None:
    """Whoever computes the actual amounts may raise; the call stays open and can be settled."""
    ledger = Ledger()
    ledger.reserve("r", [_demand(A, 10, 6), _demand(B, 10, 6)], 1.0)

    def fails_for_b(entry: object) -> int:
        if getattr(entry, "key", None) == B:
            raise ValueError("no usage")
        return 1

    with pytest.raises(ValueError, match="no usage"):
        ledger.settle("r", fails_for_b)
    assert ledger.counters == {A: Counter(reserved=6), B: Counter(reserved=6)}
    assert ledger.settle("r", lambda _: 2)
    assert ledger.counters == {A: Counter(spent=2), B: Counter(spent=2)}


def test_counters_of_ended_windows_are_forgotten_unless_a_call_holds_them() -> None:
    """So that a process that runs for a year keeps no year of counters."""
    ledger = Ledger()
    ledger.reserve("open", [_demand(A, 10, 1)], 1.0)
    ledger.reserve("done", [_demand(B, 10, 1)], 1.0)
    ledger.settle("done", lambda _: 1)
    ledger.forget(lambda key: key.window_start == 0)
    assert list(ledger.counters) == [A]


def test_a_late_correction_of_a_forgotten_window_changes_nothing() -> None:
    """There is nothing left to correct, and no counter may become negative."""
    ledger = Ledger()
    ledger.reserve("slow", [_demand(A, 10, 8)], 1.0)
    ledger.sweep(2.0)
    ledger.forget(lambda _: True)
    assert not ledger.settle("slow", lambda _: 2)
    assert ledger.counters == {}
    assert ledger.swept == {}
