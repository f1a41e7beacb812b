"""The span of a gated call: the inference span that is open, or one of ours if none is."""

from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from spanledger import semconv
from spanledger.guard import Decision, Refusal
from spanledger.instrumentation._error_codes import provider_code
from spanledger.instrumentation._facts import Reply, Request
from spanledger.instrumentation._failures import headers_of
from spanledger.instrumentation._outcomes import retry_after_s
from spanledger.pricing import Cost
from spanledger.processors.attribution import (
    GATE_SCOPE,
    asking,
    is_inference,
    place_call,
    scope_attributes,
)
from spanledger.processors.nodes import Node, attach, node_of
from spanledger.processors.sampling import RecordCallsSampler
from spanledger.processors.writing import write
from spanledger.track import Scope
from spanledger.usage import Usage

_USAGE_ATTRIBUTES = (
    (semconv.USAGE_CACHE_READ_TOKENS, "cache_read_tokens"),
    (semconv.USAGE_CACHE_WRITE_TOKENS, "cache_write_tokens"),
    (semconv.ANTHROPIC_CACHE_WRITE_1H_TOKENS, "cache_write_1h_tokens"),
    (semconv.USAGE_REASONING_TOKENS, "reasoning_tokens"),
)

#: Under which the providers name a request in their own logs.
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-amzn-requestid", "x-goog-request-id")


def claimable(span: Span) -> Node | None:
    """The node of an open inference span that no other call has claimed; None if it is not one."""
    if span is trace.INVALID_SPAN or not span.is_recording():
        return None
    node = node_of(span)
    attributes = getattr(span, "attributes", None)
    if node is None:
        # Its provider was made before we were installed.
        if not is_inference(attributes):
            return None
        node = Node(None, "inference")
        attach(span, node)
    if node.kind != "inference" and not is_inference(attributes):
        return None
    taken = node.on_end is not None or semconv.BILLING in (attributes or ())
    return None if taken else node


class _Tracers:
    """Our tracer of the present provider: asking the provider costs as much as a short span."""

    provider: Any = None
    tracer: Any = None


def _tracer() -> trace.Tracer:
    provider = trace.get_tracer_provider()
    if provider is not _Tracers.provider:
        _Tracers.tracer = provider.get_tracer(GATE_SCOPE)
        _Tracers.provider = provider
    return _Tracers.tracer  # type: ignore[no-any-return]  # set above


def start_span(
    request: Request, scope: Scope, parent: Span, context: Context, started_ns: int
) -> tuple[Span, Node | None]:
    """A span of our own for a call below `parent`, which is current in `context`; its node."""
    operation = request.operation
    name = f"{operation} {request.model}"
    attributes, tracer = _request_attributes(request, scope), _tracer()
    sampler = getattr(tracer, "sampler", None)
    if type(sampler) is RecordCallsSampler and sampler.is_usual:
        # Nobody looks at them before our processor, the first one, has put them on the span. The
        # SDK would go over each of them in some function calls (4 µs).
        asked = [attributes]
        inside = asking(context, asked)
        span = tracer.start_span(name, inside, SpanKind.CLIENT, start_time=started_ns)
        if asked:
            write(span, asked.pop())
    else:
        span = tracer.start_span(name, context, SpanKind.CLIENT, attributes, start_time=started_ns)
    return span, place_call(span, name, operation, started_ns, parent, context, attempt=False)


def attempt_span(
    request: Request,
    scope: Scope,
    parent: Span,
    attributes: dict[str, Any],
    *,
    start_ns: int,
    error: str,
) -> None:
    """A finished span for an attempt that failed and was followed by another."""
    context = trace.set_span_in_context(parent)
    asked = _request_attributes(request, scope)
    name = f"{request.operation} {request.model}"
    span = _tracer().start_span(
        name,
        context,
        kind=SpanKind.CLIENT,
        attributes={**asked, **attributes, semconv.BILLING: "attempt"},
        start_time=start_ns,
    )
    place_call(span, name, request.operation, start_ns, parent, context, attempt=True)
    span.set_status(Status(StatusCode.ERROR, error))
    span.end()


def _request_attributes(request: Request, scope: Scope) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        semconv.OPERATION_NAME: request.operation,
        semconv.PROVIDER_NAME: request.provider,
        semconv.REQUEST_MODEL: request.model,
    }
    if request.server_address:
        attributes[semconv.SERVER_ADDRESS] = request.server_address
    if request.max_output_tokens is not None:
        attributes[semconv.REQUEST_MAX_TOKENS] = request.max_output_tokens
    if request.stream:
        attributes[semconv.REQUEST_STREAM] = True
    attributes.update(scope_attributes(scope))
    return attributes


def foreign_request_attributes(request: Request) -> dict[str, Any]:
    """What every call record needs and a foreign dialect may name differently."""
    return {
        semconv.OPERATION_NAME: request.operation,
        semconv.PROVIDER_NAME: request.provider,
        semconv.REQUEST_MODEL: request.model,
    }


def reply_attributes(reply: Reply, usage: Usage, cost: Cost) -> dict[str, Any]:
    """Tokens, cost and identity of an answer."""
    attributes: dict[str, Any] = {
        semconv.COST_PROVENANCE: cost.provenance,
        semconv.COST_PRICE_VERSION: cost.price_version,
    }
    # What goes without saying is not said: every attribute costs the caller time.
    if usage.source != "provider":
        attributes[semconv.USAGE_SOURCE] = usage.source
    if usage.source != "missing":
        attributes[semconv.USAGE_INPUT_TOKENS] = usage.input_tokens
        attributes[semconv.USAGE_OUTPUT_TOKENS] = usage.output_tokens
        for name, field in _USAGE_ATTRIBUTES:
            if tokens := getattr(usage, field):
                attributes[name] = tokens
        if usage.service_tier and usage.service_tier != "default":
            attributes[semconv.OPENAI_RESPONSE_SERVICE_TIER] = usage.service_tier
    if cost.nano_usd is not None:
        attributes[semconv.COST_NANO_USD] = cost.nano_usd
    if reply.model:
        attributes[semconv.RESPONSE_MODEL] = reply.model
    if reply.response_id:
        attributes[semconv.RESPONSE_ID] = reply.response_id
    if reply.finish_reasons:
        attributes[semconv.RESPONSE_FINISH_REASONS] = reply.finish_reasons
    return attributes


def wait_attributes(decision: Decision) -> dict[str, Any]:
    """What the guard says of an admission that had to wait. A plain one goes without saying."""
    return {
        semconv.GUARD_DECISION: "allowed",
        semconv.GUARD_ESTIMATE: decision.call.estimate.method,
        semconv.GUARD_WAITED_S: decision.waited_s,
    }


def refusal_attributes(refusal: Refusal) -> dict[str, Any]:
    """Why a call was refused or cut."""
    attributes: dict[str, Any] = {
        semconv.GUARD_DECISION: "refused",
        semconv.GUARD_REASON: refusal.reason,
        semconv.ERROR_TYPE: type(refusal.error()).__qualname__,
    }
    if refusal.rule:
        attributes[semconv.GUARD_RULE] = refusal.rule
        attributes[semconv.GUARD_SCOPE] = refusal.scope
    return attributes


def error_attributes(error: BaseException, status: int | None) -> dict[str, Any]:
    """What is known of a failure without its text."""
    attributes: dict[str, Any] = {semconv.ERROR_TYPE: type(error).__qualname__}
    if status is not None:
        attributes[semconv.ERROR_STATUS_CODE] = status
    attributes |= response_attributes(getattr(error, "response", None), error)
    request_id = getattr(error, "request_id", None)
    if isinstance(request_id, str):
        attributes[semconv.ERROR_REQUEST_ID] = request_id
    return attributes


def response_attributes(response: Any, error: BaseException | None = None) -> dict[str, Any]:
    """What an answer that was an error says of itself, for an attempt that is tried again."""
    headers = headers_of(response)
    attributes: dict[str, Any] = {}
    for name in _REQUEST_ID_HEADERS:
        if isinstance(request_id := headers.get(name), str):
            attributes[semconv.ERROR_REQUEST_ID] = request_id
            break
    if (after_s := retry_after_s(response, error)) is not None:
        attributes[semconv.ERROR_RETRY_AFTER_S] = after_s
    if (code := provider_code(error, response)) is not None:
        attributes[semconv.ERROR_PROVIDER_CODE] = code
    return attributes
