"""The span under which a gated call is billed: whose it is, and what is written on it."""

import time
from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode

from spanledger import semconv
from spanledger.guard import Refusal
from spanledger.instrumentation import _spans
from spanledger.instrumentation._facts import ReportedFailure, Request
from spanledger.instrumentation._failures import status_of
from spanledger.processors import errors, providers
from spanledger.processors.span_end import end_call
from spanledger.processors.writing import write
from spanledger.track import Scope


class CallSpan:
    """The inference span that is open and free, else one of ours.

    `on_end` is called if somebody ends the span before `finish`.
    """

    __slots__ = ("node", "owned", "scope", "span")

    def __init__(
        self,
        request: Request,
        scope: Scope,
        span: Span,
        context: Context,
        started_ns: int,
        on_end: Callable[[Any], None],
    ) -> None:
        """`span` is the current one of `context`."""
        providers.ensure()
        self.scope = scope
        node = _spans.claimable(span)
        self.owned = node is None
        if node is None:
            span, node = _spans.start_span(request, scope, span, context, started_ns)
        if node is not None:
            # It also says that the span is taken, to a call from inside this one.
            node.on_end = on_end
        self.span = span
        self.node = node

    def count(self, *, cost_nano_usd: int | None, tokens: int) -> None:
        """Add what was charged to the totals of this span and of all around it."""
        if self.node is not None:
            self.node.add(cost_nano_usd=cost_nano_usd, tokens=tokens)

    def leave(self, request: Request) -> None:
        """Its owner ends the span before the call is over: the call gets one of its own."""
        self.span.set_attribute(semconv.BILLING, "container")
        context = trace.set_span_in_context(self.span)
        self.span, self.node = _spans.start_span(
            request, self.scope, self.span, context, time.time_ns()
        )
        self.owned = True

    def still_open(self) -> bool:
        """Whether there is anything to write on. From here on nobody is told of its end."""
        if self.node is not None:
            self.node.on_end = None
        return self.span.is_recording()

    def finish(
        self,
        attributes: dict[str, Any],
        error: BaseException | None,
        refusal: Refusal | None,
    ) -> None:
        """Write what is billed; end the span if it is ours."""
        write(self.span, attributes)
        if error is not None:
            errors.call_fails(self.span, error)
        if self.owned:
            if error is not None or refusal is not None:
                text = str(error)[:500] if refusal is None else refusal.sentence()
                self.span.set_status(Status(StatusCode.ERROR, text))
            self.end_own()
        elif self.node is not None:
            # The instrumentation whose span this is may still write its own reading of the
            # reply; what is billed has the last word.
            self.node.on_end = lambda span: span.set_attributes(attributes)

    def end_own(self) -> None:
        """End the span if it is ours."""
        if not self.owned:
            return
        if self.node is not None:
            self.node.complete = True
        end_call(self.span, self.node)


def failure_attributes(error: BaseException | None, refusal: Refusal | None) -> dict[str, Any]:
    """Why a call failed, was refused or cut."""
    if refusal is not None:
        return _spans.refusal_attributes(refusal)
    if isinstance(error, ReportedFailure):
        return {semconv.ERROR_TYPE: error.code, **_spans.response_attributes(None, error)}
    return {} if error is None else _spans.error_attributes(error, status_of(error))
