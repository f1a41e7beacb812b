"""Every span learns whom it belongs to, and which span of a call is the one that is billed."""

from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, create_key, get_value
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from spanledger import semconv
from spanledger.health.usage import read_usage
from spanledger.processors.nodes import Kind, Node, attach, node_of
from spanledger.processors.roles import scope_told_by
from spanledger.processors.writing import write
from spanledger.track import Scope, bind_scope, current_scope, is_bound
from spanledger.usage.dialect_table import ALIASES
from spanledger.usage.dialects import operation_of

#: Instrumentation scope of the gate's own spans, which come here by `place_call`.
GATE_SCOPE = "spanledger.instrumentation"

_GATED = create_key("spanledger-gated")
#: Where the attributes of a span of the gate stand when it starts: in a list, to be taken out.
_ASKED = create_key("spanledger-asked")
#: Where the API keeps the current span in a context.
(_CURRENT_SPAN,) = trace.set_span_in_context(trace.INVALID_SPAN, Context())

_LABELS = (
    semconv.SPAN_KIND,
    semconv.OPERATION_NAME,
    "openinference.span.kind",
    "traceloop.span.kind",
)


def gated(context: Context, span: trace.Span | None = None) -> Context:
    """`context` inside which a gate bills one call: spans of that call below it are shadows.

    `span` is current in it, if given.
    """
    # Made at once: with the API's functions it would be copied four times.
    if span is None:
        return Context({**context, _GATED: True})
    return Context({**context, _GATED: True, _CURRENT_SPAN: span})


@dataclass(slots=True)
class GatedCall:
    """A call that a gate bills, for spans of the same call that are not around or below it."""

    started_ns: int
    model: str
    """That was asked for. Spans of the same call may have the name of the one that answered."""
    answered_by: str = ""
    response_id: str = ""
    ended_ns: int = 0
    """0: it is under way."""

    def over(self, model: str | None, response_id: str | None, now_ns: int) -> None:
        """It has ended; what its answer says of itself."""
        self.ended_ns = now_ns
        self.answered_by = model or ""
        self.response_id = response_id or ""


#: The last calls that gates billed in this context, the newest last.
_recent: ContextVar[tuple[GatedCall, ...]] = ContextVar("spanledger-recent-calls", default=())
_RECENT = 8
#: The same of all contexts: a stream may be read in another one.
_recent_anywhere: deque[GatedCall] = deque(maxlen=256)
#: Where the dialects write the model that was asked for, or that answered.
_MODELS = (
    *(semconv.REQUEST_MODEL, *ALIASES[semconv.REQUEST_MODEL]),
    *(semconv.RESPONSE_MODEL, *ALIASES[semconv.RESPONSE_MODEL]),
)


def note_gated_call(call: GatedCall) -> None:
    """Remember, in this context, a call that a gate bills."""
    _recent.set((*_recent.get()[1 - _RECENT :], call))
    _recent_anywhere.append(call)


def models_of(attributes: Any) -> set[str]:
    """The models that an inference span names."""
    return {str(attributes[name]) for name in _MODELS if name in attributes}


def doubles_a_gated_call(
    attributes: Any, start_ns: int, *, response_id: str = "", anywhere: bool = False
) -> bool:
    """Whether an inference span of this context stands for a call that a gate has billed.

    Not every instrumentation has its span open and current while the client works: some make
    it afterwards, with a start in the past, some never make it current. Such a span covers the
    start of a gated call of its own model, or has the same id of an answer at the same time (ids
    alone say little: small servers draw them from a thousand).

    `anywhere`: the span is of a client library that has a gate, so its call went through it, in
    whatever context; it need only have been at the same time.
    """
    models = models_of(attributes)
    for call in list(_recent_anywhere) if anywhere else _recent.get():
        while_under_way = not 0 < call.ended_ns < start_ns
        if while_under_way and response_id and response_id == call.response_id:
            return True
        covered = call.started_ns >= start_ns or (anywhere and while_under_way)
        if covered and (not models or call.model in models or call.answered_by in models):
            return True
    return False


def is_inference(attributes: Any) -> bool:
    """Whether a span with these attributes stands for a provider call, in any known dialect."""
    if not attributes:
        return False
    return operation_of(attributes) is not None


def _node(span: Any, parent: Node | None, label: str, *, inference: bool) -> Node:
    """The node of a span that starts."""
    kind: Kind = "inference" if inference else "other"
    node = Node(parent, kind, span.name, label, span.start_time or 0)
    if label == "session":
        node.baseline = read_usage()
    return node


def asking(context: Context, asked: list[dict[str, Any]]) -> Context:
    """`context` to start a span of the gate in, whose attributes are the one item of `asked`."""
    return Context({**context, _ASKED: asked})


def asked_in(context: Context | None) -> dict[str, Any] | None:
    """The attributes of the gate's span that starts in `context`, if nobody took them yet."""
    asked: Any = None if context is None else context.get(_ASKED)
    return asked[0] if asked else None


def take_gates(span: Span, context: Context | None) -> bool:
    """Whether a span that starts is the gate's own; if so, its attributes are put on it."""
    asked: Any = None if context is None else context.get(_ASKED)
    if asked:
        write(span, asked.pop())
        return True
    scope = span.instrumentation_scope
    return scope is not None and scope.name == GATE_SCOPE


def _table(attributes: Any) -> Any:
    """The dictionary behind the attributes of a span that starts.

    The SDK's own mapping takes a lock for each question, and an exception for each no (1 µs).
    """
    return getattr(attributes, "_dict", attributes)


def label_of(attributes: Any) -> str:
    """What a span stands for, in its own words: ``session``, ``tool``, ``chat`` …"""
    if not attributes:
        return ""
    for name in _LABELS:
        if label := attributes.get(name):
            return str(label)
    return ""


def _scope_of(span: Span, parent: trace.Span, attributes: Any, context: Context | None) -> Scope:
    """Whom a span belongs to; what a framework's span adds to that holds for all below it."""
    scope = current_scope(context)
    if not attributes or semconv.SPAN_KIND in attributes:
        told = scope
    else:
        told = scope_told_by(attributes, scope, span.name)
    if told is not scope or is_bound(parent, scope):
        bind_scope(span, told)
    return told


class AttributionProcessor(SpanProcessor):
    """Stamps session, agent and user on spans as they start, and gives each its node."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        # The gate places its own spans itself: it knows what would be asked here (2 µs).
        if not take_gates(span, parent_context):
            self.place(span, parent_context)

    def place(self, span: Span, parent_context: Context | None) -> None:
        """Do that for a span of somebody else that starts."""
        try:
            self._place(span, parent_context)
        except Exception:  # noqa: BLE001 - an exception here would reach the host application
            return

    def _place(self, span: Span, context: Context | None) -> None:
        parent_span = trace.get_current_span(context)
        parent = node_of(parent_span)
        attributes = _table(span.attributes)
        inference = is_inference(attributes)
        label = label_of(attributes) or ("inference" if inference else "")
        node = _node(span, parent, label, inference=inference)
        node.scope = scope = _scope_of(span, parent_span, attributes, context)
        attach(span, node)
        stamp = scope_attributes(scope)
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


def place_call(
    span: trace.Span,
    name: str,
    operation: str,
    started_ns: int,
    parent_span: trace.Span,
    context: Context,
    *,
    attempt: bool,
) -> Node | None:
    """Do for a span of the gate what `AttributionProcessor` does for all others; its node.

    Whom it belongs to is on it already. `attempt`: it stands for an attempt of the call whose
    span is `parent_span`, the current one in `context`.
    """
    # The API's own spans, and perhaps a vendor's, have no place for a node.
    if not span.is_recording() or not hasattr(span, "__dict__"):
        return None
    parent = None if parent_span is trace.INVALID_SPAN else node_of(parent_span)
    node = Node(parent, "inference", name, operation, started_ns)
    attach(span, node)
    wraps = parent is not None and parent.kind == "inference" and not attempt
    if wraps and not get_value(_GATED, context):
        parent_span.set_attribute(semconv.BILLING, "container")
    return node


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
