"""Which traces there are: the newest ones, and those whose id begins so."""

from dataclasses import dataclass
from datetime import UTC, datetime

from spanledger.analytics._query import ask
from spanledger.warehouse import Warehouse

#: Traces that began in one second are told apart by their spans only.
_MARGIN = 200


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One trace."""

    trace_id: str
    started_at: datetime
    """UTC."""
    duration_s: float
    root_name: str
    service: str
    session_id: str
    spans: int
    failed_spans: int


def recent_traces(warehouse: Warehouse, *, limit: int = 20, session: str = "") -> list[TraceRow]:
    """The newest traces, the newest first; with `session` those of it among the newest 200.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    rows = ask(warehouse, "recent_traces", limit=limit, candidates=limit + _MARGIN, session=session)
    return [TraceRow(**{**row, "started_at": _utc(row["started_at"])}) for row in rows]


def find_traces(warehouse: Warehouse, prefix: str, *, limit: int = 5) -> list[str]:
    """Ids of traces that begin with `prefix`, at most `limit`.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    rows = ask(warehouse, "find_traces", prefix=prefix.strip().lower(), limit=limit)
    return [row["trace_id"] for row in rows]


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
