"""Every span learns whom it belongs to, and which span of a call is the one that is billed."""

from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, create_key, get_value, set_value
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from spanledger import semconv
from spanledger.processors.nodes import Node, attach, node_of
from spanledger.track import Scope, current_scope

_GATED = create_key("spanledger-gated")

#: OpenInference and OpenLLMetry name inference spans their own way.
_OPENINFERENCE_KIND = "openinference.span.kind"
_OPENINFERENCE_INFERENCE = frozenset({"LLM", "EMBEDDING", "RERANKER"})
_OPENLLMETRY_TYPE = "llm.request.type"


def gated(context: Context) -> Context:
    """`context` inside which a gate bills one call: spans of that call below it are shadows."""
    return set_value(_GATED, True, context)


def is_inference(attributes: Any) -> bool:
    """Whether a span with these attributes stands for a provider call, in any known dialect."""
    if not attributes:
        return False
    if attributes.get(semconv.OPERATION_NAME) in semconv.INFERENCE_OPERATIONS:
        return True
    if attributes.get(_OPENINFERENCE_KIND) in _OPENINFERENCE_INFERENCE:
        return True
    return _OPENLLMETRY_TYPE in attributes


class AttributionProcessor(SpanProcessor):
    """Stamps session, agent and user on spans as they start, and gives each its node."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        try:
            self._start(span, parent_context)
        except Exception:  # noqa: BLE001 - an exception here would reach the host application
            return

    def _start(self, span: Span, context: Context | None) -> None:
        parent_span = trace.get_current_span(context)
        parent = node_of(parent_span)
        attributes = span.attributes
        inference = is_inference(attributes)
        attach(span, Node(parent, "inference" if inference else "other"))
        stamp = _scope_attributes(current_scope(context))
        if inference and semconv.BILLING not in (attributes or ()):
            if get_value(_GATED, context):
                stamp[semconv.BILLING] = "shadow"
            elif parent is not None and parent.kind == "inference":
                # The inner span is the call; the outer one only wraps it (LangChain over openai).
                parent_span.set_attribute(semconv.BILLING, "container")
        if stamp:
            span.set_attributes(stamp)

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing: at this point a span can't be changed any more."""

    def shutdown(self) -> None:
        """Nothing is held."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True


def _scope_attributes(scope: Scope) -> dict[str, str]:
    stamp = {}
    if scope.session is not None:
        stamp[semconv.CONVERSATION_ID] = stamp[semconv.SESSION_ID] = scope.session
    if scope.agents:
        stamp[semconv.AGENT_NAME] = scope.agents[-1]
    if scope.user is not None:
        stamp[semconv.USER_ID] = scope.user
    return stamp
