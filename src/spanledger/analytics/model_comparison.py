"""Models side by side, on the same agent: cost, time, tokens and failures of a call."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from spanledger.analytics.scope import Scope
from spanledger.analytics.usage_stats import UsageRow, usage_stats
from spanledger.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class ModelRow:
    """What a call of one model was like. None: not known."""

    model: str
    calls: int
    cost_usd: Decimal | None
    cost_per_call_usd: Decimal | None
    """Of the calls whose price is known."""
    times_cheapest: float | None
    """1.0 for the model whose calls cost least."""
    input_tokens_per_call: float
    output_tokens_per_call: float
    cached_share: float
    """Of the input tokens, between 0 and 1."""
    error_rate: float
    p50_s: float | None
    p90_s: float | None
    p99_s: float | None


def compare_models(
    warehouse: Warehouse,
    agent: str = "",
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[ModelRow]:
    """The models that an agent (empty: any) called, the cheapest call first.

    Raises:
        ValueError: an argument makes no sense; the text says which.
        WarehouseError: the one that says what is wrong and what to do.
    """
    only = [Scope("agent", agent)] if agent else []
    rows = usage_stats(warehouse, "model", only=only, since=since, until=until)
    return compared([row for row in rows if row.calls])


def compared(rows: Sequence[UsageRow]) -> list[ModelRow]:
    """Pure: the comparison of rows by model."""
    costs = [row.average_cost_usd for row in rows]
    least = min((cost for cost in costs if cost), default=None)
    found = [_row(row, cost, least) for row, cost in zip(rows, costs, strict=True)]
    return sorted(found, key=lambda row: (row.cost_per_call_usd is None, row.cost_per_call_usd))


def _row(row: UsageRow, cost: Decimal | None, least: Decimal | None) -> ModelRow:
    return ModelRow(
        model=row.name,
        calls=row.calls,
        cost_usd=row.cost_usd,
        cost_per_call_usd=cost,
        times_cheapest=None if cost is None or least is None else float(cost / least),
        input_tokens_per_call=row.input_tokens / row.calls,
        output_tokens_per_call=row.output_tokens / row.calls,
        cached_share=row.cache_read_tokens / max(row.input_tokens, 1),
        error_rate=row.failed_calls / row.calls,
        p50_s=row.p50_s,
        p90_s=row.p90_s,
        p99_s=row.p99_s,
    )
