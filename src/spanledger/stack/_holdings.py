"""What a database of ours holds, counted so that two of them can be compared."""

from dataclasses import dataclass
from datetime import date

from spanledger.warehouse import Warehouse, applied, quote_name

#: What refreshable views write to, the database builds out of the rest, whenever it likes.
_TABLES = """
SELECT name, engine, name IN (
    SELECT extract(create_table_query, ' APPEND TO [^ ]+[.]`?([0-9A-Za-z_]+)') FROM system.tables
    WHERE database = {database:String} AND engine = 'MaterializedView') AS derived
FROM system.tables
WHERE database = {database:String} AND engine LIKE '%MergeTree' AND name != 'schema_migrations'
ORDER BY derived DESC, name
"""
COST_PER_DAY = """
SELECT toDate(ts) AS day, count() AS calls,
    toInt64(sum(ifNull(cost_usd, 0)) * 1000000000) AS cost_nano_usd
FROM calls GROUP BY day ORDER BY day
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that keeps rows of its own."""

    name: str
    engine: str
    derived: bool
    """Whether its rows come and change by themselves, so that counting them proves nothing."""

    @property
    def final(self) -> str:
        """How to read it as it will be once its parts are merged."""
        return "" if self.engine.removeprefix("Replicated") == "MergeTree" else "FINAL"


def tables(warehouse: Warehouse) -> list[Table]:
    """The tables that keep rows, but for the record of migrations; roll-ups first.

    Look-ups (in memory) are not among them: migrating fills those.
    """
    rows = warehouse.query(_TABLES, database=warehouse.database)
    return [Table(row["name"], row["engine"], bool(row["derived"])) for row in rows]


def count_rows(warehouse: Warehouse) -> dict[str, int]:
    """Rows by table, of those that only change when something is written."""
    return {
        table.name: int(
            warehouse.query(
                f"SELECT count() AS n FROM {quote_name(table.name)} {table.final}"  # noqa: S608 - a name of the server's own list, quoted
            )[0]["n"]
        )
        for table in tables(warehouse)
        if not table.derived
    }


def cost_per_day(warehouse: Warehouse) -> dict[date, tuple[int, int]]:
    """Calls and nano-USD by day."""
    rows = warehouse.query(COST_PER_DAY)
    return {row["day"]: (int(row["calls"]), int(row["cost_nano_usd"])) for row in rows}


def schema_version(warehouse: Warehouse) -> int:
    """The number of the last migration."""
    return max((migration.number for migration in applied(warehouse)), default=0)
