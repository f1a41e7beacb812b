"""A budget that is told, under its old name, to count something else."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from spanledger.guard import Budget, Guard, RateLimit, Spending, Store
from spanledger.guard.decision import Metric
from tests.guard._calls import call, guard
from tests.guard.test_trips import make, server

__all__ = ["make", "server"]

DAY = Budget("day", "tokens", 1_000, "day")


def _spend(asked: Guard, tokens: int) -> None:
    asked.settle(asked.admit(call(tokens=tokens)).granted(), Spending(tokens, 0))


def _reason(store: Store, rule: Budget | RateLimit, tokens: int = 10) -> str:
    return guard(rule, store=store).admit(call(tokens=tokens, cost=tokens)).reason


@pytest.mark.parametrize("metric", ["cost", "calls"])
def test_tokens_are_never_read_as_money_nor_as_calls(
    make: Callable[[], Store], metric: Metric
) -> None:
    """1 000 tokens are not 1 000 nano-USD: each metric has a counter of its own."""
    store = make()
    _spend(guard(DAY, store=store), 1_000)
    other = replace(DAY, metric=metric, limit=1_000)
    (state,) = guard(other, store=store).state(call())
    assert (state.spent, state.reserved) == (0, 0)
    assert _reason(store, other) == "allowed"


def test_going_back_finds_what_was_spent(make: Callable[[], Store]) -> None:
    """A limit does not open by being changed and changed back."""
    store = make()
    _spend(guard(DAY, store=store), 1_000)
    assert _reason(store, replace(DAY, metric="calls", limit=5)) == "allowed"
    assert _reason(store, DAY) == "budget_exhausted"


def test_a_reset_takes_what_was_counted_in_every_metric(make: Callable[[], Store]) -> None:
    store = make()
    _spend(guard(DAY, store=store), 1_000)
    assert store.reset("day") == 1
    assert _reason(store, DAY) == "allowed"


def test_a_rate_counts_its_metric_alone(make: Callable[[], Store]) -> None:
    store = make()
    rate = RateLimit("often", "tokens", 100, "minute")
    _spend(guard(rate, store=store), 90)
    assert _reason(store, replace(rate, metric="calls", limit=90)) == "allowed"
    assert _reason(store, rate, tokens=20) != "allowed"
