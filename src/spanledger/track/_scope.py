"""Who is calling: session, agents and user, carried in OpenTelemetry's context.

A context key of our own, not baggage: baggage is sent to third parties by default (the
anthropic client sends it to the provider), and whom a call is for is nobody else's business.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple

from opentelemetry.context import Context, attach, create_key, detach, get_value, set_value

_KEY = create_key("spanledger-scope")


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


_NOBODY = Scope()


def current_scope(context: Context | None = None) -> Scope:
    """The scope of `context`, or of the current one. Empty if none was entered."""
    scope = get_value(_KEY, context)
    return scope if isinstance(scope, Scope) else _NOBODY


def in_scope(scope: Scope, context: Context | None = None) -> Context:
    """`context` (or the current one) with `scope` in it."""
    return set_value(_KEY, scope, context)


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
