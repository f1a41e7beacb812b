"""What is recorded, in the form of a bill: by day, provider, model and tier."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from spanledger.analytics._period import period
from spanledger.analytics._query import ask
from spanledger.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class RecordedDay:
    """Calls of one day (UTC), model and tier. Cached tokens are part of the input."""

    day: date
    provider: str
    model: str
    """As the provider named it in its answers, which is what it bills."""
    service_tier: str
    calls: int
    unpriced_calls: int
    estimated_calls: int
    unknown_calls: int
    """Calls of whose usage nothing is known."""
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: Decimal | None


def recorded_days(
    warehouse: Warehouse, providers: Sequence[str], first: date, last: date
) -> list[RecordedDay]:
    """Of some providers, from one day to another, both included.

    Raises:
        ValueError: the last day is before the first.
        WarehouseError: the one that says what is wrong and what to do.
    """
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
    end = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    when = period(begin, end)
    rows = ask(
        warehouse,
        "recorded_days",
        providers=list(providers),
        since_us=when.since_us,
        until_us=when.until_us,
    )
    return [RecordedDay(**row) for row in rows]
