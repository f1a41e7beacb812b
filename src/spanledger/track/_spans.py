"""Spans of sessions, agents and tools, entered like any context manager."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Literal, ParamSpec, Self, TypeVar, cast, get_args

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from spanledger import semconv
from spanledger.guard import SpanledgerRefusal
from spanledger.track._content import note_command
from spanledger.track._kinds import Steps, around
from spanledger.track._scope import SCOPE_NAME, Scope, current_scope, in_scope

P = ParamSpec("P")
R = TypeVar("R")


def _same(scope: Scope) -> Scope:
    return scope


class Tracked:
    """One span with its scope: for a ``with`` or ``async with`` statement, or as a decorator.

    Made by `session`, `agent`, `user`, `operation`. Entering it twice at once is an error; as a
    decorator it makes a span for each call, of functions and generators, plain and async.

    >>> @agent("planner")
    ... async def plan(goal: str) -> str:
    ...     return goal
    """

    def __init__(
        self, name: str, attributes: Mapping[str, Any], inside: Callable[[Scope], Scope] = _same
    ) -> None:
        self._name = name
        self._attributes = dict(attributes)
        self._inside = inside
        self._token: Any = None
        self._entered = threading.Lock()
        self.span: Span = trace.INVALID_SPAN
        """The span while it is open."""

    def __enter__(self) -> Self:
        if not self._entered.acquire(blocking=False):
            raise RuntimeError(f"{self._name!r} is already entered; make another one for each use")
        # The scope goes in first, so that processors see it when the span starts.
        parent = in_scope(self._inside(current_scope()))
        self.span = self._start(parent)
        self._token = otel_context.attach(trace.set_span_in_context(self.span, parent))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._finish(error)
        otel_context.detach(self._token)
        self._entered.release()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]:
        def start(_args: Sequence[Any], _kwargs: Mapping[str, Any]) -> "Running":
            return Running(self.again())

        return cast("Callable[P, R]", around(function, start))

    def again(self) -> Self:
        """Another one like this, for another use."""
        return type(self)(self._name, self._attributes, self._inside)

    @contextmanager
    def stepping(self) -> Iterator[Steps]:
        """The span for a generator: current in its own steps, and in nobody else's."""
        parent = in_scope(self._inside(current_scope()))
        self.span = self._start(parent)
        failure: BaseException | None = None
        try:
            yield Steps(trace.set_span_in_context(self.span, parent))
        except GeneratorExit:  # the caller had enough; nothing failed
            raise
        except BaseException as error:
            failure = error
            raise
        finally:
            self._finish(failure)

    def _finish(self, error: BaseException | None) -> None:
        if error is not None:
            record_error(self.span, error)
        self.span.end()

    def _start(self, parent: Context) -> Span:
        return trace.get_tracer(SCOPE_NAME).start_span(
            self._name, parent, kind=SpanKind.INTERNAL, attributes=self._attributes
        )


class Running:
    """One call of a function that is decorated with a `Tracked`."""

    def __init__(self, tracked: Tracked) -> None:
        self._tracked = tracked

    def plain(self) -> Tracked:
        return self._tracked

    coroutine = plain

    @contextmanager
    def generator(self) -> Iterator[Steps]:
        with self._tracked.stepping() as steps:
            yield steps

    @asynccontextmanager
    async def async_generator(self) -> AsyncIterator[Steps]:
        with self._tracked.stepping() as steps:
            yield steps

    def returned(self, value: Any) -> None:
        """What an agent says is content."""

    def yielded(self, value: Any) -> None:
        """As `returned`."""


def record_error(span: Span, error: BaseException) -> None:
    """Mark `span` as failed by `error`: status, ``error.type`` and an exception event."""
    if not span.is_recording():
        return
    span.set_attribute(semconv.ERROR_TYPE, type(error).__qualname__)
    if isinstance(error, SpanledgerRefusal):
        span.set_attribute(semconv.GUARD_REASON, error.reason)
        span.set_attribute(semconv.GUARD_RULE, error.rule)
    try:
        span.record_exception(error)
        text = str(error)[:500]
    except Exception:  # noqa: BLE001 - an error whose `__str__` raises must not replace itself
        text = type(error).__qualname__
    span.set_status(Status(StatusCode.ERROR, text))


SessionStatus = Literal["success", "error", "completed", "incomplete", "partial"]


class Session(Tracked):
    """The span of a session: a `Tracked` that says how it went."""

    _open = False
    _ended = False

    def start(self) -> Self:
        """Begin without a ``with`` statement; `end` it in the same thread or task."""
        return self.__enter__()

    def end(self, status: SessionStatus = "completed") -> None:
        """End it now, and say how it went. Once it has ended, this does nothing.

        Raises `ValueError` if `status` is not one of the five.
        """
        if status not in get_args(SessionStatus):
            allowed = ", ".join(get_args(SessionStatus))
            raise ValueError(f"{status!r} is no status of a session; allowed: {allowed}")
        if self._open:
            self._ended = True
            self.span.set_attribute(semconv.SESSION_STATUS, status)
            if status == "error":
                self.span.set_status(Status(StatusCode.ERROR))
            self._close(None)

    def __enter__(self) -> Self:
        super().__enter__()
        self._open, self._ended = True, False
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._open:
            self._close(error)

    def _finish(self, error: BaseException | None) -> None:
        if not self._ended:
            status = "completed" if error is None else "error"
            self.span.set_attribute(semconv.SESSION_STATUS, status)
        super()._finish(error)

    def _close(self, error: BaseException | None) -> None:
        self._open = False
        super().__exit__(None if error is None else type(error), error, None)


def session(session_id: str | Callable[[], str], *, user: str | None = None) -> Session:
    """One conversation or run; everything inside belongs to it.

    >>> with session("ticket-4711"):
    ...     pass

    As a decorator it may be given a function that makes an id for each call. Call `end` on it
    to say how it went; by itself it is `completed`, or `error` if an exception leaves it.

    >>> with session("ticket-4711") as run:
    ...     run.end("partial")
    """
    if not callable(session_id):
        _text(session_id, "session id")

    def inside(outer: Scope) -> Scope:
        name = _text(session_id(), "session id") if callable(session_id) else session_id
        return outer._replace(session=name, agents=(), user=user or outer.user)

    return Session("session", {semconv.SPAN_KIND: "session"}, inside)


def agent(name: str, *, agent_id: str | None = None) -> Tracked:
    """One run of an agent. Inside another agent it is that one's sub-agent.

    >>> with agent("planner"):
    ...     pass
    """
    attributes = {
        semconv.OPERATION_NAME: semconv.AGENT_OPERATION,
        semconv.AGENT_NAME: _text(name, "agent name"),
        semconv.SPAN_KIND: "agent",
    }
    if agent_id is not None:
        attributes[semconv.AGENT_ID] = agent_id

    def inside(outer: Scope) -> Scope:
        return outer._replace(agents=(*outer.agents, name))

    return Tracked(f"{semconv.AGENT_OPERATION} {name}", attributes, inside)


def user(user_id: str) -> Tracked:
    """Whom the work inside is done for."""
    _text(user_id, "user id")
    return Tracked("user", {semconv.SPAN_KIND: "user"}, lambda outer: outer._replace(user=user_id))


class _Operation(Tracked):
    """The span of an operation, and what it was done for."""

    _command: str | None = None

    def serving(self, command: str | None) -> Self:
        self._command = command
        return self

    def again(self) -> Self:
        return super().again().serving(self._command)

    def _start(self, parent: Context) -> Span:
        span = super()._start(parent)
        if self._command is not None:
            note_command(span, self._command)
        return span


def operation(name: str, *, command: str | None = None) -> Tracked:
    """A named piece of work of your own between agent and calls.

    `command` is what it is done for, in the user's words: `spanledger.history` answers with it.
    It is content: it stays in this process unless ``content = "actions"``.

    >>> with operation("answer", command="Where is parcel 17?"):
    ...     pass
    """
    made = _Operation(_text(name, "operation name"), {semconv.SPAN_KIND: "operation"})
    return made.serving(None if command is None else _text(command, "command"))


def _text(value: str, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"the {what} must be a text that is not empty, not {value!r}")
    return value
