"""Who is calling: session, agents and user, carried in OpenTelemetry's context.

A context key of our own, not baggage: baggage is sent to third parties by default (the
anthropic client sends it to the provider), and whom a call is for is nobody else's business.

Spans of frameworks have a scope too (`bind_scope`): nothing can be put into the context from
where a span starts, but everything below it has it as its current span. Of the two the one that
was entered last holds.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

from opentelemetry.context import (
    Context,
    attach,
    create_key,
    detach,
    get_current,
    set_value,
)
from opentelemetry.trace import Span, get_current_span

from spanledger.track import _baggage

#: Instrumentation scope of the spans of this room.
SCOPE_NAME = "spanledger.track"

_KEY = create_key("spanledger-scope")
_ATTRIBUTE = "_spanledger_scope"


class Scope(NamedTuple):
    """The attribution of everything that happens inside it."""

    session: str | None = None
    agents: tuple[str, ...] = ()
    """From the outermost agent to the one that acts."""
    user: str | None = None
    tool: str | None = None
    """The innermost tool that runs."""
    attributes: Mapping[str, str] = MappingProxyType({})
    """What else rules may ask for, by name."""

    @property
    def agent(self) -> str | None:
        """The agent that acts, if any."""
        return self.agents[-1] if self.agents else None


class _Entered(NamedTuple):
    scope: Scope
    around: Span
    """The span that was current at that time."""


_NOBODY = Scope()


def current_scope(context: Context | None = None) -> Scope:
    """The scope of `context`, or of the current one. Empty if none was entered."""
    if context is None:
        context = get_current()
    return scope_below(get_current_span(context), context)


def scope_below(span: Span, context: Context) -> Scope:
    """The scope of `context`, whose current span is `span`."""
    entered: Any = context.get(_KEY)
    bound: Scope | None = getattr(span, _ATTRIBUTE, None)
    if bound is not None and (entered is None or entered.around is not span):
        return bound
    return entered.scope if isinstance(entered, _Entered) else _NOBODY


def in_scope(scope: Scope, context: Context | None = None) -> Context:
    """`context` (or the current one) with `scope` in it."""
    entered = _Entered(scope, get_current_span(context))
    inside = set_value(_KEY, entered, context)
    if _baggage.wanted():
        return _baggage.told(inside, scope.session, scope.agent, scope.user)
    return inside


def bind_scope(span: Span, scope: Scope) -> None:
    """Have what happens inside `span`, a span that somebody else opened, belong to `scope`."""
    span.__dict__[_ATTRIBUTE] = scope


def has_bound_scope(span: Span) -> bool:
    """Whether `bind_scope` was called for `span`."""
    return hasattr(span, _ATTRIBUTE)


def is_bound(span: Span, scope: Scope) -> bool:
    """Whether `scope` is what `bind_scope` gave to `span`."""
    return getattr(span, _ATTRIBUTE, None) is scope


@contextmanager
def attributes(**names: str) -> Iterator[None]:
    """Whom else the work inside counts for: budgets may have ``scope = "attribute:team"``.

    >>> with attributes(team="search"):
    ...     pass
    """
    scope = current_scope()
    merged = MappingProxyType({**scope.attributes, **names})
    token = attach(in_scope(scope._replace(attributes=merged)))
    try:
        yield
    finally:
        detach(token)
