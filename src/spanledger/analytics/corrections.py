"""Calls that may be priced anew, and writing their new prices down beside the old ones."""

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from spanledger.analytics._query import ask, microseconds
from spanledger.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class PricedCall:
    """One call with what its price depends on, and the cost that it has now."""

    trace_id: str
    span_id: str
    at_s: float
    """Since the epoch."""
    provider: str
    model: str
    service_tier: str
    usage_source: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    reasoning_tokens: int
    media_counts: Sequence[int]
    """Audio in, audio out, image in, image out; empty where none was told."""
    cost_nano_usd: int | None
    price_version: str


@dataclass(frozen=True, slots=True)
class NewPrice:
    """What a call costs from now on."""

    call: PricedCall
    cost_nano_usd: int
    provenance: str
    price_version: str


def calls_to_price(
    warehouse: Warehouse, *, since: datetime | None, priced_too: bool
) -> Iterator[list[PricedCall]]:
    """The calls of a period by the hour: those without a price or, `priced_too`, all of them.

    Amounts that the provider itself told are never among them.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    chosen = {"all": priced_too}
    for row in ask(warehouse, "reprice_hours", since_us=microseconds(since), **chosen):
        found = ask(warehouse, "reprice_rows", hour_s=int(row["hour_s"]), **chosen)
        yield [PricedCall(**call) for call in found]


def write_prices(warehouse: Warehouse, prices: Sequence[NewPrice]) -> None:
    """Write corrected rows: the cost of before stays in ``previous_cost_usd``.

    A correction has a higher revision than what came in, so that a late re-sending can't undo it.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    if not prices:
        return
    table = f"corrections_{secrets.token_hex(4)}"
    warehouse.command(
        f"CREATE TABLE {table} (id String, nano_usd Int64, provenance String, version String) "
        "ENGINE = Join(ANY, LEFT, id)"
    )
    try:
        warehouse.insert_json(table, "\n".join(json.dumps(_row(price)) for price in prices))
        hours = sorted({int(price.call.at_s) // 3600 * 3600 for price in prices})
        for hour_s in hours:
            warehouse.command(_CORRECT.replace("$table", table), hour_s=hour_s)
    finally:
        warehouse.command(f"DROP TABLE IF EXISTS {table}")


_CORRECT = """
INSERT INTO llm_calls
WITH concat(lower(hex(trace_id)), lower(hex(span_id))) AS id
SELECT * REPLACE (
    toDecimal64(joinGet($table, 'nano_usd', id), 0) * toDecimal64('0.000000001', 9) AS cost_usd,
    joinGet($table, 'provenance', id) AS cost_provenance,
    joinGet($table, 'version', id) AS price_version,
    llm_calls.cost_usd AS previous_cost_usd,
    now() AS received_at,
    llm_calls.revision + 1 AS revision)
FROM llm_calls FINAL
WHERE toStartOfHour(ts) = toDateTime({hour_s:UInt32}, 'UTC')
    AND joinGet($table, 'provenance', id) != ''
"""


def _row(price: NewPrice) -> dict[str, object]:
    return {
        "id": price.call.trace_id + price.call.span_id,
        "nano_usd": price.cost_nano_usd,
        "provenance": price.provenance,
        "version": price.price_version,
    }
