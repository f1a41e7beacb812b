"""What failed: the newest failures, and one of them with what was recorded around it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spanledger import semconv
from spanledger.analytics._query import ask, microseconds
from spanledger.warehouse import Warehouse

#: The parts of an error's context, as `docs/errors.md` describes them.
_PARTS: Mapping[str, str] = {
    "chain": semconv.ERROR_CHAIN,
    "frames": semconv.ERROR_FRAMES,
    "locals": semconv.ERROR_LOCALS,
    "path": semconv.ERROR_PATH,
    "resources": semconv.ERROR_RESOURCES,
    "snapshots": semconv.ERROR_SNAPSHOTS,
    "details": semconv.ERROR_DETAILS,
}
_STACKTRACE, _TYPE, _MESSAGE = "exception.stacktrace", "exception.type", "exception.message"


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One failure, where it began. Texts are empty where they are not known."""

    at: datetime
    kind: str
    """call, tool, agent or other."""
    service: str
    agent: str
    session: str
    model: str
    tool: str
    error_type: str
    message: str
    error_group: str
    """The same for failures that took the same way through the code."""
    error_id: str
    trace_id: str
    action_id: str
    """Of the span."""


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """A failure and what was recorded around it."""

    error: ErrorRow
    context: dict[str, Any]
    """chain, frames, locals, path, resources, snapshots and details; what was not recorded is
    not there."""
    stacktrace: str
    """Of the `exception` event, which instrumentations of others write; else empty."""


def recent_errors(
    warehouse: Warehouse,
    *,
    since: datetime | None = None,
    agent: str = "",
    session: str = "",
    limit: int = 20,
) -> list[ErrorRow]:
    """The newest failures, each once, the newest first.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    since_us = microseconds(since)
    rows = ask(
        warehouse, "recent_errors", since_us=since_us, agent=agent, session=session, limit=limit
    )
    return [ErrorRow(**row) for row in rows]


def find_errors(warehouse: Warehouse, prefix: str, *, limit: int = 5) -> list[ErrorRow]:
    """Failures whose id, or whose span's id, begins with `prefix`; one dealt with by its whole id.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    rows = ask(warehouse, "find_errors", prefix=prefix.strip().lower(), limit=limit)
    return [ErrorRow(**row) for row in rows]


def error_context(warehouse: Warehouse, error: ErrorRow) -> ErrorContext:
    """What the program's state was when it failed, as far as it was recorded.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    ids = {"trace_id": error.trace_id, "error_id": error.error_id, "action_id": error.action_id}
    events = ask(warehouse, "error_events", **ids)
    ours = [row["attributes"] for row in events if row["name"] == semconv.ERROR_EVENT_NAME]
    plain = [row["attributes"] for row in events if row["name"] != semconv.ERROR_EVENT_NAME]
    return ErrorContext(error, _parsed(ours[0] if ours else {}), _stacktrace(plain))


def _parsed(attributes: Mapping[str, str]) -> dict[str, Any]:
    return {part: _value(attributes[name]) for part, name in _PARTS.items() if attributes.get(name)}


def _value(text: str) -> Any:
    """Ours are JSON; what a Collector cut is a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _stacktrace(events: list[dict[str, str]]) -> str:
    for event in events:
        if text := event.get(_STACKTRACE):
            return text
    return "; ".join(f"{e.get(_TYPE, '')}: {e.get(_MESSAGE, '')}" for e in events)
