"""Calls that no gate saw: the innermost inference span of somebody else is their bill.

When it ends it gets the conventions' attributes, tokens in normal form, a cost and the mark
`spanledger.billing = call`, and the ledger is told. What is below or beside the bill of the same
call is a shadow, what is around it a container; neither is charged. The attributes that its own
library wrote under names of its own stay as they are, for the other exporters of the host.
"""

import logging
import time
from collections import deque
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.sdk.trace import Span
from opentelemetry.trace import StatusCode

from spanledger import semconv
from spanledger.guard import Call, Estimate, Refusal, Spending, ready_soon
from spanledger.guard.rules import TRACE_ID
from spanledger.processors import gates
from spanledger.processors.attribution import GATE_SCOPE, doubles_a_gated_call, models_of
from spanledger.processors.nodes import Node
from spanledger.track import Scope, current_scope
from spanledger.usage import MISSING, Usage, dialects
from spanledger.usage.dialects import Inference

if TYPE_CHECKING:
    from spanledger.pricing import Cost

__all__ = ["refusal", "settle"]

_log = logging.getLogger("spanledger.processors")

#: Errors that a provider's answer was: such a call costs nothing.
_REFUSED_BY_PROVIDER: Final = frozenset(
    {
        "AuthenticationError",
        "BadRequestError",
        "ConflictError",
        "NotFoundError",
        "PermissionDeniedError",
        "RateLimitError",
        "RequestTooLargeError",
        "ThrottlingException",
        "UnprocessableEntityError",
        "ValidationException",
    }
)
_STATUS_NAMES: Final = ("http.response.status_code", "http.status_code", semconv.ERROR_TYPE)
#: Errors of ours, by the names under which a span has them.
_OURS: Final = frozenset(
    {
        "BudgetExceeded",
        "CeilingReached",
        "CircuitOpen",
        "GuardUnavailable",
        "LoopDetected",
        "PriceUnknown",
        "RateLimited",
    }
)
_NOT_CHARGED: Final = Usage()


class _Billed(NamedTuple):
    """A call that was billed here, to know its double by."""

    scope: str
    trace_id: int
    parent_id: int
    started_ns: int
    ended_ns: int
    models: set[str]
    response_id: str
    usage: Usage


#: The last ones. A double ends about when the bill does.
_billed: deque[_Billed] = deque(maxlen=128)
#: The last ones of this context: their doubles need not have the same parent, or any.
_billed_here: ContextVar[tuple[_Billed, ...]] = ContextVar("spanledger-billed", default=())
_HERE = 8
#: A span that starts longer ago than this when it is made is a report, not a beginning.
_LATE_NS: Final = 50_000_000


def settle(span: Span, node: Node) -> None:
    """Say of an inference span that nobody has claimed how it counts, and charge it if it does."""
    if (scope := _scope_of(span)) == GATE_SCOPE:
        return
    attributes = dict(span.attributes or {})
    found = None if semconv.BILLING in attributes else dialects.read(attributes, scope)
    if found is None:
        return
    node.kind = "inference"
    if (mark := _mark(span, node, attributes, found)) != "call":
        span.set_attribute(semconv.BILLING, mark)
        return
    try:
        _bill(span, node, attributes, found)
    except Exception:  # noqa: BLE001 - the host's span must end whatever happens here
        _log.exception("a call that no gate saw could not be billed")


def refusal(span: Span, scope: Scope) -> Refusal | None:
    """Why a call that only this span tells of must not begin; None if it may, or a gate asks."""
    attributes = span.attributes or {}
    if semconv.BILLING in attributes:
        return None
    scope_name = _scope_of(span)
    # To refuse what is sent all the same would only hide it.
    if not dialects.is_stoppable(scope_name) or _was_before(span):
        return None
    found = dialects.read(attributes, scope_name)
    if found is None:
        return None
    client = dialects.client_of(scope_name, found.provider)
    if not client or gates.is_gated(client):
        return None
    return ready_soon().used_up(_call(span, found, Estimate(0, 0, 0, "none"), scope, attributes))


def _was_before(span: Span) -> bool:
    """Whether the span is made after its call, with a start in the past."""
    return time.time_ns() - (span.start_time or 0) > _LATE_NS


def _scope_of(span: Span) -> str:
    scope = span.instrumentation_scope
    return "" if scope is None else scope.name


def _parent_of(span: Span) -> int:
    return span.parent.span_id if span.parent is not None else 0


# --- which span is the bill ----------------------------------------------------------------


def _mark(span: Span, node: Node, attributes: Mapping[str, Any], found: Inference) -> str:
    if node.holds_call:
        return "container"
    if node.inside_billed() or _doubles(span, attributes, found):
        return "shadow"
    error = str(attributes.get(semconv.ERROR_TYPE, "")).rpartition(".")[2]
    return "refused" if error in _OURS else "call"


def _doubles(span: Span, attributes: Mapping[str, Any], found: Inference) -> bool:
    scope = _scope_of(span)
    gated = gates.is_gated(dialects.client_of(scope, found.provider))
    started_ns, answer = span.start_time or 0, found.response_id
    if doubles_a_gated_call(attributes, started_ns, response_id=answer, anywhere=gated):
        return True
    models = models_of(attributes)
    return any(_is_double(span, scope, models, found, billed) for billed in list(_billed))


def _is_double(span: Span, scope: str, models: set[str], found: Inference, billed: _Billed) -> bool:
    """Whether another instrumentation has been billed for the same call.

    One instrumentation makes one span for a call, and two are there at the same time. The
    provider's own id of an answer decides where both have it; else they are for the same model,
    tell the same input, and are side by side or one covers the start of the other.
    """
    started_ns = span.start_time or 0
    if billed.scope == scope or billed.ended_ns < started_ns:
        return False
    if found.response_id and billed.response_id:
        return found.response_id == billed.response_id
    if models and billed.models and not models & billed.models:
        return False
    if not _same_input(found.usage, billed.usage):
        return False
    beside = (span.context.trace_id, _parent_of(span)) == (billed.trace_id, billed.parent_id)
    return beside or (billed in _billed_here.get() and billed.started_ns >= started_ns)


def _same_input(one: Usage, other: Usage) -> bool:
    known = "missing" not in (one.source, other.source)
    return not known or one.input_tokens == other.input_tokens


# --- the bill ------------------------------------------------------------------------------


def _bill(span: Span, node: Node, attributes: Mapping[str, Any], found: Inference) -> None:
    # Loaded with the first bill, as are prices: most processes have a gate for each client.
    from spanledger.track import tokens

    usage = _charged(span, attributes, found)
    cost = _price(found, usage, (span.start_time or time.time_ns()) / 1e9)
    span.set_attributes(_record(attributes, found, usage, cost))
    node.billed = True
    node.add(cost_nano_usd=cost.nano_usd, tokens=usage.total_tokens)
    _remember(span, attributes, found)
    used = Estimate(usage.input_tokens, usage.output_tokens, cost.nano_usd, "span")
    call = _call(span, found, used, node.scope or current_scope(), attributes)
    known = None if usage.source == "missing" else usage.total_tokens
    spending = Spending(known, cost.nano_usd, estimated=usage.source != "provider")
    ready_soon().charge(call, spending)
    tokens.saw_call(
        call.session,
        call.tool,
        found.operation,
        usage.input_tokens,
        usage.output_tokens,
        duration_s=max(0, time.time_ns() - (span.start_time or time.time_ns())) / 1e9,
        tally=tokens.current_tally(),
    )


def _remember(span: Span, attributes: Mapping[str, Any], found: Inference) -> None:
    billed = _Billed(
        scope=_scope_of(span),
        trace_id=span.context.trace_id,
        parent_id=_parent_of(span),
        started_ns=span.start_time or 0,
        ended_ns=time.time_ns(),
        models=models_of(attributes),
        response_id=found.response_id,
        usage=found.usage,
    )
    _billed.append(billed)
    _billed_here.set((*_billed_here.get()[1 - _HERE :], billed))


def _charged(span: Span, attributes: Mapping[str, Any], found: Inference) -> Usage:
    """What the span says; nothing for a call that the provider turned away."""
    if found.usage.source != "missing" or span.status.status_code is not StatusCode.ERROR:
        return found.usage
    return _NOT_CHARGED if _turned_away(attributes) else MISSING


def _turned_away(attributes: Mapping[str, Any]) -> bool:
    for name in _STATUS_NAMES:
        value = str(attributes.get(name, ""))
        if value.isdecimal() and 400 <= int(value) < 500:
            return True
    return str(attributes.get(semconv.ERROR_TYPE, "")).rpartition(".")[2] in _REFUSED_BY_PROVIDER


def _price(found: Inference, usage: Usage, at_s: float) -> "Cost":
    """By the name that answered, else by the one that was asked."""
    from spanledger import pricing

    if usage is _NOT_CHARGED:
        return pricing.Cost(0, "computed", "")
    cost = pricing.price(found.provider, found.model, usage, at=at_s)
    if cost.nano_usd is None and found.request_model not in {"", found.model}:
        cost = pricing.price(found.provider, found.request_model, usage, at=at_s)
    if cost.nano_usd is not None and not found.provider:
        # Whose price it is was told by the name of the model only.
        return pricing.Cost(cost.nano_usd, "estimated", cost.price_version)
    return cost


def _record(
    attributes: Mapping[str, Any], found: Inference, usage: Usage, cost: "Cost"
) -> dict[str, Any]:
    """What a call record needs and the span does not say yet, or not in the conventions' sense."""
    named = dialects.canonical(found._replace(usage=usage))
    record = {name: value for name, value in named.items() if attributes.get(name) != value}
    record[semconv.BILLING] = "call"
    record[semconv.COST_PROVENANCE] = cost.provenance
    record[semconv.COST_PRICE_VERSION] = cost.price_version
    if cost.nano_usd is not None:
        record[semconv.COST_NANO_USD] = cost.nano_usd
    if usage.source != "provider":
        record[semconv.USAGE_SOURCE] = usage.source
    if found.foreign_cost_usd is not None:
        record[semconv.COST_FOREIGN_USD] = found.foreign_cost_usd
    return record


def _call(
    span: Span, found: Inference, used: Estimate, scope: Scope, attributes: Mapping[str, Any]
) -> Call:
    context = span.context
    agent = attributes.get(semconv.AGENT_NAME)
    agents = scope.agents or ((agent,) if isinstance(agent, str) and agent else ())
    return Call(
        call_id=f"{context.trace_id:032x}-{context.span_id:016x}",
        provider=found.provider,
        model=found.request_model or found.response_model,
        operation=found.operation,
        estimate=used,
        session=scope.session or found.conversation or None,
        agents=agents,
        user=scope.user or found.user or None,
        tool=scope.tool,
        attributes={**scope.attributes, TRACE_ID: f"{context.trace_id:032x}"},
    )
