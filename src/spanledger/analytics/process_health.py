"""How the processes of agents are, by what they told last."""

from dataclasses import dataclass
from datetime import datetime

from spanledger.analytics._query import ask, microseconds
from spanledger.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class ProcessHealth:
    """The last that one process told of itself. None: it does not tell."""

    service: str
    pid: str
    told_at: datetime
    score: float | None
    """0 to 100; `spanledger.health` says how it is reckoned."""
    cpu: float | None
    """Share of the processors that the process may use."""
    memory_bytes: int | None
    threads: int | None
    open_files: int | None


def process_health(
    warehouse: Warehouse, *, since: datetime | None = None, limit: int = 100
) -> list[ProcessHealth]:
    """Each process that told of its health since then, the worst first.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    most = max(1, min(limit, 10_000))
    rows = ask(warehouse, "process_health", since_us=microseconds(since), limit=most)
    return [ProcessHealth(**row) for row in rows]
