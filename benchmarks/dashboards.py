"""What the dashboards cost: milliseconds, rows and bytes of every panel over 30 days of spans.

Run: ``python -m benchmarks.dashboards [spans]`` (default 5 000 000; it fills a database of its own
on a server that it starts, with the spans of `benchmarks.warehouse_spans`).
"""

import argparse
import http.client
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from benchmarks.warehouse_spans import fill
from grafana.builder import Asked, dashboards, queries
from grafana.builder.expand import State, Value, expand
from grafana.builder.model import Text
from tests._engines import ClickHouseServer

from spanledger.warehouse import Warehouse, connect, migrate

DAYS = 30
PANEL_MS, TRACE_MS = 100.0, 50.0
"""What a panel, and the waterfall of one trace, may take."""

ROLLUPS = (
    "calls_hourly", "sessions_hourly", "users_hourly", "tools_hourly", "runs_hourly", "calls_daily",
    "forecast_builds", "anomaly_builds", "model_price_builds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """What one question took, at its best of some times."""

    asked: Asked
    ms: float
    read_rows: int
    read_bytes: int

    @property
    def allowed_ms(self) -> float:
        return TRACE_MS if self.asked.kind == "traces" else PANEL_MS


def prepare(warehouse: Warehouse, spans: int) -> None:
    """Fill a migrated database, and build what ClickHouse builds in the background."""
    fill(warehouse, spans, days=DAYS)
    for rollup in ROLLUPS:
        warehouse.command(f"SYSTEM REFRESH VIEW {rollup}_mv")
        warehouse.command(f"SYSTEM WAIT VIEW {rollup}_mv")
    # A month that came in within minutes is built again and again, and merges have not caught up:
    # of a month that came in within a month only the last hours are like that.
    for rollup in ROLLUPS:
        warehouse.command(f"SYSTEM STOP VIEW {rollup}_mv")
        warehouse.command(f"OPTIMIZE TABLE {rollup} FINAL")


def picked(warehouse: Warehouse) -> dict[str, str]:
    """A trace and a session of the middle of the month."""
    (row,) = warehouse.query(
        "SELECT trace_id AS trace, session_id AS session FROM calls "
        "WHERE ts >= now() - INTERVAL 15 DAY LIMIT 1"
    )
    return {name: str(value) for name, value in row.items()}


def measured(url: str, chosen: dict[str, str], *, times: int = 3) -> Iterator[Cost]:
    """Every question over the last 30 days with All chosen, at its best."""
    end_s = int(datetime.now(UTC).timestamp())
    connection = _Connection(url)
    for asked in queries():
        state = State(end_s - DAYS * 86400, end_s, 4 * 3600, _variables(asked, chosen))
        sql = expand(asked.sql, state)
        yield min((connection.ask(asked, sql) for _ in range(times)), key=lambda cost: cost.ms)


def _variables(asked: Asked, chosen: dict[str, str]) -> dict[str, Value]:
    dashboard = next(each for each in dashboards() if each.uid == asked.dashboard)
    texts = [each.name for each in dashboard.variables if isinstance(each, Text)]
    # A search is not narrowed by the trace that is shown below it.
    given = chosen if asked.dashboard == "spanledger-session" else {"trace": chosen["trace"]}
    return {name: given.get(name, "") for name in texts}


class _Connection:
    """Asks over HTTP and reads what ClickHouse says that it did; the rows are thrown away."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._http = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=300)
        self._path = f"/?database={quote(parts.path.strip('/'))}&wait_end_of_query=1"
        self._headers = {
            "X-ClickHouse-User": unquote(parts.username or ""),
            "X-ClickHouse-Key": unquote(parts.password or ""),
        }

    def ask(self, asked: Asked, sql: str) -> Cost:
        began = time.perf_counter()
        self._http.request("POST", self._path, sql.encode(), self._headers)
        answer = self._http.getresponse()
        body = answer.read()
        took_ms = (time.perf_counter() - began) * 1000
        if answer.status != 200:
            raise RuntimeError(f"{asked.dashboard}, {asked.where}: {body.decode()[:500]}")
        summary = json.loads(answer.headers["X-ClickHouse-Summary"])
        return Cost(asked, took_ms, int(summary["read_rows"]), int(summary["read_bytes"]))


def report(costs: Sequence[Cost]) -> None:
    """A line for each question, a sum for each dashboard, and what took too long."""
    for uid, group in groupby(costs, key=lambda cost: cost.asked.dashboard):
        of_board = list(group)
        for cost in of_board:
            late = "  <-- too long" if cost.ms > cost.allowed_ms else ""
            print(f"{cost.ms:8.1f} ms {_read(cost)}  {uid} · {cost.asked.where}{late}")
        whole = Cost(
            of_board[0].asked,
            sum(cost.ms for cost in of_board),
            sum(cost.read_rows for cost in of_board),
            sum(cost.read_bytes for cost in of_board),
        )
        print(f"{whole.ms:8.1f} ms {_read(whole)}  {uid}: all of it\n")
    late_ones = [cost for cost in costs if cost.ms > cost.allowed_ms]
    print(f"{len(costs)} questions, {len(late_ones)} of them took too long")


def _read(cost: Cost) -> str:
    return f"{cost.read_rows:>10,} rows {cost.read_bytes / 1e6:>8.1f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spans", type=int, nargs="?", default=5_000_000)
    spans = parser.parse_args().spans
    with tempfile.TemporaryDirectory() as folder:
        server = ClickHouseServer(Path(folder)).start()
        try:
            with connect(server.url()) as warehouse:
                migrate(warehouse)
                prepare(warehouse, spans)
                chosen = picked(warehouse)
            report(list(measured(server.url(), chosen)))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
