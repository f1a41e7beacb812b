"""What the schema saves: bytes a span, and the time of the questions that dashboards ask.

    nice -n 10 .venv/bin/python benchmarks/warehouse.py [million spans, 1 5 20]

A genuine ClickHouse 25.8 server on this machine, filled to one size after the other; the spans lie
within the last 30 days each time. The stock question is the one that tools ask of the Collector's
table; the panel is cost by model and day over 30 days, read from the roll-up.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import warehouse_spans
from tests._engines import ClickHouseServer

from spanledger.warehouse import Warehouse, connect, migrate

STOCK = """
SELECT SpanAttributes['gen_ai.request.model'] AS model, sum(toFloat64OrZero(SpanAttributes['gen_ai.usage.cost.amount'])) AS cost
FROM otel_traces WHERE Timestamp >= now64(9) - INTERVAL 31 DAY AND SpanAttributes['gen_ai.operation.name'] = 'chat'
GROUP BY model ORDER BY cost DESC
"""  # noqa: E501 - SQL
TYPED = """
SELECT request_model AS model, sum(cost_usd) AS cost FROM calls
WHERE ts >= now64(6) - INTERVAL 31 DAY GROUP BY model ORDER BY cost DESC
"""
BY_MODEL = """
SELECT model, sum(cost_usd) AS cost FROM cost_daily
WHERE day >= today() - 31 GROUP BY model ORDER BY cost DESC
"""
PANEL = """
SELECT day, model, sum(cost_usd) AS cost, sum(calls) AS calls FROM cost_daily
WHERE day >= today() - 31 GROUP BY day, model ORDER BY day, model
"""
_TYPED_TABLES = ("llm_calls", "agent_steps")
_STOCK_TABLES = ("otel_traces", "otel_traces_trace_id_ts")
_ROLLUPS = (
    "calls_hourly", "sessions_hourly", "users_hourly", "tools_hourly", "runs_hourly", "calls_daily",
)  # fmt: skip


def median_ms(warehouse: Warehouse, sql: str, runs: int = 5) -> float:
    """The median of some runs, without caches of results, as the server tells its time.

    From the parser to the last row. The client library takes about a millisecond on top.
    """
    times = []
    for _ in range(runs + 1):
        done = warehouse._client.query(sql + " SETTINGS use_query_condition_cache = 0")
        times.append(int(done.summary["elapsed_ns"]) / 1e6)
    return statistics.median(times[1:])


def bytes_of(warehouse: Warehouse, tables: tuple[str, ...]) -> int:
    (row,) = warehouse.query(
        "SELECT sum(bytes_on_disk) AS n FROM system.parts "
        "WHERE database = currentDatabase() AND active AND table IN {tables:Array(String)}",
        tables=list(tables),
    )
    return int(row["n"])


def merged(warehouse: Warehouse, tables: tuple[str, ...]) -> None:
    for table in tables:
        warehouse.command(f"OPTIMIZE TABLE {table} FINAL")


def roll_up(warehouse: Warehouse) -> None:
    for table in _ROLLUPS:
        warehouse.command(f"SYSTEM REFRESH VIEW {table}_mv")
        warehouse.command(f"SYSTEM WAIT VIEW {table}_mv")


@dataclass(frozen=True)
class Row:
    """What is measured at one size."""

    spans: int
    spans_s: float
    """How fast ClickHouse took in what was new, with all views; it made the spans as well."""
    stock_bytes: float
    typed_bytes: float
    rollup_bytes: float
    stock_ms: float
    typed_ms: float
    by_model_ms: float
    panel_ms: float


def measure(warehouse: Warehouse, spans: int, there: int) -> Row:
    """Fill up to `spans` spans, merge and roll up, and ask."""
    began = time.perf_counter()
    warehouse_spans.fill(warehouse, spans - there, first=there)
    spans_s = (spans - there) / (time.perf_counter() - began)
    roll_up(warehouse)
    # Nothing else runs while questions are asked: after so many spans at once every hour would be
    # built again for minutes.
    warehouse.command("SYSTEM STOP VIEWS")
    merged(warehouse, _TYPED_TABLES + _STOCK_TABLES + _ROLLUPS)
    sizes = (bytes_of(warehouse, t) / spans for t in (_STOCK_TABLES, _TYPED_TABLES, _ROLLUPS))
    asked = ((STOCK, 9), (TYPED, 9), (BY_MODEL, 51), (PANEL, 51))
    times = [median_ms(warehouse, sql, runs) for sql, runs in asked]
    warehouse.command("SYSTEM START VIEWS")
    return Row(spans, spans_s, *sizes, *times)


_HEADS = ("", "taken in", "bytes a span", "", "", "÷ stock", "30-day cost by model, ms", "", "",
          "stock ÷", "panel", "÷ at the")  # fmt: skip
_UNITS = ("spans", "spans/s", "stock", "typed", "roll-ups", "typed", "stock", "typed", "roll-up",
          "roll-up", "ms", "smallest")  # fmt: skip


def line(row: Row, smallest: Row) -> tuple[str, ...]:
    return (
        f"{row.spans:,}",
        f"{row.spans_s:,.0f}",
        f"{row.stock_bytes:.1f}",
        f"{row.typed_bytes:.1f}",
        f"{row.rollup_bytes:.1f}",
        f"{row.typed_bytes / row.stock_bytes:.3f}",
        f"{row.stock_ms:.0f}",
        f"{row.typed_ms:.0f}",
        f"{row.by_model_ms:.1f}",
        f"{row.stock_ms / row.by_model_ms:.0f}",
        f"{row.panel_ms:.1f}",
        f"{row.panel_ms / smallest.panel_ms:.2f}",
    )


def show(cells: Sequence[str]) -> None:
    widths = (12, 10, 13, 7, 9, 8, 25, 7, 9, 8, 7, 9)
    print("".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)), flush=True)


def main() -> None:
    sizes = [int(float(word) * 1e6) for word in sys.argv[1:] or ("1", "5", "20")]
    with tempfile.TemporaryDirectory() as folder:
        server = ClickHouseServer(Path(folder)).start()
        try:
            with connect(server.url("growing")) as warehouse:
                migrate(warehouse)
                show(_HEADS)
                show(_UNITS)
                rows: list[Row] = []
                for spans in sorted(sizes):
                    rows.append(measure(warehouse, spans, rows[-1].spans if rows else 0))
                    show(line(rows[-1], rows[0]))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
