"""Rules for what only has a span: tools and agents of frameworks that we do not wrap.

What our own wrappers have asked for is marked (`spanledger.kind`) and skipped, so nobody is
asked twice. Model calls are the gate's; those of clients without a gate are refused once a budget
is used up. Only rules that live in memory are looked at: a span
starts on the host's thread, maybe on its event loop.

A refusal leaves `on_start` as an exception, which stops a framework that lets it pass. Those
that swallow it meet the same refusal at the next model call, at the gate.
"""

import uuid
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span
from opentelemetry.trace import Status, StatusCode

from spanledger import semconv
from spanledger.guard import Call, Estimate, SpanledgerRefusal, ready_soon
from spanledger.guard.rules import TRACE_ID
from spanledger.processors import leaf_billing
from spanledger.processors.attribution import AttributionProcessor, take_gates
from spanledger.processors.nodes import node_of
from spanledger.processors.roles import Role, arguments_of, role_of, scope_told_by
from spanledger.track import current_scope

if TYPE_CHECKING:
    from spanledger.guard.fingerprints import Fingerprint

_NOTHING = Estimate(0, 0, 0, "none")


class EnforcementProcessor(AttributionProcessor):
    """Asks the guard about tool and agent spans that nobody of ours has asked for.

    An `AttributionProcessor` too, and not one beside it: each processor is called three times for
    a span, also for those of the gate, about which there is nothing to ask (5 µs a call).
    """

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Raises the refusal; the span is ended first, so that it is on record."""
        if take_gates(span, parent_context):
            return
        self.place(span, parent_context)
        try:
            refusal = self._refusal(span, parent_context)
        except Exception:  # noqa: BLE001 - a failure of ours must not reach the host from here
            return
        if refusal is None:
            return
        span.set_attributes(
            {
                semconv.GUARD_DECISION: "refused",
                semconv.GUARD_REASON: refusal.reason,
                semconv.GUARD_RULE: refusal.rule,
                semconv.ERROR_TYPE: type(refusal).__qualname__,
            }
        )
        span.set_status(Status(StatusCode.ERROR, str(refusal)))
        span.end()
        raise refusal

    def _refusal(self, span: Span, context: Context | None) -> SpanledgerRefusal | None:
        node = node_of(span)
        if node is not None and node.kind == "inference":
            return self._refused_call(span, context)
        attributes = span.attributes or {}
        if semconv.SPAN_KIND in attributes or (role := role_of(attributes, span.name)) is None:
            return None
        guard = ready_soon()
        if not guard.watches_tools:
            return None
        found = guard.check(_call(role, attributes, context, span.context.trace_id))
        return None if found is None else found.error()

    def _refused_call(self, span: Span, context: Context | None) -> SpanledgerRefusal | None:
        found = leaf_billing.refusal(span, current_scope(context))
        if found is None:
            return None
        span.set_attribute(semconv.BILLING, "refused")
        return found.error()


def _call(role: Role, attributes: Any, context: Context | None, trace_id: int) -> Call:
    scope = scope_told_by({**attributes}, current_scope(context))
    tool = role.name if role.kind == "tool" else None
    return Call(
        call_id=uuid.uuid4().hex,
        provider="",
        model="",
        operation=semconv.TOOL_OPERATION,
        estimate=_NOTHING,
        session=scope.session,
        agents=scope.agents,
        user=scope.user,
        tool=tool,
        attributes={**scope.attributes, TRACE_ID: f"{trace_id:032x}"},
        fingerprint=_print(tool, arguments_of(attributes)),
    )


def _print(tool: str | None, arguments: object) -> "Fingerprint | None":
    """Loop rules need arguments; a span that does not hold them says too little."""
    if tool is None or arguments is None:
        return None
    from spanledger.guard.fingerprints import fingerprint  # OpenSSL comes with it

    return fingerprint(tool, arguments)
