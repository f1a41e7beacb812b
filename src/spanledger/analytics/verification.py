"""What landed, what is typed, what is rolled up: for holding one against the other."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from spanledger.analytics._query import ask, microseconds
from spanledger.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class VerifiedHour:
    """The calls of one hour, as each table counts them."""

    hour: datetime
    """Its beginning, UTC."""
    landed: int
    """Spans in the landing table that stand for a call, each once."""
    sent_again: int
    """Further copies of them there."""
    typed: int
    rolled_up: int
    typed_cost_usd: Decimal | None
    rolled_up_cost_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One attempt that our gate marked, under the id that the ledger has for it."""

    reservation_id: str
    cost_nano_usd: int | None
    provenance: str


def verified_hours(warehouse: Warehouse, *, since: datetime, until: datetime) -> list[VerifiedHour]:
    """The hours that begin in a period (whole hours, UTC) and in which there was a call.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    rows = ask(warehouse, "verify_hours", **_period(since, until))
    return [VerifiedHour(**{**row, "hour": row["hour"].replace(tzinfo=UTC)}) for row in rows]


def call_records(warehouse: Warehouse, *, since: datetime, until: datetime) -> list[CallRecord]:
    """The marked attempts of a period.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    return [CallRecord(**row) for row in ask(warehouse, "verify_records", **_period(since, until))]


def _period(since: datetime, until: datetime) -> dict[str, int]:
    return {"since_us": microseconds(since), "until_us": microseconds(until)}
