"""Deleting history for good: of everything, or of one service, agent, session or user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from spanledger.analytics._query import ask
from spanledger.analytics.scope import Scope, ScopeKind, refuse_others
from spanledger.warehouse import KEPT, Warehouse, WarehouseError

_SCOPES: tuple[ScopeKind, ...] = ("all", "service", "agent", "session", "user")

#: In which columns of a typed table, or attributes of a landing table, a scope is found.
_TYPED: Final[Mapping[ScopeKind, str]] = {
    "service": "service = {name:String}",
    "agent": "agent = {name:String}",
    "session": "session_id = {name:String}",
    "user": "user_id = {name:String}",
}
_LANDING: Final[Mapping[ScopeKind, str]] = {
    "service": "ServiceName = {name:String}",
    "agent": "ATTRIBUTES['gen_ai.agent.name'] = {name:String}",
    "session": "coalesce(nullIf(ATTRIBUTES['gen_ai.conversation.id'], ''), "
    "ATTRIBUTES['session.id']) = {name:String}",
    "user": "ATTRIBUTES['user.id'] = {name:String}",
}
_CALLS: Final = ("llm_calls", "agent_steps", "guard_events", "span_errors")
#: Roll-ups by the hour, and the typed tables that they are built from.
_HOURLY: Final = tuple(table for table, column in KEPT["hours"].items() if column == "hour")
_SOURCES: Final = ("llm_calls", "agent_steps")
_CONTENT: Final = """
DELETE FROM span_content WHERE (trace_id, span_id) IN (
    SELECT toFixedString(unhex(TraceId), 16), toFixedString(unhex(SpanId), 8) FROM otel_traces
    WHERE length(TraceId) = 32 AND length(SpanId) = 16 AND $found)
"""
_OF_HOURS: Final = "toUnixTimestamp(hour) IN {hours:Array(UInt32)}"
_OF_DAYS: Final = "toUInt32(toUInt16(day)) IN {days:Array(UInt32)}"
#: A row that comes in again makes its hour stale, so that the roll-up is built anew.
_TOUCH: Final = """
INSERT INTO $table SELECT * REPLACE (now() AS received_at) FROM $table FINAL
WHERE toUnixTimestamp(toStartOfHour(ts)) IN {hours:Array(UInt32)}
ORDER BY ts LIMIT 1 BY toStartOfHour(ts)
"""


@dataclass(frozen=True, slots=True)
class ResetCounts:
    """What there is of a scope."""

    calls: int
    tool_calls: int
    agent_runs: int
    decisions: int


def reset_preview(warehouse: Warehouse, scope: Scope) -> ResetCounts:
    """What `reset_scope` would delete.

    Raises:
        ValueError: a scope of this kind can't be deleted.
        WarehouseError: the one that says what is wrong and what to do.
    """
    refuse_others([scope.by], _SCOPES, "a reset")
    (row,) = ask(warehouse, "reset_preview", by=scope.by, name=scope.name)
    return ResetCounts(**row)


def reset_scope(warehouse: Warehouse, scope: Scope) -> ResetCounts:
    """Delete spans, records, contents and decisions of a scope; what was there.

    Roll-ups follow within minutes. Not deleted: spans without the scope's attribute, metrics,
    and what budgets have counted. Can be run again if it failed half-way.

    Raises:
        ValueError: a scope of this kind can't be deleted.
        WarehouseError: the one that says what is wrong and what to do; also for a cluster, whose
            nodes a statement of ours does not reach.
    """
    found = reset_preview(warehouse, scope)
    _require_one_node(warehouse)
    if scope.by == "all":
        _empty(warehouse)
    else:
        _delete(warehouse, scope)
    return found


def _require_one_node(warehouse: Warehouse) -> None:
    (row,) = warehouse.query(
        "SELECT count() AS number FROM system.tables "
        "WHERE database = currentDatabase() AND engine = 'Distributed'"
    )
    if row["number"]:
        raise WarehouseError(
            "history on a cluster can't be deleted from here; delete it on each node, or let its "
            "time to live end"
        )


def _empty(warehouse: Warehouse) -> None:
    names = "SELECT name FROM system.tables WHERE database = currentDatabase()"
    there = {row["name"] for row in warehouse.query(names)}
    for tables in KEPT.values():
        for table in there.intersection(tables):
            warehouse.command(f"TRUNCATE TABLE {table}")


def _delete(warehouse: Warehouse, scope: Scope) -> None:
    """The landing tables last: contents are found by their spans."""
    typed = _TYPED[scope.by]
    spans = _LANDING[scope.by].replace("ATTRIBUTES", "SpanAttributes")
    logs = _LANDING[scope.by].replace("ATTRIBUTES", "LogAttributes")
    hours = ask(warehouse, "reset_hours", by=scope.by, name=scope.name)
    warehouse.command(_CONTENT.replace("$found", spans), name=scope.name)
    for table in _CALLS:
        _delete_from(warehouse, table, typed, name=scope.name)
    if scope.by != "agent":
        _delete_from(warehouse, "session_statuses", typed, name=scope.name)
    _delete_from(warehouse, "otel_logs", logs, name=scope.name)
    _forget_roll_ups(warehouse, [row["hour_s"] for row in hours])
    _delete_from(warehouse, "otel_traces", spans, name=scope.name)


def _delete_from(warehouse: Warehouse, table: str, condition: str, **values: Any) -> None:
    """Table and condition are this module's own words; values are bound."""
    warehouse.command(f"DELETE FROM {table} WHERE {condition}", **values)  # noqa: S608 - see above


def _forget_roll_ups(warehouse: Warehouse, hours: Sequence[int]) -> None:
    if not hours:
        return
    days = sorted({hour // 86400 for hour in hours})
    for table in _HOURLY:
        _delete_from(warehouse, table, _OF_HOURS, hours=list(hours))
    _delete_from(warehouse, "calls_daily", _OF_DAYS, days=days)
    for table in _SOURCES:
        warehouse.command(_TOUCH.replace("$table", table), hours=list(hours))
