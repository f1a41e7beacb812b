"""What the guard refused, and what it would have cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from spanledger.analytics._period import period
from spanledger.analytics._query import ask
from spanledger.analytics.scope import Scope, ScopeKind, lists, names_by_kind, refuse_others
from spanledger.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """Calls of one agent to one model that one rule refused for one reason."""

    agent: str
    model: str
    rule: str
    reason: str
    refused: int
    sessions: int
    most_usd: Decimal | None
    """What they could have cost at most, as the guard reckoned; None: the rule counts no money."""
    saved_usd: Decimal | None
    """So many calls of this agent to this model, or of anybody to it, at what they cost on
    average in this period. An estimate, and as if each had been made once; None: there is no
    such call with a price."""


def refused_work(
    warehouse: Warehouse,
    *,
    only: Sequence[Scope] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
) -> list[RefusedRow]:
    """Refusals by agent, model, rule and reason, the most first.

    A stream that was cut counts as a call, not here.

    Raises:
        ValueError: an argument makes no sense; the text says which.
        WarehouseError: the one that says what is wrong and what to do.
    """
    names = names_by_kind(only)
    kinds: tuple[ScopeKind, ...] = ("service", "agent", "model", "session", "user")
    refuse_others(names, kinds, "a question about refusals")
    when, wanted = period(since, until), lists(names)
    rows = ask(
        warehouse,
        "refused_work",
        since_us=when.since_us,
        until_us=when.until_us,
        limit=max(1, min(limit, 10_000)),
        **{f"{kind}s": wanted[f"{kind}s"] for kind in kinds},
    )
    return [RefusedRow(**row) for row in rows]
