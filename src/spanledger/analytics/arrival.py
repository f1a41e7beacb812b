"""How what producers send arrives: clocks, the newest row, and what they say was dropped."""

from dataclasses import dataclass

from spanledger.analytics._query import ask
from spanledger.warehouse import Warehouse

#: Clocks of hosts differ by a little.
_AHEAD_S = 60


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the warehouse tells of that."""

    server_us: int
    """Its clock, since the epoch."""
    ahead_calls: int
    """Calls that began more than a minute after now."""
    ahead_service: str
    """Who sent the one that is furthest ahead."""
    ahead_s: int
    newest_s: int | None
    """When the newest typed row came in, since the epoch; None: none did."""
    dropped: int
    """Spans and records that exporters dropped in 24 hours, as far as they export metrics."""
    dropped_service: str
    dropped_reason: str


def arrival(warehouse: Warehouse) -> Arrival:
    """Ask for all of it.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    (row,) = ask(warehouse, "arrival", ahead_s=_AHEAD_S)
    return Arrival(**row)
