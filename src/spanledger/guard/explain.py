"""Why a call would be refused now: every rule that concerns it, asked without changing anything.

It goes the way of `Guard.admit`: the same plan, the same arithmetic over copies of the counters,
the same refusals in the same order. A test holds the two to one answer.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

from spanledger.config import GuardSettings
from spanledger.guard import _refusals
from spanledger.guard._amounts import Amounts
from spanledger.guard._live import Live
from spanledger.guard._plan import Plan, worth_a_closer_look
from spanledger.guard._sessions import one_more
from spanledger.guard.ceilings import reached
from spanledger.guard.decision import Call, Refusal
from spanledger.guard.ledger import Demand, Key, Ledger, Shortage
from spanledger.guard.policy import Policy
from spanledger.guard.rules import (
    TOOL_CALL,
    Budget,
    RateLimit,
    concerns,
    run_of,
    target_of,
)
from spanledger.guard.stores import Store
from spanledger.lean import dataclass

RuleKind = Literal["budget", "rate limit", "breaker", "loop rule", "ceiling"]


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """What one rule says to a call. Amounts are in the metric's unit; None where there are none."""

    rule: str
    kind: RuleKind
    scope: str
    """Whom it counts the call for, such as ``agent planner``."""
    metric: str = ""
    window: str = ""
    limit: int | None = None
    """None, too, for a soft budget, which never refuses."""
    spent: int | None = None
    """Of a rate limit: all that the sliding window holds."""
    reserved: int | None = None
    asked: int | None = None
    refusal: Refusal | None = None
    """Why the call does not fit; None if it does."""
    known: bool = True
    """False: the state is in the memory of the agents' processes, and this is not one of them."""

    @property
    def fits(self) -> bool:
        return self.refusal is None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What `Guard.admit` would answer to a call now, and every rule that it would ask."""

    call: Call
    refusal: Refusal | None
    rules: tuple[RuleVerdict, ...]
    waits_s: float = 0.0
    """So long the call would wait, at the most, for calls in flight before it is refused."""

    @property
    def allowed(self) -> bool:
        return self.refusal is None

    @property
    def reason(self) -> str:
        """As in `Decision.reason`."""
        return "allowed" if self.refusal is None else self.refusal.reason


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains under one policy. `known`: `live` is what the agent's own process has seen."""

    policy: Policy
    settings: GuardSettings
    store: Store
    live: Live
    known: bool = True
    closed: Refusal | None = None
    """Why no call passes at all."""

    def explain(self, call: Call, now: float) -> Explanation:
        """The answer at `now` (seconds since the epoch).

        Raises `StoreUnavailable` if counters can't be read.
        """
        found, short = self._explain(call, now)
        if call.refine is None or not worth_a_closer_look(short):
            return found
        closer = call._replace(estimate=call.refine(), refine=None)
        return self._explain(closer, now)[0]

    def _explain(self, call: Call, now: float) -> tuple[Explanation, Shortage | None]:
        plan = Plan(self.policy, Amounts(self.settings).asked, _forget_nothing)
        demands = plan.demands(call, now)
        ledger = Ledger({key: self.store.read(key) for key in _keys(demands)})
        unpriced = self._unpriced(call)
        checks = [*self._loops(call), *self._ceilings(call), *self._breakers(call)]
        refusal, short = self._first(call, unpriced, checks), None
        if refusal is None and (short := ledger.shortage(demands)) is not None:
            refusal = _refusals.short(call, short, plan.rule(short.demand.key.rule, call), now)
        look = partial(_counted, call, ledger=ledger, unpriced=unpriced, now=now)
        counted = [look(demand, plan.rule(demand.key.rule, call)) for demand in demands]
        verdicts = (*counted, *checks)
        return Explanation(call, refusal, verdicts, self._waits_s(short)), short

    def _first(
        self, call: Call, unpriced: Sequence[Budget], checks: Sequence[RuleVerdict]
    ) -> Refusal | None:
        """The first refusal that needs no look at the ledger."""
        if self.closed is not None:
            return self.closed
        if unpriced:
            return _refusals.price_unknown(call, unpriced[0])
        return next((v.refusal for v in checks if v.refusal is not None), None)

    def _unpriced(self, call: Call) -> list[Budget]:
        """The budgets that can't be held, as nobody knows the price."""
        if call.estimate.cost_nano_usd is not None or self.settings.on_unpriced != "refuse":
            return []
        hard = (b for b in self.policy.budgets if b.metric == "cost" and b.enforce == "hard")
        return [budget for budget in hard if concerns(budget, call) and budget.values(call)]

    def _loops(self, call: Call) -> Iterator[RuleVerdict]:
        session, print_ = run_of(call), call.fingerprint
        for rule in self.policy.loops if call.operation == TOOL_CALL else ():
            found = None if print_ is None else self.live.loops.blocked(session, print_, rule)
            refusal = None if found is None else _refusals.loop_detected(call, found)
            scope, known = _refusals.scope_of("session", session), self.known and print_ is not None
            yield RuleVerdict(rule.name, "loop rule", scope, refusal=refusal, known=known)

    def _ceilings(self, call: Call) -> Iterator[RuleVerdict]:
        session, calls = run_of(call), int(call.operation != TOOL_CALL)
        after = one_more(self.live.sessions.use(session), calls=calls, depth=len(call.agents))
        for rule in self.policy.ceilings:
            hit = reached(rule, after)
            refusal = None if hit is None else _refusals.ceiling_reached(call, hit)
            scope, known = _refusals.scope_of("session", session), self.known or hit is not None
            yield RuleVerdict(rule.name, "ceiling", scope, refusal=refusal, known=known)

    def _breakers(self, call: Call) -> Iterator[RuleVerdict]:
        target, forced = target_of(call), self.live.breakers.forced()
        for rule in self.policy.breakers:
            blocked = self.live.breakers.look(target, rule)
            refusal = None if blocked is None else _refusals.circuit_open(blocked)
            known = self.known or target.name in forced or rule.name in forced
            yield RuleVerdict(rule.name, "breaker", target.name, refusal=refusal, known=known)

    def _waits_s(self, short: Shortage | None) -> float:
        contended = short is not None and short.kind == "contended"
        waits = contended and self.settings.on_contention == "wait"
        return self.settings.max_wait_s if waits else 0.0


def _counted(
    call: Call,
    demand: Demand,
    rule: Budget | RateLimit,
    *,
    ledger: Ledger,
    unpriced: Sequence[Budget],
    now: float,
) -> RuleVerdict:
    """What a rule that counts says: a demand on a counter, by itself."""
    short, refusal = ledger.shortage([demand]), None
    if isinstance(rule, Budget) and rule in unpriced:
        refusal = _refusals.price_unknown(call, rule)
    elif short is not None:
        refusal = _refusals.short(call, short, rule, now)
    # Whatever the limit is: that nothing fits below 0 says how much stands on the counter.
    used = short or ledger.shortage([demand._replace(limit=-1)])
    return RuleVerdict(
        rule.name,
        "budget" if isinstance(rule, Budget) else "rate limit",
        _refusals.scope_of(rule.scope, demand.key.value),
        rule.metric,
        _refusals.window_of(rule),
        demand.limit,
        used.spent if used else 0,
        used.reserved if used else 0,
        demand.amount,
        refusal,
    )


def _forget_nothing(_rule: str, _before: int) -> None:
    """An answer drops no counters."""


def _keys(demands: Sequence[Demand]) -> set[Key]:
    return {key for demand in demands for key in (demand.key, demand.before) if key is not None}
