"""From a SQL file and its parameters to rows; what every question has in common."""

from datetime import UTC, datetime
from typing import Any

from spanledger.warehouse import Warehouse, read_sql

_PACKAGE = "spanledger.analytics"


def ask(warehouse: Warehouse, name: str, /, **parameters: object) -> list[dict[str, Any]]:
    """The rows of ``sql/{name}.sql``, values bound by the server."""
    return warehouse.query(read_sql(_PACKAGE, f"sql/{name}.sql"), **parameters)


def microseconds(since: datetime | None) -> int:
    """Since the epoch; 0 for "everything". A time without a zone is UTC."""
    if since is None:
        return 0
    aware = since if since.tzinfo is not None else since.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1_000_000)
