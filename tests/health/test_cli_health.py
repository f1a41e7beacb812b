"""`spanledger health` and the question behind it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from spanledger import semconv
from spanledger.analytics import ProcessHealth, process_health
from spanledger.warehouse import Warehouse
from tests.cli._program import json_of, run_here
from tests.warehouse.conftest import (  # noqa: F401 - fixtures are found by their names here
    embedded_url,
    engine_url,
    migrated,
    server,
    warehouse,
    with_database,
)

pytestmark = pytest.mark.storage

#: When tests are collected, which may be half an hour before they run: hence `_LATELY`.
_NOW = datetime.now(UTC).replace(microsecond=0)
_LATELY = "--since", "9h"
_GAUGES = semconv.METRIC_HEALTH_SCORE, semconv.METRIC_PROCESS_CPU
_COLUMNS = ["ServiceName", "ScopeName", "MetricName", "Attributes", "TimeUnix", "Value"]


def _tell(held: Warehouse, pid: str, at: datetime, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        table = "otel_metrics_gauge" if name in _GAUGES else "otel_metrics_sum"
        row = ["shop", "spanledger.health", name, {"process.pid": pid}, at, value]
        held.insert(table, _COLUMNS, [row])


@pytest.fixture
def told(warehouse: Warehouse) -> Warehouse:  # noqa: F811 - the fixture of that name
    well = {semconv.METRIC_HEALTH_SCORE: 100.0, semconv.METRIC_PROCESS_MEMORY: 2.0**20}
    ill = {semconv.METRIC_HEALTH_SCORE: 12.5, semconv.METRIC_PROCESS_CPU: 0.25}
    _tell(warehouse, "7", _NOW - timedelta(minutes=3), ill)
    _tell(warehouse, "7", _NOW - timedelta(minutes=2), well)
    _tell(warehouse, "8", _NOW - timedelta(minutes=1), ill)
    return warehouse


def test_the_last_that_each_process_told_is_shown_the_worst_first(told: Warehouse) -> None:
    ill, well = process_health(told, since=_NOW - timedelta(minutes=15))
    at = _NOW - timedelta(minutes=1)
    assert ill == ProcessHealth("shop", "8", at, 12.5, 0.25, None, None, None)
    assert (well.pid, well.score, well.memory_bytes) == ("7", 100.0, 2**20)
    assert process_health(told, since=_NOW) == []


def test_an_unhealthy_process_is_exit_code_1(told: Warehouse, tmp_path: Path) -> None:
    address = told.address
    password = quote(address.password, safe="")
    url = f"http://{address.user}:{password}@{address.host}:{address.port}/test"
    done = run_here("health", "--json", *_LATELY, "--url", url, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    found = json_of(done)
    assert [row["state"] for row in found["processes"]] == ["unhealthy", "healthy"]
    shown = run_here("health", *_LATELY, "--url", url, cwd=tmp_path)
    assert "unhealthy" in shown.stdout
    assert "25.0 %" in shown.stdout
    none = run_here("health", "--since", "2999-01-01", "--url", url, cwd=tmp_path)
    assert (none.returncode, none.stdout.split(".")[0]) == (
        0,
        "No process told of its health in this time",
    )
