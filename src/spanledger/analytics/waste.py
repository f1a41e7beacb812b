"""What did no good: attempts that another one had to follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from spanledger.analytics._money import known_cost
from spanledger.analytics._period import period
from spanledger.analytics._query import ask
from spanledger.analytics.scope import Scope, lists, names_by_kind, refuse_others
from spanledger.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class RetryRow:
    """Attempts of one agent on one model that failed in one way, and were made again."""

    agent: str
    model: str
    error_type: str
    attempts: int
    unpriced_attempts: int
    """Most providers say nothing of what a failed attempt cost."""
    tokens: int
    cost_usd: Decimal | None
    waited_s: float
    """The time that they took, all together."""


def retries(
    warehouse: Warehouse,
    *,
    only: Sequence[Scope] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
) -> list[RetryRow]:
    """What attempts cost that another one followed, the dearest first, then the slowest.

    Raises:
        ValueError: an argument makes no sense; the text says which.
        WarehouseError: the one that says what is wrong and what to do.
    """
    names = names_by_kind(only)
    refuse_others(names, ("service", "agent", "model"), "a question about retries")
    when, wanted = period(since, until), lists(names)
    rows = ask(
        warehouse,
        "retries",
        since_us=when.since_us,
        until_us=when.until_us,
        limit=max(1, min(limit, 10_000)),
        **{name: wanted[name] for name in ("services", "agents", "models")},
    )
    return [
        RetryRow(**{**row, "cost_usd": known_cost(row["cost_usd"], row["attempts"])})
        for row in rows
    ]
