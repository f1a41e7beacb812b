"""Handing context over where nothing else does: queues, worker processes, other programs.

Threads, executors and child processes are handed it by themselves once Spanledger is installed
(`spanledger.instrumentation`). What goes to another process is plain text: session, agents,
user, tool, attributes, and the W3C trace parent. It goes only where the program sends it.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from spanledger.track._scope import Scope, current_scope, in_scope

#: The environment variable by which a child process is handed its context.
CARRIED_ENV = "SPANLEDGER_CARRIED_CONTEXT"

_W3C = TraceContextTextMapPropagator()
_LONGEST_CHARS = 16_384


class Carried:
    """Whom work belongs to and which span it is done under; made by `carry`.

    It may be put into a queue, pickled, or sent as `as_dict` (texts only). Within the process it
    keeps the span itself, so that what the work costs counts for the spans around it.
    """

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def scope(self) -> Scope:
        """Whom it belongs to."""
        return current_scope(self._context)

    @property
    def context(self) -> Context:
        """As OpenTelemetry's context."""
        return self._context

    def as_dict(self) -> dict[str, str]:
        """As texts by name, for the headers of a message."""
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, self._context)
        if (scope := self.scope) != Scope():
            plain = {**scope._asdict(), "attributes": dict(scope.attributes)}
            known = {name: value for name, value in plain.items() if value}
            carrier["spanledger-scope"] = json.dumps(known, separators=(",", ":"))
        return carrier

    def environ(self) -> dict[str, str]:
        """As environment variables, for a program that is started: it begins in this context."""
        return {CARRIED_ENV: json.dumps(self.as_dict(), separators=(",", ":"))}

    def __reduce__(self) -> tuple[Any, ...]:
        return carried, (self.as_dict(),)


def carry() -> Carried:
    """What holds here, to be handed over to a worker that is fed by a queue.

    >>> job = {"question": "…", "for": carry()}
    >>> with attach(job["for"]):
    ...     pass
    """
    return Carried(otel_context.get_current())


def carried(texts: Mapping[str, str]) -> Carried:
    """What `Carried.as_dict` was made of. What can't be read is left out; nothing is raised."""
    context = _W3C.extract(texts, Context())
    if (scope := _scope(texts.get("spanledger-scope"))) is not None:
        context = in_scope(scope, context)
    return Carried(context)


@contextmanager
def attach(context: Carried | Mapping[str, str]) -> Iterator[None]:
    """Do the work inside for those that `carry` was called by.

    Takes what `carry` gave, or the texts of its `as_dict`.
    """
    given = context if isinstance(context, Carried) else carried(context)
    token = otel_context.attach(given.context)
    try:
        yield
    finally:
        otel_context.detach(token)


def arrive(texts: Mapping[str, str]) -> None:
    """Have this process, from here on, belong to what it was handed; not undone."""
    if not get_current_span().get_span_context().is_valid and current_scope() == Scope():
        otel_context.attach(carried(texts).context)


def arrive_by(environ: Mapping[str, str]) -> None:
    """`arrive` with what the environment holds, if it holds anything that can be read."""
    if text := environ.get(CARRIED_ENV):
        arrive(_texts(text))


def _texts(text: str) -> dict[str, str]:
    try:
        found = json.loads(text) if len(text) <= _LONGEST_CHARS else None
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _scope(text: str | None) -> Scope | None:
    if text is None or len(text) > _LONGEST_CHARS:
        return None
    try:
        found = json.loads(text)
        agents, attributes = found.get("agents", ()), found.get("attributes", {})
        return Scope(
            session=_or_none(found.get("session")),
            agents=tuple(str(name) for name in agents),
            user=_or_none(found.get("user")),
            tool=_or_none(found.get("tool")),
            attributes=MappingProxyType({str(k): str(v) for k, v in attributes.items()}),
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def _or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
