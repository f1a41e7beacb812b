"""Where budgets stand, as dashboards and alerts are told. Pure but for `budget_lines`."""

from collections.abc import Iterable

from spanledger.guard._guard import Guard
from spanledger.guard._refusals import scope_of
from spanledger.guard.ledger import Counter, Key
from spanledger.guard.rules import Budget
from spanledger.guard.standing import CounterUse, budget_uses
from spanledger.guard.windows import bounds
from spanledger.lean import dataclass

_NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One counter of one budget in its present window: US dollars, tokens or calls."""

    rule: str
    scope: str
    """With whom it counts: ``global``, ``agent planner``."""
    metric: str
    window: str
    limit: float
    spent: float
    reserved: float
    resets_in_s: float | None
    """Seconds until the window ends; None: it never does."""


def lines_of(
    budget: Budget, counters: Iterable[tuple[Key, Counter]], now: float, most: int
) -> list[BudgetLine]:
    """At most `most` counters of a budget at `now` (seconds since the epoch), the fullest first.

    One that counts all together and has counted nothing yet stands at 0.
    """
    uses = budget_uses(budget, counters, now)[:most]
    if not uses and (budget.scope == "global" or not budget.each):
        end = bounds(now, budget.window, budget.zone)[1]
        uses = (CounterUse("", 0, 0, budget.limit, end),)
    return [_line(budget, use, now) for use in uses]


def budget_lines(guard: Guard, most: int) -> list[BudgetLine]:
    """The lines of all budgets of a guard, at most `most` of each.

    Reads the store: not for an event loop's thread. Raises `StoreUnavailable`.
    """
    now = guard.clock()
    return [
        line
        for budget in guard.policy.budgets
        for line in lines_of(budget, guard.store.counters(budget.name), now, most)
    ]


def _line(budget: Budget, use: CounterUse, now: float) -> BudgetLine:
    # Metrics are doubles anyway; what is exact is in the ledger and in the call records.
    unit = _NANO if budget.metric == "cost" else 1
    return BudgetLine(
        rule=budget.name,
        scope=scope_of(budget.scope, use.value),
        metric=budget.metric,
        window=budget.window,
        limit=use.limit / unit,
        spent=use.spent / unit,
        reserved=use.reserved / unit,
        resets_in_s=None if use.resets_at is None else max(0.0, use.resets_at - now),
    )
