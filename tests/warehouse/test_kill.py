"""kill -9 of the server: what was acknowledged is there, and re-sending makes the rest exact."""

import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from spanledger.warehouse import WarehouseError, connect, migrate
from tests._engines import ClickHouseServer, EngineUnavailable
from tests.warehouse._rows import Span, call, insert_spans

pytestmark = pytest.mark.storage

BATCH = 50
WRITERS = 3


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[ClickHouseServer]:
    """A server of its own, to be killed."""
    server = ClickHouseServer(tmp_path)
    try:
        server.start()
    except EngineUnavailable as reason:
        pytest.skip(str(reason))
    yield server
    server.stop()


class Writer(threading.Thread):
    """Sends batches until one fails; remembers which were acknowledged and which was not."""

    def __init__(self, url: str, first: int) -> None:
        super().__init__()
        self.url = url
        self.next = first
        self.acknowledged: list[list[Span]] = []
        self.unsure: list[Span] = []
        self.running = threading.Event()

    def run(self) -> None:
        try:
            with connect(self.url, timeout_s=20) as warehouse:
                while True:
                    numbers = range(self.next, self.next + BATCH)
                    self.unsure = [call(number, number) for number in numbers]
                    insert_spans(warehouse, self.unsure)
                    self.acknowledged.append(self.unsure)
                    self.next += BATCH
                    self.running.set()
        except WarehouseError:
            self.running.set()


def kill_while_writing(server: ClickHouseServer, round_: int) -> tuple[list[Span], list[Span]]:
    """The spans that were acknowledged and those that nobody knows about."""
    writers = [
        Writer(server.url(), 1 + (round_ * WRITERS + writer) * 1_000_000)
        for writer in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.running.wait(timeout=60)
    server.kill()
    for writer in writers:
        writer.join(timeout=60)
    acknowledged = [span for writer in writers for batch in writer.acknowledged for span in batch]
    return acknowledged, [span for writer in writers for span in writer.unsure]


def nano_usd(spans: list[Span]) -> Decimal:
    return Decimal(sum(int(span.span_id, 16) for span in spans)) / 10**9


@pytest.mark.parametrize("kills", [3, pytest.param(15, marks=pytest.mark.slow)])
def test_after_kills_acknowledged_calls_are_there_and_re_sent_ones_count_once(
    mortal: ClickHouseServer, kills: int
) -> None:
    with connect(mortal.url()) as warehouse:
        migrate(warehouse)
    expected: list[Span] = []
    for round_ in range(kills):
        acknowledged, unsure = kill_while_writing(mortal, round_)
        assert acknowledged, "the server was killed before it acknowledged anything"
        mortal.start()
        with connect(mortal.url()) as warehouse:
            landed = {row["SpanId"] for row in warehouse.query("SELECT SpanId FROM otel_traces")}
            assert {span.span_id for span in acknowledged} <= landed
            # In other batches than before, as a collector that starts again would.
            expected += acknowledged + unsure
            for start in range(0, len(unsure), BATCH - 7):
                insert_spans(warehouse, unsure[start : start + BATCH - 7])
            insert_spans(warehouse, acknowledged[-BATCH:])
            (row,) = warehouse.query("SELECT count() AS n, sum(cost_usd) AS cost_usd FROM calls")
        assert row == {"n": len(expected), "cost_usd": nano_usd(expected)}
