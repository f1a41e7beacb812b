"""The books of several exporters that call themselves the same are added up, process by process."""

import subprocess
import sys
from pathlib import Path

import pytest

from spanledger.warehouse import Warehouse
from tests.pipeline._collector import clean_environment
from tests.pipeline._wait import wait_until
from tests.pipeline.conftest import StartCollector

pytestmark = pytest.mark.storage
_PROGRAM = Path(__file__).with_name("books.py")


def health(warehouse: Warehouse) -> dict[str, float]:
    rows = warehouse.query(
        "SELECT metric, sum(value) AS value FROM export_health WHERE service = 'fleet' "
        "GROUP BY metric"
    )
    return {row["metric"]: row["value"] for row in rows}


def waiting(warehouse: Warehouse) -> list[float]:
    rows = warehouse.query(
        "SELECT max(value) AS value FROM pipeline_metrics WHERE service = 'fleet' "
        "AND name = 'spanledger.export.spooled' GROUP BY series ORDER BY value"
    )
    return [row["value"] for row in rows]


def test_books_of_processes_with_the_same_resource_are_added_up(
    start_collector: StartCollector, warehouse: Warehouse
) -> None:
    """Of two workers with one `service.instance.id` and of what each of them forks."""
    collector = start_collector("agent.yaml")
    environment = {
        **clean_environment(),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=fleet,service.instance.id=same,host.name=same",
    }
    workers = [
        subprocess.Popen([sys.executable, _PROGRAM, str(accepted)], env=environment)
        for accepted in (150, 400)
    ]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    # A worker's first word is the sum of its parent's and its own if they are taken for one.
    expected = {"accepted": 150 + 20 + 400 + 20, "delivered": 145 + 17 + 395 + 17}
    assert wait_until(lambda: expected.items() <= health(warehouse).items())
    # What waits is told in full each time: the minutes that it was told in may be two.
    assert waiting(warehouse) == [3, 3, 5, 5]
