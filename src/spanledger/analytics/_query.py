"""From a SQL file and its parameters to rows; what every question has in common."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from spanledger.analytics import _period
from spanledger.warehouse import Warehouse, read_sql

_PACKAGE = "spanledger.analytics"
_ASKED = re.compile(r"\{(\w+):")


def ask(warehouse: Warehouse, name: str, /, **parameters: object) -> list[dict[str, Any]]:
    """The rows of ``sql/{name}.sql``, values bound by the server; times are aware, in UTC."""
    return _aware(warehouse.query(read_sql(_PACKAGE, f"sql/{name}.sql"), **parameters))


def microseconds(since: datetime | None) -> int:
    """Since the epoch; 0 for "everything". A time without a zone is UTC."""
    return 0 if since is None else _period.microseconds(_period.utc(since))


def ask_from(warehouse: Warehouse, name: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
    """The same with those of `values` that the file asks for."""
    sql = read_sql(_PACKAGE, f"sql/{name}.sql")
    asked = set(_ASKED.findall(sql))
    chosen = {key: value for key, value in values.items() if key in asked}
    return _aware(warehouse.query(sql, **chosen))


def _aware(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The driver gives times in UTC without a zone."""
    for row in rows:
        for name, value in row.items():
            if isinstance(value, datetime) and value.tzinfo is None:
                row[name] = value.replace(tzinfo=UTC)
    return rows
