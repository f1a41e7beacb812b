"""Every span learns whom it belongs to, and which span of a call is the one that is billed."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, create_key, get_value, set_value
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from spanledger import semconv
from spanledger.processors.nodes import Node, attach, node_of
from spanledger.track import Scope, current_scope

#: Instrumentation scope of the gate's own spans, which come here by `place_call`.
GATE_SCOPE = "spanledger.instrumentation"

_GATED = create_key("spanledger-gated")

#: OpenInference and OpenLLMetry name inference spans their own way.
_OPENINFERENCE_KIND = "openinference.span.kind"
_OPENINFERENCE_INFERENCE = frozenset({"LLM", "EMBEDDING", "RERANKER"})
_OPENLLMETRY_TYPE = "llm.request.type"


def gated(context: Context) -> Context:
    """`context` inside which a gate bills one call: spans of that call below it are shadows."""
    return set_value(_GATED, True, context)


@dataclass(slots=True)
class GatedCall:
    """A call that a gate bills, for spans of the same call that are not around or below it.

    `models`: the names by which such spans may call its model, the one that was asked for and
    the one that answered.
    """

    started_ns: int
    models: set[str]


#: The last calls that gates billed in this context, the newest last.
_recent: ContextVar[tuple[GatedCall, ...]] = ContextVar("spanledger-recent-calls", default=())
_RECENT = 8
#: Where the dialects write the model that was asked for, or that answered.
_MODELS = (semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL, "llm.model_name", "llm.request.model")


def note_gated_call(call: GatedCall) -> None:
    """Remember, in this context, a call that a gate bills."""
    _recent.set((*_recent.get()[1 - _RECENT :], call))


def doubles_a_gated_call(attributes: Any, start_ns: int) -> bool:
    """Whether an inference span of this context stands for a call that a gate has billed.

    Not every instrumentation has its span open and current while the client works: some make
    it afterwards, with a start in the past, some never make it current. Such a span covers the
    start of a gated call of its own model.
    """
    models = {str(attributes[name]) for name in _MODELS if name in attributes}
    return any(
        call.started_ns >= start_ns and (not models or models & call.models)
        for call in _recent.get()
    )


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
            scope = span.instrumentation_scope
            # The gate places its own spans itself: it knows what would be asked here (2 µs).
            if scope is None or scope.name != GATE_SCOPE:
                self._start(span, parent_context)
        except Exception:  # noqa: BLE001 - an exception here would reach the host application
            return

    def _start(self, span: Span, context: Context | None) -> None:
        parent_span = trace.get_current_span(context)
        parent = node_of(parent_span)
        attributes = span.attributes
        inference = is_inference(attributes)
        attach(span, Node(parent, "inference" if inference else "other"))
        stamp = scope_attributes(current_scope(context))
        if inference and semconv.BILLING not in (attributes or ()):
            if get_value(_GATED, context):
                stamp[semconv.BILLING] = "shadow"
            elif parent is not None and parent.kind == "inference":
                # The inner span is the call; the outer one only wraps it (LangChain over openai).
                parent_span.set_attribute(semconv.BILLING, "container")
        # What the span's own library says about itself is more exact than where it was made.
        if new := {name: v for name, v in stamp.items() if name not in (attributes or ())}:
            span.set_attributes(new)

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing: at this point a span can't be changed any more."""

    def shutdown(self) -> None:
        """Nothing is held."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True


def place_call(span: trace.Span, context: Context, *, attempt: bool = False) -> None:
    """Do for a span of the gate what `AttributionProcessor` does for all others.

    `attempt`: it stands for an attempt of the call whose span is current in `context`.
    """
    # The API's own spans, and perhaps a vendor's, have no place for a node.
    if not span.is_recording() or not hasattr(span, "__dict__"):
        return
    parent_span = trace.get_current_span(context)
    parent = node_of(parent_span)
    attach(span, Node(parent, "inference"))
    wraps = parent is not None and parent.kind == "inference" and not attempt
    if wraps and not get_value(_GATED, context):
        parent_span.set_attribute(semconv.BILLING, "container")
    if stamp := scope_attributes(current_scope(context)):
        span.set_attributes(stamp)


def scope_attributes(scope: Scope) -> dict[str, str]:
    """Session, agent and user as attributes."""
    stamp = {}
    if scope.session is not None:
        stamp[semconv.CONVERSATION_ID] = stamp[semconv.SESSION_ID] = scope.session
    if scope.agents:
        stamp[semconv.AGENT_NAME] = scope.agents[-1]
    if scope.user is not None:
        stamp[semconv.USER_ID] = scope.user
    return stamp
