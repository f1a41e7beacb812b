"""The guard: a policy held against a ledger. Everything that costs money asks it first."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from spanledger.config import ConfigError, GuardSettings
from spanledger.guard.decision import (
    NOTHING_SPENT,
    Call,
    Decision,
    Reason,
    Refusal,
    Reservation,
    Spending,
)
from spanledger.guard.events import EventKind, GuardEvent, Listener, tell
from spanledger.guard.ledger import Demand, Key, Shortage
from spanledger.guard.policy import Budget, Policy
from spanledger.guard.stores import Grant, MemoryStore, Store
from spanledger.guard.windows import bounds

_KEEP_S = 86_400


class BudgetState(NamedTuple):
    """One counter of one budget, in the metric's unit."""

    budget: Budget
    value: str
    window_start: int
    window_end: int | None
    spent: int
    reserved: int

    @property
    def remaining(self) -> int:
        return max(0, self.budget.limit - self.spent - self.reserved)


class Guard:
    """Admits calls, and settles what they used.

    `clock` gives wall-clock seconds since the epoch and only chooses windows; leases and waits
    are the store's, on monotonic time. `policy_error` set: nothing is admitted (fail closed).
    """

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        settings: GuardSettings | None = None,
        store: Store | None = None,
        clock: Callable[[], float] = time.time,
        listeners: Sequence[Listener] = (),
        policy_error: ConfigError | None = None,
    ) -> None:
        self.policy = policy or Policy()
        self.settings = settings or GuardSettings()
        self.store = store or MemoryStore()
        self.policy_error = policy_error
        self._clock = clock
        self._listeners = tuple(listeners)
        self._windows: dict[str, tuple[int, float]] = {}

    # --- admission ------------------------------------------------------------------------

    def admit(self, call: Call) -> Decision:
        """Decide about one attempt before it is sent, waiting for calls in flight if need be.

        Never raises for a limit: the answer is in the decision.
        """
        now = self._clock()
        if (refusal := self._refused_unseen(call)) is not None:
            return self._refused(call, refusal, now)
        demands = self._demands(call, now)
        if not demands:
            return self._admitted(call, 0, now, 0.0)
        return self._answer(call, demands, now, self._reserve(call, demands))

    async def admit_async(self, call: Call) -> Decision:
        """`admit` for coroutines: it never blocks the event loop."""
        now = self._clock()
        if (refusal := self._refused_unseen(call)) is not None:
            return self._refused(call, refusal, now)
        demands = self._demands(call, now)
        if not demands:
            return self._admitted(call, 0, now, 0.0)
        grant = await self.store.reserve_async(
            call.reservation_id,
            demands,
            lease_s=self.settings.lease_s,
            max_wait_s=self._max_wait_s(),
        )
        return self._answer(call, demands, now, grant)

    def extend(
        self, reservation: Reservation, *, tokens: int, cost_nano_usd: int
    ) -> Refusal | None:
        """Hold more for a call that streams on; None if there was room, else why there was not."""
        if not reservation.entries:
            return None
        limits = {budget.name: budget for budget in self.policy.budgets}
        amounts = {"tokens": tokens, "cost": cost_nano_usd}

        def more(entry: Demand) -> Demand | None:
            budget = limits.get(entry.key.rule)
            amount = amounts.get(entry.metric, 0)
            if budget is None or not amount:
                return None
            return Demand(entry.key, entry.metric, budget.limit, amount)

        short = self.store.extend(reservation.id, more)
        if short is None:
            return None
        now = self._clock()
        refusal = self._refusal(reservation.call, short, now, reason="stream_exhausted")
        self._tell("cut", reservation.call, refusal.reason, now, refusal=refusal)
        return refusal

    # --- settlement -----------------------------------------------------------------------

    def settle(self, reservation: Reservation, spending: Spending) -> bool:
        """Charge what the attempt used; False if it was settled before (nothing happens then)."""
        if not reservation.entries:
            return False
        return self.store.settle(
            reservation.id, lambda entry: spending.amount(entry.metric, entry.amount)
        )

    def release(self, reservation: Reservation) -> bool:
        """Free everything that is held: the request provably never reached the provider."""
        return self.settle(reservation, NOTHING_SPENT)

    # --- questions ------------------------------------------------------------------------

    def holds_limits(self) -> bool:
        """Whether there is anything to hold: rules, or a policy that can't be read."""
        return bool(self.policy) or self.policy_error is not None

    def needs_cost(self) -> bool:
        """Whether any rule looks at money (else estimates may leave the price out)."""
        return any(budget.metric == "cost" for budget in self.policy.budgets)

    def needs_tokens(self) -> bool:
        """Whether any rule looks at money or tokens (else no estimate is needed at all)."""
        return any(budget.metric != "calls" for budget in self.policy.budgets)

    def state(self, call: Call) -> list[BudgetState]:
        """What each budget that counts `call` has spent and holds at this moment."""
        now = self._clock()
        return [
            BudgetState(
                budget,
                value,
                *bounds(now, budget.window, budget.zone),
                *self._read(Key(budget.name, value, self._window_start(budget, now))),
            )
            for budget in self.policy.budgets
            for value in budget.values(call)
        ]

    # --- inside ---------------------------------------------------------------------------

    def _read(self, key: Key) -> tuple[int, int]:
        counter = self.store.read(key)
        return counter.spent, counter.reserved

    def _reserve(self, call: Call, demands: Sequence[Demand]) -> Grant:
        return self.store.reserve(
            call.reservation_id,
            demands,
            lease_s=self.settings.lease_s,
            max_wait_s=self._max_wait_s(),
        )

    def _max_wait_s(self) -> float:
        return self.settings.max_wait_s if self.settings.on_contention == "wait" else 0.0

    def _demands(self, call: Call, now: float) -> list[Demand]:
        estimate = call.estimate
        demands = []
        for budget in self.policy.budgets:
            start = self._window_start(budget, now)
            amount = estimate.amount(budget.metric)
            for value in budget.values(call):
                key = Key(budget.name, value, start)
                demands.append(Demand(key, budget.metric, budget.limit, amount))
        return demands

    def _window_start(self, budget: Budget, now: float) -> int:
        """Start of the present window: computed once and kept until it ends."""
        cached = self._windows.get(budget.name)
        if cached is None or not cached[0] <= now < cached[1]:
            start, end = bounds(now, budget.window, budget.zone)
            if cached is not None and cached[0] < start:
                # A day is kept in any case, and the last window: a clock that is set back finds
                # what was spent, and memory is bounded.
                self.store.forget(budget.name, min(cached[0], start - _KEEP_S))
            cached = (start, float("inf") if end is None else end)
            self._windows[budget.name] = cached
        return cached[0]

    def _refused_unseen(self, call: Call) -> Refusal | None:
        """Refusals that need no look at the ledger."""
        if self.policy_error is not None:
            return Refusal(
                "policy_unreadable",
                detail=f"Calls are refused because the policy can't be read: {self.policy_error}",
                advice="Mend the file, or set SPANLEDGER_ON_INVALID_POLICY=warn to run unguarded.",
            )
        if call.estimate.cost_nano_usd is not None or self.settings.on_unpriced != "refuse":
            return None
        budget = next((b for b in self.policy.budgets if b.metric == "cost"), None)
        return None if budget is None else _price_unknown(call, budget)

    def _answer(self, call: Call, demands: Sequence[Demand], now: float, grant: Grant) -> Decision:
        if grant.shortage is None:
            return self._admitted(call, len(demands), now, grant.waited_s)
        refusal = self._refusal(call, grant.shortage, now)
        return self._refused(call, refusal, now, grant.waited_s)

    def _admitted(self, call: Call, entries: int, now: float, waited_s: float) -> Decision:
        reservation = Reservation(call.reservation_id, call, entries, now)
        if waited_s:
            self._tell("waited", call, "allowed", now, waited_s=waited_s)
        return Decision(call, reservation, waited_s=waited_s)

    def _refused(self, call: Call, refusal: Refusal, now: float, waited_s: float = 0.0) -> Decision:
        self._tell("refused", call, refusal.reason, now, refusal=refusal, waited_s=waited_s)
        return Decision(call, refusal=refusal, waited_s=waited_s)

    def _refusal(
        self, call: Call, short: Shortage, now: float, *, reason: Reason | None = None
    ) -> Refusal:
        budget = next(b for b in self.policy.budgets if b.name == short.demand.key.rule)
        _start, end = bounds(now, budget.window, budget.zone)
        contended = short.kind == "contended"
        return Refusal(
            reason or ("budget_contended" if contended else "budget_exhausted"),
            rule=budget.name,
            scope=_scope(budget, short.demand.key.value),
            metric=budget.metric,
            window=budget.window,
            limit=budget.limit,
            spent=short.spent,
            reserved=short.reserved,
            asked=short.demand.amount,
            retry_after_s=None if contended or end is None else max(0.0, end - now),
            advice=_CUT_ADVICE if reason == "stream_exhausted" else _advice(call, short, budget),
        )

    def _tell(
        self,
        kind: EventKind,
        call: Call,
        reason: str,
        at: float,
        *,
        refusal: Refusal | None = None,
        waited_s: float = 0.0,
    ) -> None:
        if not self._listeners:
            return
        event = GuardEvent(uuid.uuid4().hex, kind, at, call, reason, refusal, waited_s)
        tell(self._listeners, event)

    def with_listener(self, listener: Listener) -> None:
        """Add a listener for all events from now on."""
        self._listeners = (*self._listeners, listener)

    def replaced(self, policy: Policy) -> "Guard":
        """A guard with another policy over the same ledger: open reservations stay valid."""
        guard = Guard(
            policy,
            settings=replace(self.settings),
            store=self.store,
            clock=self._clock,
            listeners=self._listeners,
        )
        return guard


def _scope(budget: Budget, value: str) -> str:
    return budget.scope if budget.scope == "global" else f"{budget.scope} {value}"


_CUT_ADVICE = "The answer outgrew what the call had reserved: set max_tokens, or raise the limit."


def _advice(call: Call, short: Shortage, budget: Budget) -> str:
    if short.kind == "contended":
        return "Wait for the calls in flight, run fewer at once, or raise the limit."
    room = budget.limit - short.spent
    if budget.metric != "calls" and room > 0 and "ceiling" in call.estimate.method:
        return "The request sets no output limit, so the model's ceiling was asked: set max_tokens."
    smaller = "Ask for less (max_tokens, a cheaper model), or raise" if room > 0 else "Raise"
    if budget.window == "total":
        return f"{smaller} the limit."
    return f"{smaller} the limit, or wait for the next window."


def _price_unknown(call: Call, budget: Budget) -> Refusal:
    return Refusal(
        "price_unknown",
        rule=budget.name,
        scope=budget.scope,
        metric="cost",
        window=budget.window,
        detail=(
            f"The model {call.model!r} of {call.provider!r} has no price, "
            f"so the cost budget {budget.name!r} can't be held."
        ),
        advice=(
            "Add its price to a file and name that in SPANLEDGER_PRICES, or set "
            "SPANLEDGER_ON_UNPRICED=count_tokens_only."
        ),
    )
