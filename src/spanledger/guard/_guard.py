"""The guard: a policy held against a ledger. Everything that costs money asks it first."""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from spanledger.config import ConfigError, GuardSettings
from spanledger.guard import _refusals
from spanledger.guard._amounts import Amounts
from spanledger.guard._live import Follower, Live
from spanledger.guard._plan import Plan, tripping, worth_a_closer_look
from spanledger.guard.breaker import Blocked, Outcome, Permit, Transition
from spanledger.guard.decision import (
    NOTHING_SPENT,
    Call,
    Decision,
    Refusal,
    Reservation,
    Spending,
)
from spanledger.guard.events import EventKind, GuardEvent, Listener, Threshold, tell
from spanledger.guard.ledger import TRIPPED, Crossing, Demand, Key
from spanledger.guard.policy import Policy
from spanledger.guard.rules import TOOL_CALL, UNATTRIBUTED, Budget, run_of, target_of
from spanledger.guard.stores import Grant, MemoryStore, Store, StoreUnavailable
from spanledger.guard.windows import bounds
from spanledger.lean import make

if TYPE_CHECKING:
    from spanledger.guard.explain import Explanation


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
        ledger_error: StoreUnavailable | None = None,
        live: Live | None = None,
    ) -> None:
        self.policy = Policy() if policy is None else policy
        self.settings = settings or GuardSettings()
        self.store = store or MemoryStore()
        self.policy_error = policy_error
        self._ledger_error = ledger_error
        self._live = live or Live(self.store, monotonic, listeners)
        self._live.on_transition = self._breaker_changed
        self._live.on_crossing = self._crossed
        self.breakers = self._live.breakers
        self._sessions = self._live.sessions
        self._clock = clock
        self._amounts = Amounts(self.settings)
        self._plan = Plan(self.policy, self._amounts.asked, self.store.forget)
        #: How long a reservation lives and waits. A first try, after which the call is looked at
        #: more closely, does not wait.
        self._first_try = {"lease_s": self.settings.lease_s, "max_wait_s": 0.0}
        patient = self.settings.on_contention == "wait"
        self._last_try = {
            "lease_s": self.settings.lease_s,
            "max_wait_s": self.settings.max_wait_s if patient else 0.0,
        }
        self._live.rules = self._plan.rules

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
        rid = call.reservation_id
        if not demands:
            return self._admitted(call, rid, 0, now, 0.0, checked)
        try:
            waits = self._last_try if call.refine is None else self._first_try
            grant = self.store.reserve(rid, demands, **waits)
            if grant.shortage is None:
                return self._admitted(call, rid, len(demands), now, grant.waited_s, checked)
            if call.refine is not None and worth_a_closer_look(grant.shortage):
                # And the wait that the first try left out.
                call = call._replace(estimate=call.refine(), refine=None)
                demands = self._plan.demands(call, now)
                grant = self.store.reserve(rid, demands, **self._last_try)
            if (unmet := tripping(grant.shortage)) is not None:
                self.store.trip(unmet, int(now))
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
        rid = call.reservation_id
        if not demands:
            return self._admitted(call, rid, 0, now, 0.0, checked)
        waits = self._last_try if call.refine is None else self._first_try
        try:
            grant = await self.store.reserve_async(rid, demands, **waits)
            if grant.shortage is None:
                return self._admitted(call, rid, len(demands), now, grant.waited_s, checked)
            if call.refine is not None and worth_a_closer_look(grant.shortage):
                call = call._replace(estimate=await asyncio.to_thread(call.refine), refine=None)
                demands, waits = self._plan.demands(call, now), self._last_try
                grant = await self.store.reserve_async(rid, demands, **waits)
            if (unmet := tripping(grant.shortage)) is not None:
                await self._trip_async(unmet, int(now))
        except StoreUnavailable as error:
            self._take_back(call, checked)
            return self._refused(call, _refusals.ledger_unavailable(error), now)
        except BaseException:
            self._take_back(call, checked)
            raise
        return self._answer(call, demands, now, grant, checked)

    async def _trip_async(self, demand: Demand, at: int) -> None:
        if self.store.in_memory:
            self.store.trip(demand, at)
        else:
            await asyncio.to_thread(self.store.trip, demand, at)

    def extend(
        self, reservation: Reservation, *, tokens: int, cost_nano_usd: int
    ) -> Refusal | None:
        """Hold more for a call that streams on; None if there was room, else why there was not."""
        if not reservation.entries:
            return None
        if reservation.call.estimate.cost_nano_usd is None:
            cost_nano_usd = self._amounts.unpriced(tokens)
        amounts = {"tokens": tokens, "cost": cost_nano_usd}

        def more(held: Demand) -> Demand | None:
            amount = amounts.get(held.metric, 0)
            return self._held_to_rules_of_now(held)._replace(amount=amount) if amount else None

        now = self._clock()
        try:
            short = self.store.extend(reservation.id, more)
        except StoreUnavailable as error:
            refusal = _refusals.ledger_unavailable(error)
        else:
            if short is None:
                return None
            if short.demand.trip and short.kind != "tripped":
                # Also for want of what calls in flight hold: this stream is one of them.
                self._live.unasked.trip(short.demand, int(now))
            name = short.demand.key.rule
            rule = self._live.rules.get(name) or self._plan.rule(name, reservation.call)
            refusal = _refusals.short(reservation.call, short, rule, now, cut=True)
        self._tell("cut", refusal.reason, now, call=reservation.call, refusal=refusal)
        return refusal

    def _held_to_rules_of_now(self, held: Demand) -> Demand:
        """What holds for more of it: rules may have changed since the call was admitted."""
        rule = self._live.rules.get(held.key.rule)
        if rule is None or (isinstance(rule, Budget) and rule.enforce == "soft"):
            return held._replace(limit=None)
        if rule.metric != held.metric:
            return held
        return held._replace(limit=rule.limit, trip=isinstance(rule, Budget) and rule.trip)

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
        if reservation.permits:
            self._report(reservation.permits, outcome, first_token_s)
        if self._sessions.open:
            tokens = spending.tokens or 0
            self._sessions.end(reservation.id, calls=spending.calls, tokens=tokens)
        settled = reservation.entries > 0 and self.store.settle(
            reservation.id,
            self._amounts.charged(reservation, spending),
            estimated=spending.estimated,
        )
        if self.policy.drifts and (settled or not reservation.entries):
            self._look_for_drift(reservation.call, spending)
        return settled

    def _look_for_drift(self, call: Call, spending: Spending) -> None:
        if call.operation == TOOL_CALL or not spending.calls:
            return
        agent = call.agents[-1] if call.agents else UNATTRIBUTED
        used = agent, spending.tokens or 0, spending.cost_nano_usd
        for rule in self.policy.drifts:
            for found in self._live.drifts.settled(*used, rule):
                detail = found.sentence()
                self._tell("drift", "drift_seen", self._clock(), call=call, detail=detail)

    def observe_result(self, call: Call, result: object) -> None:
        """Tell loop rules what a tool call gave (its result, or the exception that it raised)."""
        if call.fingerprint is None or not self.policy.loops:
            return
        # Loaded with the first tool call that a loop rule watches.
        from spanledger.guard.fingerprints import result_print

        seen, session = result_print(result), run_of(call)
        for rule in self.policy.loops:
            finding = self._live.loops.observe(session, call.fingerprint, seen, rule)
            if finding is not None:
                self._tell("loop", "loop_seen", self._clock(), call=call, detail=finding.sentence())

    def release(self, reservation: Reservation) -> bool:
        """Free everything that is held: the request provably never reached the provider."""
        return self.settle(reservation, NOTHING_SPENT, outcome="cancelled")

    # --- calls that nobody asked for --------------------------------------------------------

    def charge(self, call: Call, spending: Spending) -> None:
        """Count a call that was not admitted: only its span tells of it, now that it is over.

        A budget may pass its limit by it; what comes next is refused. Its window is the present
        one. To be called once for each call; never raises for a ledger that can't be written.
        """
        now = self._clock()
        reservation = Reservation(call.reservation_id, call, 0, now)
        if self.policy.ceilings:
            self._ceiling(call)
            tokens = spending.tokens or 0
            self._sessions.end(call.reservation_id, calls=spending.calls, tokens=tokens)
        if demands := self._plan.demands(call, now):
            self._live.unasked.charge(
                call.reservation_id,
                demands,
                self._amounts.charged(reservation, spending),
                estimated=spending.estimated,
                lease_s=self.settings.lease_s,
            )
        if self.policy.drifts:
            self._look_for_drift(call, spending)

    def used_up(self, call: Call) -> Refusal | None:
        """Why a call that only its span tells of must not begin: a budget is used up or tripped.

        Nothing is reserved. On an event loop's thread a ledger that does I/O is not waited for:
        then the answer is as old as the last look, and the first question is answered with no.
        """
        now = self._clock()
        try:
            refusal = self._closed() or self._used_up(call, now)
        except StoreUnavailable as error:
            refusal = _refusals.ledger_unavailable(error)
        if refusal is not None:
            self._tell("refused", refusal.reason, now, call=call, refusal=refusal)
        return refusal

    def _used_up(self, call: Call, now: float) -> Refusal | None:
        if not self.policy.budgets:
            return None
        short = self._live.unasked.exhausted(self._plan.demands(call, now))
        if short is None:
            return None
        if (unmet := tripping(short)) is not None:
            # By whatever it would use: nobody knows how much that is.
            unmet = unmet._replace(amount=max(1, unmet.amount))
            self._live.unasked.trip(unmet, int(now))
        rule = self._plan.rule(short.demand.key.rule, call)
        return _refusals.short(call, short, rule, now)

    # --- questions ------------------------------------------------------------------------

    def holds_limits(self) -> bool:
        """Whether there is anything to hold: rules, or a policy that can't be read."""
        return self.is_closed or bool(self.policy)

    @property
    def is_closed(self) -> bool:
        """Whether every call is refused, for nobody knows the rules."""
        return self.policy_error is not None or self._ledger_error is not None

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
                *self._read(self._plan.key(budget, value, now)),
            )
            for budget in self.policy.budgets
            for value in budget.values(call)
        ]

    def explain(self, call: Call) -> "Explanation":
        """Why `call` would be refused now, and what each rule says. Changes nothing.

        Reads the store: not for an event loop's thread. Raises `StoreUnavailable`.
        """
        from spanledger.guard.explain import Explainer

        asked = Explainer(self.policy, self.settings, self.store, self._live, closed=self._closed())
        return asked.explain(call, self._clock())

    # --- inside: checks that need no look at the ledger -------------------------------------

    def _check(self, call: Call) -> Refusal | tuple[Permit, ...]:
        """A refusal, or what breakers gave. Cheapest first; permits last, as they want a report."""
        if self.policy_error is not None or self._ledger_error is not None:
            return self._closed() or ()
        if call.estimate.cost_nano_usd is None and self.settings.on_unpriced == "refuse":
            rule = self._plan.cost_rule(call)
            if rule is not None:
                return _refusals.price_unknown(call, rule)
        if call.fingerprint is not None and (refusal := self._loop(call)) is not None:
            return refusal
        if self.policy.ceilings and (refusal := self._ceiling(call)) is not None:
            return refusal
        return self._acquire(call) if self.policy.breakers else ()

    def _closed(self) -> Refusal | None:
        if self.policy_error is not None:
            return _refusals.policy_unreadable(self.policy_error)
        if self._ledger_error is not None:
            return _refusals.ledger_unavailable(self._ledger_error)
        return None

    def _loop(self, call: Call) -> Refusal | None:
        session = run_of(call)
        for rule in self.policy.loops:
            if call.fingerprint is not None:
                finding = self._live.loops.blocked(session, call.fingerprint, rule)
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
        target, permits = target_of(call), list[Permit]()
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
            rid = call.reservation_id
            return self._admitted(call, rid, len(demands), now, grant.waited_s, permits)
        self._take_back(call, permits)
        rule = self._plan.rule(grant.shortage.demand.key.rule, call)
        refusal = _refusals.short(call, grant.shortage, rule, now)
        return self._refused(call, refusal, now, grant.waited_s)

    def _admitted(
        self,
        call: Call,
        rid: str,
        entries: int,
        now: float,
        waited_s: float,
        permits: tuple[Permit, ...],
    ) -> Decision:
        held = (rid, call, entries, now, permits)
        if waited_s:
            self._tell("waited", "allowed", now, call=call, waited_s=waited_s)
        return make(Decision, (call, make(Reservation, held), None, waited_s, None))

    def _refused(self, call: Call, refusal: Refusal, now: float, waited_s: float = 0.0) -> Decision:
        self._tell("refused", refusal.reason, now, call=call, refusal=refusal, waited_s=waited_s)
        return Decision(call, refusal=refusal, waited_s=waited_s)

    def _crossed(self, crossing: Crossing) -> None:
        """A mark was reached, or it tripped: told under an id that is the same wherever it is."""
        rule = self._plan.rules.get(crossing.key.rule)
        if not isinstance(rule, Budget):
            return
        tripped, now = crossing.mark == TRIPPED, self._clock()
        # OpenSSL comes with it; many an agent crosses no threshold.
        import hashlib

        threshold = Threshold(
            rule=rule.name,
            scope=_refusals.scope_of(rule.scope, crossing.key.value),
            metric=rule.metric,
            window=rule.window,
            limit=rule.limit,
            mark=crossing.spent if tripped else crossing.mark,
            spent=crossing.spent,
        )
        seed = "\0".join(map(str, (*crossing.key, crossing.mark)))
        event_id = hashlib.blake2b(seed.encode(), digest_size=16).hexdigest()
        self._tell(
            "tripped" if tripped else "threshold",
            "budget_tripped" if tripped else "budget_threshold",
            now,
            threshold=threshold,
            detail=_refusals.tripped(rule, crossing, now) if tripped else "",
            event_id=event_id,
        )

    def _breaker_changed(self, change: Transition) -> None:
        detail = (
            f"Breaker {change.rule!r}: {change.target.name} is {change.after.replace('_', ' ')}."
        )
        self._tell("breaker", change.event, self._clock(), detail=detail, breaker=change)

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
        breaker: Transition | None = None,
    ) -> None:
        if not self._live.listeners:
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
            breaker,
        )
        tell(self._live.listeners, event)

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """Who is told of events."""
        return self._live.listeners

    def with_listener(self, listener: Listener) -> None:
        """Add a listener for all events from now on."""
        self._live.listeners = (*self._live.listeners, listener)

    # --- inside: rules that change ------------------------------------------------------------

    @property
    def follower(self) -> Follower | None:
        """Who brings changed rules to this guard and those that replace it, if anybody does."""
        return self._live.follower

    @property
    def clock(self) -> Callable[[], float]:
        """The clock that chooses windows: seconds since the epoch."""
        return self._clock

    def follow(self, follower: Follower) -> None:
        """Have rules that change brought by `follower`."""
        self._live.follower = follower

    def tell_rules(self, reason: str, detail: str) -> None:
        """Tell that rules changed, or why they could not."""
        self._tell("policy", reason, self._clock(), detail=detail)

    def replaced(
        self,
        policy: Policy,
        *,
        policy_error: ConfigError | None = None,
        ledger_error: StoreUnavailable | None = None,
    ) -> "Guard":
        """A guard with another policy over the same ledger: open reservations stay valid.

        Breakers, loops and sessions go on; events are told by the new guard only.
        """
        return Guard(
            policy,
            settings=self.settings,
            store=self.store,
            clock=self._clock,
            policy_error=policy_error,
            ledger_error=ledger_error,
            live=self._live,
        )
