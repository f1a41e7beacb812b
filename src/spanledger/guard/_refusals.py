"""Why a call is refused, put into values and sentences. Pure."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spanledger.config import ConfigError
from spanledger.guard.decision import Call, Reason, Refusal, show_amount
from spanledger.guard.ledger import Crossing, Key, Shortage
from spanledger.guard.rules import Budget, RateLimit
from spanledger.guard.stores.errors import StoreUnavailable
from spanledger.guard.windows import bounds

if TYPE_CHECKING:
    from spanledger.guard.breaker import Blocked
    from spanledger.guard.ceilings import CeilingHit
    from spanledger.guard.loops import LoopFinding

_CUT_ADVICE = "The answer outgrew what the call had reserved: set max_tokens, or raise the limit."


def short(
    call: Call,
    shortage: Shortage,
    rule: Budget | RateLimit,
    now: float,
    *,
    cut: bool = False,
) -> Refusal:
    """The refusal for a demand that does not fit. `cut`: of a stream that is under way."""
    demand = shortage.demand
    reason, retry_after_s, advice = _explain(call, shortage, rule, now)
    if cut and shortage.trip is None:
        advice = f"{_CUT_ADVICE} {_trip_advice(rule, shortage)}".rstrip()
    return Refusal(
        "stream_exhausted" if cut else reason,
        rule=rule.name,
        scope=scope_of(rule.scope, demand.key.value),
        metric=rule.metric,
        window=window_of(rule),
        limit=demand.limit,
        spent=shortage.spent,
        reserved=shortage.reserved,
        asked=demand.amount,
        retry_after_s=retry_after_s,
        detail=_tripped_detail(shortage, rule, cut=cut),
        advice=advice,
    )


def tripped(rule: Budget, crossing: Crossing, now: float) -> str:
    """That a budget has tripped, when calls pass again, and how they can before that."""
    scope = scope_of(rule.scope, crossing.key.value)
    spent, limit = (show_amount(rule.metric, n) for n in (crossing.spent, rule.limit))
    return (
        f"Budget {rule.name!r} tripped (scope {scope}, window {rule.window}): {spent} of {limit} "
        f"is spent, and a call had no room. {_stays_so(rule, crossing.key)}"
    )


def _tripped_detail(shortage: Shortage, rule: Budget | RateLimit, *, cut: bool) -> str:
    """When and by what, if the budget had tripped before."""
    if (trip := shortage.trip) is None:
        return ""
    limit, spent, reserved, asked = (show_amount(rule.metric, amount) for amount in trip[1:])
    head = "The stream was cut: budget" if cut else "Budget"
    at = datetime.fromtimestamp(trip.at, UTC)
    return (
        f"{head} {rule.name!r} tripped at {at:%Y-%m-%d %H:%M:%S} UTC, when a call asked {asked} "
        f"(limit {limit}, spent {spent}, reserved {reserved}). Now"
    )


def _trip_advice(rule: Budget | RateLimit, shortage: Shortage) -> str:
    if not isinstance(rule, Budget) or not rule.trip or shortage.kind == "limited":
        return ""
    return f"That trips the budget. {_stays_so(rule, shortage.demand.key)}"


def _stays_so(rule: Budget, key: Key) -> str:
    from shlex import quote  # only for refusals

    value = f" --value {quote(key.value)}" if key.value else ""
    reset = f"`spanledger budget reset {quote(rule.name)}{value}`"
    until = "" if rule.window == "total" else f"the {rule.window} ends, or "
    return f"Every call that it counts is refused until {until}somebody says {reset}."


def window_of(rule: Budget | RateLimit) -> str:
    """How long a rule counts: ``day``, ``minute``, or ``at once``."""
    return rule.window if isinstance(rule, Budget) else (rule.per or "at once")


def scope_of(scope: str, value: str) -> str:
    """A scope with whom it counts: ``global``, ``agent planner``."""
    return f"{scope} {value}" if value else scope


def _explain(
    call: Call, shortage: Shortage, rule: Budget | RateLimit, now: float
) -> tuple[Reason, float | None, str]:
    if isinstance(rule, RateLimit):
        return _explain_rate(shortage, rule, now)
    if shortage.kind == "contended":
        advice = "Wait for the calls in flight, run fewer at once, or raise the limit."
        return "budget_contended", None, advice
    _start, end = bounds(now, rule.window, rule.zone)
    retry_after_s = None if end is None else max(0.0, end - now)
    if shortage.kind == "tripped":
        return "budget_tripped", retry_after_s, _stays_so(rule, shortage.demand.key)
    advice = _trip_advice(rule, shortage) or _budget_advice(call, shortage, rule)
    return "budget_exhausted", retry_after_s, advice


def _explain_rate(
    shortage: Shortage, rate: RateLimit, now: float
) -> tuple[Reason, float | None, str]:
    if rate.metric == "concurrency":
        return "concurrency_limited", None, "Wait for a call to end, or raise the limit."
    asked = shortage.demand.amount
    after_s = rate.retry_after_s(now, shortage.spent, asked)
    if after_s is None:
        return "rate_limited", None, "The call alone asks more than the limit: ask for less."
    return "rate_limited", after_s, "Slow down, or raise the limit."


def _budget_advice(call: Call, shortage: Shortage, budget: Budget) -> str:
    room = budget.limit - shortage.spent
    if budget.metric != "calls" and room > 0 and "ceiling" in call.estimate.method:
        return "The request sets no output limit, so the model's ceiling was asked: set max_tokens."
    smaller = "Ask for less (max_tokens, a cheaper model), or raise" if room > 0 else "Raise"
    if budget.window == "total":
        return f"{smaller} the limit."
    return f"{smaller} the limit, or wait for the next window."


def price_unknown(call: Call, budget: Budget) -> Refusal:
    """A cost budget applies, and nobody knows what the model costs."""
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
            "SPANLEDGER_ON_UNPRICED=ceiling_price or count_tokens_only."
        ),
    )


def policy_unreadable(error: ConfigError) -> Refusal:
    """Nothing is let through until the policy is mended."""
    return Refusal(
        "policy_unreadable",
        detail=f"Calls are refused because the policy can't be read: {error}",
        advice="Mend the file, or set SPANLEDGER_ON_INVALID_POLICY=warn to run unguarded.",
    )


def circuit_open(blocked: "Blocked") -> Refusal:
    """A breaker holds the call back."""
    return Refusal(
        "circuit_open",
        rule=blocked.rule,
        scope=blocked.target.name,
        metric="failures",
        detail=blocked.sentence(),
        retry_after_s=blocked.retry_after_s,
        advice="Fall back to another model, or wait.",
    )


def ceiling_reached(call: Call, hit: "CeilingHit") -> Refusal:
    """A session has reached a hard ceiling."""
    return Refusal(
        "ceiling_reached",
        rule=hit.rule,
        scope=scope_of("session", call.session or "(none)"),
        metric=hit.ceiling.removeprefix("max_"),
        detail=hit.sentence(),
        advice="Start a new session, or raise the ceiling.",
    )


def loop_detected(call: Call, finding: "LoopFinding") -> Refusal:
    """The agent would go on in a circle."""
    return Refusal(
        "loop_detected",
        rule=finding.rule,
        scope=scope_of("session", call.session or "(none)"),
        metric="repetitions",
        detail=finding.sentence(),
        advice="Do something else: another tool, other arguments, or stop.",
    )


def ledger_unavailable(error: StoreUnavailable) -> Refusal:
    """The ledger can't be read or written, so nothing that it counts is let through."""
    return Refusal(
        "ledger_unavailable",
        scope=error.store,
        detail=f"Calls are refused, for the ledger {error.store} can't be used: {error.problem}.",
        advice=error.advice,
    )
