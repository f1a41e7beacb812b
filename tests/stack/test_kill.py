"""kill -9 of the daemon while spans come in: what was acknowledged is there."""

import os
import signal
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from spanledger import stack
from spanledger.stack import _lifecycle
from spanledger.warehouse import connect
from tests.stack.conftest import request
from tests.stack.test_otlp import a_span, attributes, traces

pytestmark = pytest.mark.storage
PROTOBUF = {"Content-Type": "application/x-protobuf"}


class Sender(threading.Thread):
    """Sends batches until the daemon is gone; remembers what was acknowledged and the batch
    that was not."""

    def __init__(self, port: int | None) -> None:
        super().__init__()
        self.port = port
        self.acknowledged: list[str] = []
        self.open: tuple[bytes, list[str]] | None = None

    def run(self) -> None:
        while True:
            spans = [
                a_span(
                    attributes=attributes(
                        gen_ai__operation__name="chat", spanledger__cost__nano_usd=1
                    )
                )
                for _ in range(40)
            ]
            body, ids = traces(*spans).SerializeToString(), [span.span_id.hex() for span in spans]
            try:
                status, _, _ = request(self.port, "POST", "/v1/traces", body, PROTOBUF)
            except (OSError, ValueError):
                self.open = (body, ids)
                return
            if status == 200:
                self.acknowledged += ids


def one_round(data_dir: Path, known: set[str], delay_s: float) -> None:
    info = stack.start(data_dir, clickhouse_port=0, otlp_port=0, grpc_port=None)
    senders = [Sender(urlsplit(info.otlp_endpoint).port) for _ in range(4)]
    for sender in senders:
        sender.start()
    while sum(len(sender.acknowledged) for sender in senders) < 400:
        assert all(sender.is_alive() for sender in senders)
    time.sleep(delay_s)
    os.kill(info.pid, signal.SIGKILL)
    for sender in senders:
        sender.join(30)
    _lifecycle._reap(info.pid)
    resend_and_compare(data_dir, known, senders)


def resend_and_compare(data_dir: Path, known: set[str], senders: list[Sender]) -> None:
    info = stack.start(data_dir, clickhouse_port=0, otlp_port=0, grpc_port=None)
    for sender in senders:
        known |= set(sender.acknowledged)
    with connect(info.clickhouse_url) as warehouse:
        rows = warehouse.query("SELECT SpanId FROM otel_traces")
        assert known <= {row["SpanId"] for row in rows}
        for sender in senders:
            body, ids = sender.open or (b"", [])
            assert (
                request(urlsplit(info.otlp_endpoint).port, "POST", "/v1/traces", body, PROTOBUF)[0]
                == 200
            )
            known |= set(ids)
        landed = warehouse.query("SELECT count() AS n, uniqExact(SpanId) AS u FROM otel_traces")
        assert landed == [{"n": len(known), "u": len(known)}]
        billed = warehouse.query("SELECT count() AS n, sum(cost_usd) * 1000000000 AS c FROM calls")
        assert billed == [{"n": len(known), "c": len(known)}]
    stack.stop(data_dir)


def kill_rounds(data_dir: Path, rounds: int) -> None:
    known: set[str] = set()
    for number in range(rounds):
        one_round(data_dir, known, delay_s=0.013 * (number % 7))


def test_every_acknowledged_span_survives_five_kills_and_retries_double_none(
    data_dir: Path,
) -> None:
    kill_rounds(data_dir, 5)


@pytest.mark.slow
def test_every_acknowledged_span_survives_twenty_kills(data_dir: Path) -> None:
    kill_rounds(data_dir, 20)
