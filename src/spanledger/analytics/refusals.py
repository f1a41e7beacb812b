"""What the guard refused in a trace, and by which numbers."""

from dataclasses import dataclass
from decimal import Decimal

from spanledger.analytics._query import ask
from spanledger.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """One refusal. Amounts are in the metric's unit (nano-USD, tokens, calls); None: not told."""

    span_id: str
    """The span that was current when it was decided: the call's own, or the one around it."""
    reason: str
    rule: str
    scope: str
    metric: str
    budget_window: str
    limit_amount: Decimal | None
    spent_amount: Decimal | None
    reserved_amount: Decimal | None
    asked_amount: Decimal | None


def refusals(warehouse: Warehouse, trace_id: str) -> list[RefusalRow]:
    """The refusals of one trace in their order.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    return [RefusalRow(**row) for row in ask(warehouse, "refusals", trace_id=trace_id)]
