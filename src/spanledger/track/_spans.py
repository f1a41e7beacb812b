"""Spans of sessions, agents and tools, entered like any context manager."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from spanledger import semconv
from spanledger.guard import SpanledgerRefusal
from spanledger.track._scope import Scope, current_scope, in_scope

_SCOPE_NAME = "spanledger.track"


class Tracked:
    """One span with its scope; use it in a ``with`` statement, in plain or async code.

    Made by `session`, `agent`, `user`, `operation`. Entering it twice at once is an error.
    """

    def __init__(self, name: str, attributes: Mapping[str, Any], scope: Scope) -> None:
        self._name = name
        self._attributes = dict(attributes)
        self._scope = scope
        self._token: Any = None
        self._entered = threading.Lock()
        self.span: Span = trace.INVALID_SPAN
        """The span while it is open."""

    def __enter__(self) -> Self:
        if not self._entered.acquire(blocking=False):
            raise RuntimeError(f"{self._name!r} is already entered; make another one for each use")
        # The scope goes in first, so that processors see it when the span starts.
        parent = in_scope(self._scope)
        self.span = self._start(parent)
        self._token = otel_context.attach(trace.set_span_in_context(self.span, parent))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            record_error(self.span, error)
        self.span.end()
        otel_context.detach(self._token)
        self._entered.release()

    @contextmanager
    def alone(self) -> Iterator[Span]:
        """The span without its scope: what is current stays current.

        For generators: between two steps the caller goes on with work of its own, in the same
        context, and that work is not the generator's.
        """
        span = self._start(in_scope(self._scope))
        try:
            yield span
        except GeneratorExit:  # the caller had enough; nothing failed
            raise
        except BaseException as error:
            record_error(span, error)
            raise
        finally:
            span.end()

    def _start(self, parent: Context) -> Span:
        return trace.get_tracer(_SCOPE_NAME).start_span(
            self._name, parent, kind=SpanKind.INTERNAL, attributes=self._attributes
        )


def record_error(span: Span, error: BaseException) -> None:
    """Mark `span` as failed by `error`: status, ``error.type`` and an exception event."""
    if not span.is_recording():
        return
    span.set_attribute(semconv.ERROR_TYPE, type(error).__qualname__)
    if isinstance(error, SpanledgerRefusal):
        span.set_attribute(semconv.GUARD_REASON, error.reason)
        span.set_attribute(semconv.GUARD_RULE, error.rule)
    span.record_exception(error)
    span.set_status(Status(StatusCode.ERROR, str(error)[:500]))


def session(session_id: str, *, user: str | None = None) -> Tracked:
    """One conversation or run; everything inside belongs to it.

    >>> with session("ticket-4711"):
    ...     pass
    """
    outer = current_scope()
    scope = outer._replace(
        session=_text(session_id, "session id"), agents=(), user=user or outer.user
    )
    attributes = {semconv.SPAN_KIND: "session"}
    return Tracked("session", attributes, scope)


def agent(name: str, *, agent_id: str | None = None) -> Tracked:
    """One run of an agent. Inside another agent it is that one's sub-agent.

    >>> with agent("planner"):
    ...     pass
    """
    outer = current_scope()
    scope = outer._replace(agents=(*outer.agents, _text(name, "agent name")))
    attributes = {
        semconv.OPERATION_NAME: semconv.AGENT_OPERATION,
        semconv.AGENT_NAME: name,
        semconv.SPAN_KIND: "agent",
    }
    if agent_id is not None:
        attributes[semconv.AGENT_ID] = agent_id
    return Tracked(f"{semconv.AGENT_OPERATION} {name}", attributes, scope)


def user(user_id: str) -> Tracked:
    """Whom the work inside is done for."""
    scope = current_scope()._replace(user=_text(user_id, "user id"))
    return Tracked("user", {semconv.SPAN_KIND: "user"}, scope)


def operation(name: str) -> Tracked:
    """A named piece of work of your own between agent and calls."""
    return Tracked(_text(name, "operation name"), {semconv.SPAN_KIND: "operation"}, current_scope())


def _text(value: str, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"the {what} must be a text that is not empty, not {value!r}")
    return value
