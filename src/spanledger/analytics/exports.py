"""History as files: ClickHouse formats it and streams it, so memory stays flat."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, Literal, get_args

from spanledger.analytics._period import period
from spanledger.analytics.scope import shown
from spanledger.warehouse import Warehouse

ExportTable = Literal[
    "calls", "tools", "agent_runs", "decisions", "sessions", "cost_hourly", "cost_daily"
]
EXPORT_TABLES: tuple[ExportTable, ...] = get_args(ExportTable)
ExportForm = Literal["json", "csv", "parquet"]
EXPORT_FORMS: tuple[ExportForm, ...] = get_args(ExportForm)

_FORMATS: Final[Mapping[ExportForm, str]] = {
    "json": "JSONEachRow",
    "csv": "CSVWithNames",
    "parquet": "Parquet",
}
_TIMES: Final[Mapping[ExportTable, str]] = {
    "sessions": "last_call_at",
    "cost_hourly": "hour",
    "cost_daily": "day",
}
#: Money stays exact: a program that reads JSON would make a float of a number.
_SETTINGS = "output_format_json_quote_decimals = 1, output_format_json_quote_64bit_integers = 0"


def export_rows(
    warehouse: Warehouse,
    what: ExportTable,
    form: ExportForm,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[bytes]:
    """The rows of one view as a file, piece by piece; all columns, in no certain order.

    Args:
        warehouse: Where the history is.
        what: One of `EXPORT_TABLES`.
        form: ``json`` (one object a line, money as texts), ``csv`` (with a line of names) or
            ``parquet``. The embedded engine builds a Parquet file in its memory first.
        since: From then on; None: from the beginning. Without a zone: UTC.
        until: Before then; None: to the end.

    Raises:
        ValueError: an argument makes no sense; the text says which.
        WarehouseError: the one that says what is wrong and what to do.
    """
    if form not in EXPORT_FORMS:
        raise ValueError(f"there is no form {shown(form)}; choose one of {', '.join(EXPORT_FORMS)}")
    sql, asked = _selected(what, since, until)
    sql = f"SELECT * {sql} SETTINGS {_SETTINGS}"
    return warehouse.stream(sql, form=_FORMATS[form], **asked)


def export_count(
    warehouse: Warehouse,
    what: ExportTable,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """How many rows `export_rows` gives.

    Raises:
        ValueError: an argument makes no sense; the text says which.
        WarehouseError: the one that says what is wrong and what to do.
    """
    sql, asked = _selected(what, since, until)
    (row,) = warehouse.query(f"SELECT count() AS number {sql}", **asked)
    return int(row["number"])


def _selected(
    what: ExportTable, since: datetime | None, until: datetime | None
) -> tuple[str, dict[str, object]]:
    if what not in EXPORT_TABLES:
        raise ValueError(
            f"{shown(what)} can't be exported; choose one of {', '.join(EXPORT_TABLES)}"
        )
    when = period(since, until)
    column = _TIMES.get(what, "ts")
    moment = "fromUnixTimestamp64Micro({%s:Int64}, 'UTC')"
    first, end = moment % "since_us", moment % "until_us"
    if what == "cost_daily":
        first, end = f"toDate({first})", f"toDate({end})"
    sql = f"FROM {what} WHERE {column} >= {first} AND {column} < {end}"
    return sql, {"since_us": when.since_us, "until_us": when.until_us}
