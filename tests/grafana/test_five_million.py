"""No question takes longer than a person waits: 30 days, five million spans."""

from pathlib import Path

import pytest
from benchmarks.dashboards import measured, picked, prepare

from spanledger.warehouse import connect, migrate
from tests._engines import ClickHouseServer, EngineUnavailable

SPANS = 5_000_000


@pytest.mark.slow
@pytest.mark.storage
def test_every_question_is_answered_in_time_over_five_million_spans(tmp_path: Path) -> None:
    server = ClickHouseServer(tmp_path)
    try:
        server.start()
    except EngineUnavailable as reason:
        pytest.skip(str(reason))
    try:
        with connect(server.url()) as warehouse:
            migrate(warehouse)
            prepare(warehouse, SPANS)
            costs = list(measured(server.url(), picked(warehouse), times=5))
    finally:
        server.stop()
    late = {f"{c.asked.dashboard}: {c.asked.where}": c.ms for c in costs if c.ms > c.allowed_ms}
    assert not late
