"""What verbs answer: plain JSON, in pages. Pure."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

Answer = dict[str, Any]


def plain(value: object) -> Any:
    """`value` as what JSON knows: money as exact texts, times as ISO 8601."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return _scalar(value)


def _scalar(value: object) -> Any:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime) and value.tzinfo is None:
        # ClickHouse's times have no zone here: they are UTC.
        value = value.replace(tzinfo=UTC)
    return value.isoformat() if isinstance(value, date) else value


def short(value: Mapping[str, Any]) -> Answer:
    """Without what says nothing: empty texts and nulls."""
    return {name: item for name, item in value.items() if item not in ("", None)}


def page(rows: Sequence[object], limit: int, offset: int) -> Answer:
    """The rows from `offset` on, of which there are at least one more than asked for, if any."""
    shown = rows[offset : offset + limit]
    more = len(rows) > offset + limit
    return {"rows": plain(shown), "next_offset": offset + limit if more else None}


def wanted(limit: int, offset: int) -> int:
    """So many rows must be read for a page: one more says whether there is a next one."""
    return offset + limit + 1


def usd(nano_usd: int | None) -> str | None:
    """US dollars, exactly; None: not known."""
    return None if nano_usd is None else format(Decimal(nano_usd).scaleb(-9).normalize(), "f")
