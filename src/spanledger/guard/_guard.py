"""The guard: a policy held against a ledger. Everything that costs money asks it first."""

import hashlib
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from spanledger.config import ConfigError, GuardSettings
from spanledger.guard import _refusals
from spanledger.guard._live import Live
from spanledger.guard._plan import Plan
from spanledger.guard.breaker import Blocked, Outcome, Permit, Transition
from spanledger.guard.breaker_rule import Target, model_target, tool_target
from spanledger.guard.decision import (
    NOTHING_SPENT,
    Call,
    Decision,
    Metric,
    Refusal,
    Reservation,
    Spending,
)
from spanledger.guard.events import EventKind, GuardEvent, Listener, Threshold, tell
from spanledger.guard.fingerprints import result_print
from spanledger.guard.ledger import Crossing, Demand, Key
from spanledger.guard.policy import Policy
from spanledger.guard.rules import TOOL_CALL, Budget, run_of
from spanledger.guard.stores import Grant, MemoryStore, Store, StoreUnavailable
from spanledger.guard.windows import bounds

#: US dollars for a million tokens, as nano-USD for one.
_NANO_PER_TOKEN = 1_000


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
    `live`: what a guard that this one follows has seen, see `replaced`.
    """

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        settings: GuardSettings | None = None,
        store: Store | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        listeners: Sequence[Listener] = (),
        policy_error: ConfigError | None = None,
        live: Live | None = None,
    ) -> None:
        self.policy = policy or Policy()
        self.settings = settings or GuardSettings()
        self.store = store or MemoryStore()
        self.policy_error = policy_error
        self._live = live or Live(self.store, monotonic)
        self._live.on_transition = self._breaker_changed
        self._live.on_crossing = self._crossed
        self.breakers = self._live.breakers
        self._loops = self._live.loops
        self._sessions = self._live.sessions
        self._clock = clock
        self._listeners = tuple(listeners)
        self._plan = Plan(self.policy, self._amount, self.store.forget)
        ceiling_usd = Decimal(self.settings.ceiling_usd_per_mtok)
        self._ceiling_nano_usd = int(ceiling_usd * _NANO_PER_TOKEN)

    # --- admission ------------------------------------------------------------------------

    def admit(self, call: Call) -> Decision:
        """Decide about one attempt before it is sent, waiting for calls in flight if need be.

        Never raises for a limit: the answer is in the decision.
        """
        now = self._clock()
        checked = self._check(call)
        if isinstance(checked, Refusal):
            return self._refused(call, checked, now)
        demands = self._plan.demands(call, now)
        if not demands:
            return self._admitted(call, 0, now, 0.0, checked)
        try:
            grant = self.store.reserve(call.reservation_id, demands, **self._waits())
        except StoreUnavailable as error:
            self._take_back(call, checked)
            return self._refused(call, _refusals.ledger_unavailable(error), now)
        except BaseException:
            self._take_back(call, checked)
            raise
        return self._answer(call, demands, now, grant, checked)

    async def admit_async(self, call: Call) -> Decision:
        """`admit` for coroutines: it never blocks the event loop."""
        now = self._clock()
        checked = self._check(call)
        if isinstance(checked, Refusal):
            return self._refused(call, checked, now)
        demands = self._plan.demands(call, now)
        if not demands:
            return self._admitted(call, 0, now, 0.0, checked)
        try:
            grant = await self.store.reserve_async(call.reservation_id, demands, **self._waits())
        except StoreUnavailable as error:
            self._take_back(call, checked)
            return self._refused(call, _refusals.ledger_unavailable(error), now)
        except BaseException:
            self._take_back(call, checked)
            raise
        return self._answer(call, demands, now, grant, checked)

    def extend(
        self, reservation: Reservation, *, tokens: int, cost_nano_usd: int
    ) -> Refusal | None:
        """Hold more for a call that streams on; None if there was room, else why there was not."""
        if not reservation.entries:
            return None
        if reservation.call.estimate.cost_nano_usd is None:
            cost_nano_usd = self._unpriced(tokens)
        amounts = {"tokens": tokens, "cost": cost_nano_usd}

        def more(held: Demand) -> Demand | None:
            amount = amounts.get(held.metric, 0)
            return held._replace(amount=amount) if amount else None

        now = self._clock()
        try:
            short = self.store.extend(reservation.id, more)
        except StoreUnavailable as error:
            refusal = _refusals.ledger_unavailable(error)
        else:
            if short is None:
                return None
            rule = self._plan.rules[short.demand.key.rule]
            refusal = _refusals.short(reservation.call, short, rule, now, cut=True)
        self._tell("cut", refusal.reason, now, call=reservation.call, refusal=refusal)
        return refusal

    def check(self, call: Call) -> Refusal | None:
        """Whether a rule that needs no ledger refuses: ceilings and loop rules. Counts the step.

        For work that only a span tells of: nothing is reserved, so nothing is to be settled.
        """
        refusal = self._loop(call) if call.fingerprint is not None else None
        if refusal is None and self.policy.ceilings:
            refusal = self._ceiling(call)
            self._sessions.end(call.reservation_id, calls=1, tokens=0)
        if refusal is not None:
            now = self._clock()
            self._tell("refused", refusal.reason, now, call=call, refusal=refusal)
        return refusal

    # --- settlement -----------------------------------------------------------------------

    def settle(
        self,
        reservation: Reservation,
        spending: Spending,
        *,
        outcome: Outcome = "ok",
        first_token_s: float | None = None,
    ) -> bool:
        """Charge what the attempt used; False if it was settled before (nothing happens then).

        `outcome` is what breakers learn: how the provider, or the tool, behaved. One that went
        well and took `first_token_s` seconds to its first token may still have been slow.
        """
        self._report(reservation.permits, outcome, first_token_s)
        if self._sessions:
            tokens = spending.tokens or 0
            self._sessions.end(reservation.id, calls=spending.calls, tokens=tokens)
        if not reservation.entries:
            return False
        return bool(
            self.store.settle(reservation.id, lambda held: self._used(held, reservation, spending))
        )

    def observe_result(self, call: Call, result: object) -> None:
        """Tell loop rules what a tool call gave (its result, or the exception that it raised)."""
        if call.fingerprint is None or not self.policy.loops:
            return
        seen, session = result_print(result), run_of(call)
        for rule in self.policy.loops:
            finding = self._loops.observe(session, call.fingerprint, seen, rule)
            if finding is not None:
                self._tell("loop", "loop_seen", self._clock(), call=call, detail=finding.sentence())

    def release(self, reservation: Reservation) -> bool:
        """Free everything that is held: the request provably never reached the provider."""
        return self.settle(reservation, NOTHING_SPENT, outcome="cancelled")

    # --- questions ------------------------------------------------------------------------

    def holds_limits(self) -> bool:
        """Whether there is anything to hold: rules, or a policy that can't be read."""
        return bool(self.policy) or self.policy_error is not None

    def needs_cost(self) -> bool:
        """Whether any rule looks at money (else estimates may leave the price out)."""
        return any(budget.metric == "cost" for budget in self.policy.budgets)

    def needs_tokens(self) -> bool:
        """Whether any rule looks at money or tokens (else no estimate is needed at all)."""
        return self._plan.needs_tokens

    @property
    def watches_tools(self) -> bool:
        """Whether any rule looks at calls of tools (else a tool need not ask)."""
        return self._plan.watches_tools

    def state(self, call: Call) -> list[BudgetState]:
        """What each budget that counts `call` has spent and holds at this moment."""
        now = self._clock()
        return [
            BudgetState(
                budget,
                value,
                *bounds(now, budget.window, budget.zone),
                *self._read(Key(budget.name, value, self._plan.window_start(budget, now))),
            )
            for budget in self.policy.budgets
            for value in budget.values(call)
        ]

    # --- inside: checks that need no look at the ledger -------------------------------------

    def _check(self, call: Call) -> Refusal | tuple[Permit, ...]:
        """A refusal, or what breakers gave. Cheapest first; permits last, as they want a report."""
        if self.policy_error is not None:
            return _refusals.policy_unreadable(self.policy_error)
        if call.estimate.cost_nano_usd is None and self.settings.on_unpriced == "refuse":
            rule = self._plan.cost_rule(call)
            if rule is not None:
                return _refusals.price_unknown(call, rule)
        if call.fingerprint is not None and (refusal := self._loop(call)) is not None:
            return refusal
        if self.policy.ceilings and (refusal := self._ceiling(call)) is not None:
            return refusal
        return self._acquire(call) if self.policy.breakers else ()

    def _loop(self, call: Call) -> Refusal | None:
        session = run_of(call)
        for rule in self.policy.loops:
            if call.fingerprint is not None:
                finding = self._loops.blocked(session, call.fingerprint, rule)
                if finding is not None:
                    return _refusals.loop_detected(call, finding)
        return None

    def _ceiling(self, call: Call) -> Refusal | None:
        calls, depth = int(call.operation != TOOL_CALL), len(call.agents)
        hit = self._sessions.begin(
            call.reservation_id, run_of(call), self.policy.ceilings, calls=calls, depth=depth
        )
        return None if hit is None else _refusals.ceiling_reached(call, hit)

    def _acquire(self, call: Call) -> Refusal | tuple[Permit, ...]:
        target, permits = _target(call), list[Permit]()
        for rule in self.policy.breakers:
            answer = self.breakers.acquire(target, rule)
            if isinstance(answer, Blocked):
                self._take_back(call, permits)
                return _refusals.circuit_open(answer)
            permits.append(answer)
        return tuple(permits)

    def _report(
        self, permits: Sequence[Permit], outcome: Outcome, first_token_s: float | None = None
    ) -> None:
        for permit in permits:
            verdict = permit.breaker.rule.verdict(first_token_s) if outcome == "ok" else outcome
            self.breakers.report(permit, verdict)

    def _take_back(self, call: Call, permits: Sequence[Permit]) -> None:
        """The call does not come about after all: it was no step and no try."""
        self._report(permits, "cancelled")
        self._sessions.end(call.reservation_id, calls=0, tokens=0)

    # --- inside: amounts --------------------------------------------------------------------

    def _waits(self) -> Mapping[str, float]:
        wait = self.settings.max_wait_s if self.settings.on_contention == "wait" else 0.0
        return {"lease_s": self.settings.lease_s, "max_wait_s": wait}

    def _amount(self, call: Call, metric: Metric) -> int:
        estimate = call.estimate
        if metric == "cost" and estimate.cost_nano_usd is None:
            return self._unpriced(estimate.input_tokens + estimate.output_tokens)
        return estimate.amount(metric)

    def _used(self, held: Demand, reservation: Reservation, spending: Spending) -> int:
        if held.metric == "cost" and spending.cost_nano_usd is None and spending.tokens is not None:
            unpriced = reservation.call.estimate.cost_nano_usd is None
            return self._unpriced(spending.tokens) if unpriced else held.amount
        return spending.amount(held.metric, held.amount)

    def _unpriced(self, tokens: int) -> int:
        """What tokens of a model without a price are charged, in nano-USD."""
        charged = self.settings.on_unpriced == "ceiling_price"
        return tokens * self._ceiling_nano_usd if charged else 0

    def _read(self, key: Key) -> tuple[int, int]:
        counter = self.store.read(key)
        return counter.spent, counter.reserved

    # --- inside: answers and events ---------------------------------------------------------

    def _answer(
        self,
        call: Call,
        demands: Sequence[Demand],
        now: float,
        grant: Grant,
        permits: tuple[Permit, ...],
    ) -> Decision:
        if grant.shortage is None:
            return self._admitted(call, len(demands), now, grant.waited_s, permits)
        self._take_back(call, permits)
        rule = self._plan.rules[grant.shortage.demand.key.rule]
        refusal = _refusals.short(call, grant.shortage, rule, now)
        return self._refused(call, refusal, now, grant.waited_s)

    def _admitted(
        self, call: Call, entries: int, now: float, waited_s: float, permits: tuple[Permit, ...]
    ) -> Decision:
        reservation = Reservation(call.reservation_id, call, entries, now, permits)
        if waited_s:
            self._tell("waited", "allowed", now, call=call, waited_s=waited_s)
        return Decision(call, reservation, waited_s=waited_s)

    def _refused(self, call: Call, refusal: Refusal, now: float, waited_s: float = 0.0) -> Decision:
        self._tell("refused", refusal.reason, now, call=call, refusal=refusal, waited_s=waited_s)
        return Decision(call, refusal=refusal, waited_s=waited_s)

    def _crossed(self, crossing: Crossing) -> None:
        """A mark was reached: tell it under an id that is the same wherever it is told."""
        rule = self._plan.rules.get(crossing.key.rule)
        if not isinstance(rule, Budget):
            return
        threshold = Threshold(
            rule=rule.name,
            scope=_refusals.scope_of(rule.scope, crossing.key.value),
            metric=rule.metric,
            window=rule.window,
            limit=rule.limit,
            mark=crossing.mark,
            spent=crossing.spent,
        )
        seed = "\0".join(map(str, (*crossing.key, crossing.mark)))
        event_id = hashlib.blake2b(seed.encode(), digest_size=16).hexdigest()
        self._tell(
            "threshold", "budget_threshold", self._clock(), threshold=threshold, event_id=event_id
        )

    def _breaker_changed(self, change: Transition) -> None:
        detail = (
            f"Breaker {change.rule!r}: {change.target.name} is {change.after.replace('_', ' ')}."
        )
        self._tell("breaker", change.event, self._clock(), detail=detail)

    def _tell(
        self,
        kind: EventKind,
        reason: str,
        at: float,
        *,
        call: Call | None = None,
        refusal: Refusal | None = None,
        waited_s: float = 0.0,
        threshold: Threshold | None = None,
        detail: str = "",
        event_id: str = "",
    ) -> None:
        if not self._listeners:
            return
        event = GuardEvent(
            event_id or uuid.uuid4().hex,
            kind,
            at,
            call,
            reason,
            refusal,
            waited_s,
            threshold,
            detail,
        )
        tell(self._listeners, event)

    def with_listener(self, listener: Listener) -> None:
        """Add a listener for all events from now on."""
        self._listeners = (*self._listeners, listener)

    def replaced(self, policy: Policy) -> "Guard":
        """A guard with another policy over the same ledger: open reservations stay valid.

        Breakers, loops and sessions go on; events are told by the new guard only.
        """
        return Guard(
            policy,
            settings=self.settings,
            store=self.store,
            clock=self._clock,
            listeners=self._listeners,
            live=self._live,
        )


def _target(call: Call) -> Target:
    if call.operation == TOOL_CALL and call.tool is not None:
        return tool_target(call.tool)
    return model_target(call.provider, call.model)
