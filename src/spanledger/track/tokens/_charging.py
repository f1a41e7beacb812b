"""`charge=True`: an operation that no gate saw is charged to the ledger, and gets a call record."""

import time
import uuid

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from spanledger import semconv
from spanledger.guard import Call, Estimate, Spending, ready_soon
from spanledger.guard.rules import TRACE_ID
from spanledger.pricing import Cost, price
from spanledger.track._scope import SCOPE_NAME, current_scope
from spanledger.track.tokens._book import Key
from spanledger.usage import Usage


def charge(
    key: Key, provider: str, model: str, input_tokens: int, output_tokens: int, duration_s: float
) -> None:
    """Charge it by what `model` costs, and leave a span that becomes its call record.

    It has happened, so nothing is refused: a budget that is passed by it refuses what comes next.
    Without a price it is counted in tokens and stands as ``unpriced``.
    """
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    ended_ns = time.time_ns()
    cost = price(provider, model, usage, at=ended_ns / 1e9)
    span = trace.get_tracer(SCOPE_NAME).start_span(
        f"{key.operation} {model}",
        kind=SpanKind.INTERNAL,
        attributes=_attributes(key, provider, model, usage, cost),
        start_time=ended_ns - int(duration_s * 1e9),
    )
    span.end(ended_ns)
    call = _call(key, provider, model, usage, cost)
    ready_soon().charge(call, Spending(usage.total_tokens, cost.nano_usd))


def _call(key: Key, provider: str, model: str, usage: Usage, cost: Cost) -> Call:
    scope = current_scope()
    here = trace.get_current_span().get_span_context()
    run = {TRACE_ID: trace.format_trace_id(here.trace_id)} if here.is_valid else {}
    return Call(
        call_id=uuid.uuid4().hex,
        provider=provider,
        model=model,
        operation=_kind(key),
        estimate=Estimate(usage.input_tokens, usage.output_tokens, cost.nano_usd, "tracked"),
        session=scope.session,
        agents=scope.agents,
        user=scope.user,
        tool=scope.tool,
        attributes={**run, **scope.attributes},
    )


def _kind(key: Key) -> str:
    """A model was asked, whatever the program calls it."""
    return key.operation if key.operation in semconv.INFERENCE_OPERATIONS else "chat"


def _attributes(
    key: Key, provider: str, model: str, usage: Usage, cost: Cost
) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        semconv.OPERATION_NAME: _kind(key),
        semconv.PROVIDER_NAME: provider,
        semconv.REQUEST_MODEL: model,
        semconv.USAGE_INPUT_TOKENS: usage.input_tokens,
        semconv.USAGE_OUTPUT_TOKENS: usage.output_tokens,
        semconv.BILLING: "call",
        semconv.COST_PROVENANCE: cost.provenance,
        semconv.COST_PRICE_VERSION: cost.price_version,
    }
    if cost.nano_usd is not None:
        attributes[semconv.COST_NANO_USD] = cost.nano_usd
    return attributes
