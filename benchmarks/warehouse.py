"""What the schema saves: bytes a span, and the time of the questions that dashboards ask.

    nice -n 10 .venv/bin/python benchmarks/warehouse.py [million spans, 5] [million calls, 20]

A genuine ClickHouse 25.8 server on this machine. The stock question is the one that tools ask of
the Collector's table; the panel is cost by model and day over 30 days, read from the roll-up.
"""

import statistics
import sys
import tempfile
import time
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
    """The median of some runs, without caches of results."""
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        warehouse.query(sql + " SETTINGS use_query_condition_cache = 0")
        times.append((time.perf_counter() - start) * 1000)
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


def stock_and_typed(warehouse: Warehouse, spans: int) -> None:
    warehouse_spans.fill(warehouse, spans)
    merged(warehouse, _TYPED_TABLES + _STOCK_TABLES)
    roll_up(warehouse)
    stock, typed = bytes_of(warehouse, _STOCK_TABLES), bytes_of(warehouse, _TYPED_TABLES)
    print(f"bytes/span: stock {stock / spans:.1f}, typed {typed / spans:.1f}, "
          f"typed/stock {typed / stock:.3f}; "
          f"roll-ups {bytes_of(warehouse, _ROLLUPS) / spans:.1f}")  # fmt: skip
    slow, middle, fast = (median_ms(warehouse, sql) for sql in (STOCK, TYPED, BY_MODEL))
    print(f"30-day cost by model at {spans:,} spans: stock {slow:.0f} ms, typed {middle:.0f} ms, "
          f"roll-up {fast:.1f} ms, stock/roll-up {slow / fast:.0f}")  # fmt: skip


def panel_ms(warehouse: Warehouse, calls: int) -> float:
    warehouse_spans.fill_calls(warehouse, calls)
    merged(warehouse, ("llm_calls",))
    roll_up(warehouse)
    return median_ms(warehouse, PANEL, runs=15)


def main() -> None:
    million_spans, million_calls = [*map(float, sys.argv[1:]), 5.0, 20.0][:2]
    with tempfile.TemporaryDirectory() as folder:
        server = ClickHouseServer(Path(folder)).start()
        try:
            with connect(server.url("stock")) as warehouse:
                migrate(warehouse)
                stock_and_typed(warehouse, int(million_spans * 1e6))
                warehouse.command("DROP DATABASE stock SYNC", use_database=False)
            times = []
            for name, calls in (("small", int(1e6)), ("large", int(million_calls * 1e6))):
                with connect(server.url(name)) as warehouse:
                    migrate(warehouse)
                    times.append(panel_ms(warehouse, calls))
            print(f"roll-up panel: 1,000,000 calls {times[0]:.1f} ms, {calls:,} calls "
                  f"{times[1]:.1f} ms, ratio {times[1] / times[0]:.2f}")  # fmt: skip
        finally:
            server.stop()


if __name__ == "__main__":
    main()
