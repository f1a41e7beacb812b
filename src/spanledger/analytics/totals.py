"""What was spent in all."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from spanledger.analytics._money import known_cost
from spanledger.analytics._query import ask, microseconds
from spanledger.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything that was recorded in a period. Columns as in `CostRow`."""

    calls: int
    failed_calls: int
    unpriced_calls: int
    estimated_calls: int
    refused_calls: int
    tool_calls: int
    failed_tool_calls: int
    sessions: int
    """Sessions with at least one call."""
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal | None


def totals(warehouse: Warehouse, *, since: datetime | None = None, session: str = "") -> Totals:
    """The totals since a time (None: of everything), of one session or of all.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    (row,) = ask(warehouse, "totals", since_us=microseconds(since), session=session)
    return Totals(**{**row, "cost_usd": known_cost(row["cost_usd"], row["calls"])})
