"""The counting rules of a policy, made ready for the hot path."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from spanledger.guard.decision import Call, Metric
from spanledger.guard.ledger import Demand, Key, Shortage
from spanledger.guard.policy import Policy
from spanledger.guard.rules import (
    TOOL_CALL,
    Budget,
    RateLimit,
    always,
    concerns,
    on_tools,
    values_by,
)
from spanledger.guard.windows import bounds
from spanledger.lean import make

#: A day is kept in any case: a clock that is set back finds what was spent.
_KEEP_S = 86_400
#: Buckets of rates roll every second; their remains are swept up this often.
_SWEEP_BUCKETS_S = 60

Amounts = Callable[[Call], Mapping[Metric, int]]

_NO_WINDOW = 0, 0.0


class _Counted(NamedTuple):
    """A budget with what never changes about it."""

    budget: Budget
    name: str
    metric: Metric
    trip: bool
    #: The one counter that every call counts on, or what says which ones: the other is None.
    always: tuple[str, ...] | None
    values: Callable[[Call], tuple[str, ...]]
    limit: int | None
    marks: tuple[int, ...]


class Plan:
    """What each call asks of the ledger.

    `amounts` says how much a call asks of each metric; `forget` is told when windows of a rule that
    began before an instant (epoch seconds) are no longer needed.
    """

    def __init__(
        self, policy: Policy, amounts: Amounts, forget: Callable[[str, int], None]
    ) -> None:
        self._amounts = amounts
        self._forget = forget
        self._budgets = tuple(
            _Counted(
                b,
                b.name,
                b.metric,
                b.trip,
                always(b),
                values_by(b),
                None if b.enforce == "soft" else b.limit,
                b.marks(),
            )
            for b in policy.budgets
        )
        self._plain_budgets = tuple(c for c in self._budgets if not on_tools(c.budget))
        self._rates = policy.rate_limits
        self._windows: dict[str, tuple[int, float]] = {}
        self._swept: dict[str, float] = {}
        counting: tuple[Budget | RateLimit, ...] = (*policy.budgets, *policy.rate_limits)
        self.rules: Mapping[str, Budget | RateLimit] = {rule.name: rule for rule in counting}
        metrics = {rule.metric for rule in counting}
        self.needs_tokens = bool(metrics & {"cost", "tokens"}) or bool(policy.ceilings)
        self.watches_tools = bool(policy.loops or policy.breakers or policy.ceilings) or any(
            on_tools(rule) for rule in counting
        )
        self._hard_costs = tuple(
            b for b in policy.budgets if b.metric == "cost" and b.enforce == "hard"
        )

    def cost_rule(self, call: Call) -> Budget | None:
        """The first budget that can't be held without the call's price."""
        held = (b for b in self._hard_costs if concerns(b, call) and b.values(call))
        return next(held, None)

    def demands(self, call: Call, now: float) -> list[Demand]:
        """What `call` asks, in the order of the rules: budgets first."""
        demands, amounts, windows = list[Demand](), self._amounts(call), self._windows
        # A model call outside of tools, which nearly every call is, needs no look at each rule.
        plain = call.tool is None and call.operation != TOOL_CALL
        budgets = self._plain_budgets if plain else self._budgets
        for budget, name, metric, trip, same, values, limit, marks in budgets:
            if not plain and not concerns(budget, call):
                continue
            start, end = windows.get(name, _NO_WINDOW)
            if not start <= now < end:
                start = self.window_start(budget, now)
            for value in same or values(call):
                key = make(Key, (name, value, start, metric))
                asked = (key, metric, limit, amounts[metric], marks, None, 0, trip)
                demands.append(make(Demand, asked))
        for rate in self._rates:
            if concerns(rate, call):
                self._add_rate(demands, rate, call, now, amounts[rate.metric])
        for rate in call.rates:
            if rate.name not in self.rules and concerns(rate, call):
                self._add_rate(demands, rate, call, now, amounts[rate.metric])
        return demands

    def rule(self, name: str, call: Call) -> Budget | RateLimit:
        """The rule of that name: of the policy, or one that `call` brings along."""
        found = self.rules.get(name)
        return found or next(rate for rate in call.rates if rate.name == name)

    def _add_rate(
        self, demands: list[Demand], rate: RateLimit, call: Call, now: float, amount: int
    ) -> None:
        start, earlier, part = rate.bucket(now)
        if rate.per is not None:
            self._sweep_buckets(rate, earlier, now)
        for value in rate.values(call):
            before = Key(rate.name, value, earlier, rate.metric) if rate.per is not None else None
            key = Key(rate.name, value, start, rate.metric)
            demands.append(Demand(key, rate.metric, rate.limit, amount, (), before, part))

    def key(self, budget: Budget, value: str, now: float) -> Key:
        """The counter of a budget for one value, in the present window."""
        return Key(budget.name, value, self.window_start(budget, now), budget.metric)

    def window_start(self, budget: Budget, now: float) -> int:
        """Start of the present window: computed once and kept until it ends."""
        cached = self._windows.get(budget.name)
        if cached is None or not cached[0] <= now < cached[1]:
            start, end = bounds(now, budget.window, budget.zone)
            if end is not None and (cached is None or cached[0] < start):
                # Also what earlier processes left behind in a ledger that lasts.
                last, _start = bounds(start - 1, budget.window, budget.zone)
                # The last window is kept too, and the ledger is bounded.
                self._forget(budget.name, min(last, start - _KEEP_S))
            cached = (start, math.inf if end is None else end)
            self._windows[budget.name] = cached
        return cached[0]

    def _sweep_buckets(self, rate: RateLimit, earlier: int, now: float) -> None:
        if now - self._swept.get(rate.name, -math.inf) >= _SWEEP_BUCKETS_S:
            self._swept[rate.name] = now
            self._forget(rate.name, earlier)


def worth_a_closer_look(short: Shortage | None) -> bool:
    """Whether it may fit after all: by a smaller estimate, or later."""
    if short is None or short.kind == "tripped":
        return False
    return short.kind == "contended" or short.demand.metric in {"cost", "tokens"}


def tripping(short: Shortage | None) -> Demand | None:
    """The demand whose refusal, now that it is final, trips the budget."""
    if short is None or short.kind != "exhausted" or not short.demand.trip:
        return None
    return short.demand
