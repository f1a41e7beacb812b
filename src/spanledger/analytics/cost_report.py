"""What was spent, on whom: cost and tokens by one dimension."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, get_args

from spanledger.analytics._money import known_cost
from spanledger.analytics._query import ask, microseconds
from spanledger.warehouse import Warehouse

Dimension = Literal["agent", "model", "session", "user", "provider", "service", "operation"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)


@dataclass(frozen=True, slots=True)
class CostRow:
    """Calls of one agent, model, session …; ``name`` is empty for calls that have none."""

    name: str
    calls: int
    """Attempts that were sent. What the guard refused is not among them."""
    failed_calls: int
    unpriced_calls: int
    """Calls whose cost is not known. They are not in ``cost_usd``."""
    estimated_calls: int
    """Calls whose cost is an estimate of ours."""
    refused_calls: int
    input_tokens: int
    """Cached tokens included."""
    output_tokens: int
    """Reasoning included."""
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal | None
    """Exact to the nano-dollar; None if no call has a known price."""


def cost_report(
    warehouse: Warehouse,
    by: Dimension = "agent",
    *,
    since: datetime | None = None,
    session: str = "",
) -> list[CostRow]:
    """Cost and tokens by ``by``, the dearest first.

    Args:
        warehouse: Where the history is.
        by: One of `DIMENSIONS`.
        since: Only what happened from then on; None: everything.
        session: Only this session; empty: all.

    Raises:
        ValueError: there is no such dimension.
        WarehouseError: the one that says what is wrong and what to do.
    """
    if by not in DIMENSIONS:
        raise ValueError(f"there is no dimension {by!r}; choose one of {', '.join(DIMENSIONS)}")
    rows = ask(warehouse, "cost_report", by=by, since_us=microseconds(since), session=session)
    return [
        CostRow(**{**row, "cost_usd": known_cost(row["cost_usd"], row["calls"])}) for row in rows
    ]
