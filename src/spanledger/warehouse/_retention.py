"""How long rows are kept, by what they are."""

from collections.abc import Mapping
from typing import Final

from spanledger.warehouse._render import Target, quote_name, quote_text
from spanledger.warehouse.client import Warehouse
from spanledger.warehouse.errors import InvalidStatement

#: What can be kept for its own time, with its tables and their columns of time.
KEPT: Final[Mapping[str, Mapping[str, str]]] = {
    "landing": {
        "otel_traces": "Timestamp",
        "otel_traces_trace_id_ts": "Start",
        "otel_logs": "Timestamp",
        **{
            f"otel_metrics_{kind}": "TimeUnix"
            for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary")
        },
    },
    "content": {"span_content": "ts", "action_vectors": "ts"},
    "calls": dict.fromkeys(
        (
            "llm_calls",
            "agent_steps",
            "guard_events",
            "span_errors",
            "session_statuses",
            "coding_agent_records",
        ),
        "ts",
    ),
    "hours": dict.fromkeys(
        ("calls_hourly", "sessions_hourly", "users_hourly", "tools_hourly", "runs_hourly"), "hour"
    )
    | {"arrival_minutes": "minute"},
    "days": {"calls_daily": "day", "service_versions": "hour"},
}
#: A Date ends in 2149: what is added to it must not lead beyond.
_MOST_DAYS: Final = 3650


def retain(warehouse: Warehouse, days: Mapping[str, int], *, cluster: str | None = None) -> None:
    """Keep rows for so many days from now on; 0: for good. What is not named stays as it is.

    Rows go with whole parts, hence days, and some time after their end.

    Args:
        warehouse: A migrated database.
        days: By a name of `KEPT`.
        cluster: Name of the cluster on whose nodes this runs; None: only here.

    Raises:
        InvalidStatement: a name or a number of days that there isn't; nothing is changed.
        WarehouseError: a statement failed.
    """
    for name, number in days.items():
        _check(name, number)
    target = Target(warehouse.database, cluster)
    for name, number in days.items():
        for table, column in KEPT[name].items():
            if number or _has_end(warehouse, table):
                warehouse.command(retention_sql(target, table, column, number))


def retention_sql(target: Target, table: str, column: str, days: int) -> str:
    """The statement that keeps the rows of a table for so many days; 0: for good."""
    place = f"{quote_name(target.database)}.{table}"
    on_cluster = f" ON CLUSTER {quote_text(target.cluster)}" if target.cluster else ""
    change = f"MODIFY TTL toDate({column}) + {days:d}" if days else "REMOVE TTL"
    return f"ALTER TABLE {place}{on_cluster} {change}"


def _has_end(warehouse: Warehouse, table: str) -> bool:
    """Whether its rows are kept for a time; what has none can't have it removed."""
    (row,) = warehouse.query(
        "SELECT count() AS n FROM system.tables WHERE database = {database:String} "
        "AND name = {name:String} AND position(engine_full, ' TTL ') > 0",
        database=warehouse.database,
        name=table,
    )
    return bool(row["n"])


def _check(name: str, days: int) -> None:
    if name not in KEPT:
        raise InvalidStatement(
            f"nothing called {name!r} is kept for a time of its own; there are {', '.join(KEPT)}"
        )
    if not 0 <= days <= _MOST_DAYS:
        raise InvalidStatement(
            f"{name} can't be kept for {days} days; give 1 to {_MOST_DAYS}, or 0 for good"
        )
