"""Rows as the data frames that Grafana's ClickHouse plugin makes of them. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from grafana.builder.model import SERIES

Row = Mapping[str, Any]
Field = dict[str, Any]
Frame = dict[str, Any]


def frame(rows: Sequence[Row], format_: int, ref: str = "A") -> Frame | None:
    """One frame with the rows' columns; a time series by names becomes a column for each name.

    None: no rows, of which the plugin makes no frame.
    """
    if not rows:
        return None
    fields = [_field(name, [row[name] for row in rows]) for name in rows[0]]
    kinds = [field["type"] for field in fields]
    if format_ == SERIES and kinds[:1] == ["time"] and "string" in kinds:
        fields = _wide(fields)
    return {"refId": ref, "fields": fields}


def _field(name: str, values: Sequence[object]) -> Field:
    kind = next((_kind(value) for value in values if value is not None), "number")
    return {"name": name, "type": kind, "values": [_plain(value) for value in values]}


def _kind(value: object) -> str:
    if isinstance(value, date):
        return "time"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | Decimal):
        return "number"
    return "string" if isinstance(value, str) else "other"


def _plain(value: object) -> object:
    """As JSON has it: times are Unix milliseconds, what is no finite number is nothing."""
    if isinstance(value, datetime):
        return round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1000)
    if isinstance(value, date):
        return _plain(datetime(value.year, value.month, value.day, tzinfo=UTC))
    if isinstance(value, Decimal | float):
        number = float(value)
        return number if abs(number) < float("inf") else None
    return value


def _wide(fields: Sequence[Field]) -> list[Field]:
    """Long to wide: a field for each number of each name, empty where it has no point."""
    times = sorted(set(fields[0]["values"]))
    at = {time: position for position, time in enumerate(times)}
    (names,) = (field for field in fields if field["type"] == "string")
    made: dict[tuple[str, str], Field] = {}
    for number in (field for field in fields if field["type"] == "number"):
        for time, name, value in zip(
            fields[0]["values"], names["values"], number["values"], strict=True
        ):
            empty = {
                "name": number["name"],
                "type": "number",
                "labels": {names["name"]: name},
                "values": [None] * len(times),
            }
            made.setdefault((number["name"], name), empty)["values"][at[time]] = value
    return [
        {**fields[0], "values": times},
        *(made[key] for key in sorted(made)),
    ]
