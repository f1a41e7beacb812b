"""How long the questions about the history take, over millions of spans.

    nice -n 10 .venv/bin/python benchmarks/analytics.py [million spans, 5] [URL of a history]

Without a URL: a genuine ClickHouse 25.8 server on this machine, filled with spans of the last 30
days and rolled up. Times are medians of five runs, measured at the caller.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import warehouse_spans
from tests._engines import ClickHouseServer

from spanledger import analytics
from spanledger.warehouse import KEPT, Warehouse, connect, migrate

_ALLOWED_MS = 300
_RUNS = 5
_WEEK = timedelta(days=7)


def questions(now: datetime) -> dict[str, Callable[[Warehouse], object]]:
    """What `spanledger usage`, `forecast`, `anomalies` and `report` ask."""
    agent = [analytics.Scope("agent", "agent-1")]
    user = [analytics.Scope("user", "user-1")]
    found: dict[str, Callable[[Warehouse], object]] = {
        f"stats by {by}": lambda w, by=by: analytics.usage_stats(w, by, limit=20)  # type: ignore[misc]
        for by in analytics.SCOPE_KINDS
    }
    return found | {
        "stats of one agent by model": lambda w: analytics.compare_models(w, "agent-1"),
        "stats of one user by agent": lambda w: analytics.usage_stats(w, "agent", only=user),
        "stats to the minute": lambda w: analytics.usage_stats(
            w, "agent", since=now - _WEEK - timedelta(minutes=17)
        ),
        "hours of a week": lambda w: analytics.usage_stats(
            w, "all", window="hour", since=now - _WEEK
        ),
        "days by agent": lambda w: analytics.usage_stats(w, "agent", window="day", limit=20),
        "top sessions": analytics.top_sessions,
        "top sessions of an agent": lambda w: analytics.top_sessions(w, only=agent),
        "how sessions ended": lambda w: analytics.session_outcomes(w, since=now - _WEEK),
        "caches": analytics.cache_use,
        "retries": lambda w: analytics.retries(w, since=now - _WEEK),
        "refusals": analytics.refused_work,
        "is this agent known": lambda w: analytics.require_known(w, agent[0]),
        "forecast": analytics.forecast,
        "forecast of an agent": lambda w: analytics.forecast(w, scope=agent[0]),
        "burn rates": analytics.burn_rates,
        "anomalies": analytics.anomalies,
        "a bill of a week": lambda w: analytics.recorded_days(
            w, ["openai"], (now - _WEEK).date(), now.date()
        ),
    }


def median_ms(question: Callable[[Warehouse], object], warehouse: Warehouse) -> float:
    """After one run that is not counted."""
    question(warehouse)
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        question(warehouse)
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def measure(warehouse: Warehouse) -> None:
    """Print the time of every question, and the speed of an export."""
    for name, question in questions(datetime.now(UTC)).items():
        took = median_ms(question, warehouse)
        print(f"{name:<32} {took:7.0f} ms{'' if took <= _ALLOWED_MS else '  TOO SLOW'}", flush=True)
    rows = analytics.export_count(warehouse, "calls")
    start = time.perf_counter()
    size = sum(map(len, analytics.export_rows(warehouse, "calls", "parquet")))
    took = time.perf_counter() - start
    print(f"export of {rows:,} calls to Parquet: {rows / took:,.0f} rows/s, {size:,} bytes")


def roll_up(warehouse: Warehouse) -> None:
    """Now, not in a minute."""
    for table in (*KEPT["hours"], "calls_daily"):
        if table.endswith("ly"):
            warehouse.command(f"SYSTEM REFRESH VIEW {table}_mv")
            warehouse.command(f"SYSTEM WAIT VIEW {table}_mv")


@contextmanager
def filled(spans: int) -> Iterator[Warehouse]:
    """A server of its own with so many spans."""
    with tempfile.TemporaryDirectory() as folder:
        server = ClickHouseServer(Path(folder)).start()
        try:
            with connect(server.url("history")) as warehouse:
                migrate(warehouse)
                warehouse_spans.fill(warehouse, spans)
                roll_up(warehouse)
                yield warehouse
        finally:
            server.stop()


def main() -> None:
    if len(sys.argv) > 2:
        with connect(sys.argv[2]) as warehouse:
            measure(warehouse)
        return
    with filled(int(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else 5_000_000) as warehouse:
        measure(warehouse)


if __name__ == "__main__":
    main()
