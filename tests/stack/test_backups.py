"""Backups: of a running stack, of one moment, and back again."""

import json
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from spanledger import stack
from spanledger.stack import BackupInvalid, StackError, TargetNotEmpty, _manifest
from spanledger.stack.backups import backup, restore
from spanledger.warehouse import connect
from tests.stack.conftest import request
from tests.stack.test_kill import Sender
from tests.stack.test_otlp import a_span, attributes, traces

pytestmark = pytest.mark.storage
PROTOBUF = {"Content-Type": "application/x-protobuf"}


def filled(data_dir: Path, calls: int = 30) -> stack.StackInfo:
    info = stack.start(data_dir, clickhouse_port=0, otlp_port=0, grpc_port=None)
    spans = [
        a_span(attributes=attributes(gen_ai__operation__name="chat", spanledger__cost__nano_usd=11))
        for _ in range(calls)
    ]
    body = traces(*spans).SerializeToString()
    port = urlsplit(info.otlp_endpoint).port
    assert request(port, "POST", "/v1/traces", body, PROTOBUF)[0] == 200
    return info


def cost(info: stack.StackInfo) -> tuple[int, int]:
    with connect(info.clickhouse_url) as warehouse:
        row = warehouse.query("SELECT count() AS n, sum(cost_usd) * 1000000000 AS c FROM calls")[0]
    return row["n"], int(row["c"] or 0)


def test_what_is_backed_up_comes_back(data_dir: Path, tmp_path: Path) -> None:
    filled(data_dir)
    steps: list[str] = []
    made = backup(tmp_path / "b", data_dir, progress=steps.append)
    assert (made.rows["llm_calls"], made.cost_nano_usd) == (30, 330)
    assert steps
    assert list((data_dir / "backups").iterdir()) == []
    assert restore(tmp_path / "b", tmp_path / "new") == made
    assert stack.status(tmp_path / "new") is None
    info = stack.start(tmp_path / "new", clickhouse_port=0, otlp_port=0, grpc_port=None)
    try:
        assert cost(info) == (30, 330)
        assert filled(tmp_path / "new", 5) == info
        assert cost(info) == (35, 385)
    finally:
        stack.stop(tmp_path / "new")


def test_a_stack_that_does_not_run_is_backed_up_too(data_dir: Path, tmp_path: Path) -> None:
    filled(data_dir)
    stack.stop(data_dir)
    assert backup(tmp_path / "b", data_dir).cost_nano_usd == 330
    assert stack.status(data_dir) is None


def test_a_backup_under_load_holds_whole_batches_and_loses_nothing(
    data_dir: Path, tmp_path: Path
) -> None:
    """Landing table and call records agree, although spans come in all the time."""
    info = filled(data_dir)
    senders = [Patient(urlsplit(info.otlp_endpoint).port) for _ in range(2)]
    for sender in senders:
        sender.start()
    made = []
    for number in range(3):
        made.append(backup(tmp_path / f"b{number}", data_dir))
        come_in = acknowledged(senders)
        while acknowledged(senders) == come_in:
            time.sleep(0.02)
    for sender in senders:
        sender.ending.set()
    for sender in senders:
        sender.join(60)
    for manifest in made:
        assert manifest.rows["otel_traces"] == manifest.rows["llm_calls"]
    assert made[0].rows["otel_traces"] < made[2].rows["otel_traces"]
    sent = sum(len(sender.acknowledged) for sender in senders)
    assert cost(info)[0] == 30 + sent
    assert restore(tmp_path / "b1", tmp_path / "new") == made[1]


def acknowledged(senders: Sequence[Sender]) -> int:
    return sum(len(sender.acknowledged) for sender in senders)


class Patient(Sender):
    """A sender that comes again when it is told to."""

    def __init__(self, port: int | None) -> None:
        super().__init__(port)
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.is_set():
            spans = [
                a_span(attributes=attributes(gen_ai__operation__name="chat")) for _ in range(10)
            ]
            body = traces(*spans).SerializeToString()
            while request(self.port, "POST", "/v1/traces", body, PROTOBUF)[0] != 200:
                self.ending.wait(0.02)
            self.acknowledged += [span.span_id.hex() for span in spans]


def test_nothing_is_overwritten(data_dir: Path, tmp_path: Path) -> None:
    filled(data_dir)
    (tmp_path / "there").mkdir()
    with pytest.raises(TargetNotEmpty, match="exists already"):
        backup(tmp_path / "there", data_dir)
    backup(tmp_path / "b", data_dir)
    with pytest.raises(TargetNotEmpty, match="holds data already"):
        restore(tmp_path / "b", data_dir)
    stack.stop(data_dir)
    with pytest.raises(TargetNotEmpty, match="holds data already"):
        restore(tmp_path / "b", data_dir)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("engine_version", "99.1.1.1", r"ClickHouse 99\.1\.1\.1.*upgrade"),
        ("schema_version", 9999, r"schema 9999.*upgrade"),
        ("cost_nano_usd", 1, r"the cost differs.*damaged"),
    ],
)
def test_a_backup_that_this_release_can_not_take_is_refused_and_leaves_nothing(
    data_dir: Path, tmp_path: Path, field: str, value: object, sentence: str
) -> None:
    filled(data_dir)
    backup(tmp_path / "b", data_dir)
    file = tmp_path / "b" / _manifest.FILE_NAME
    file.write_text(json.dumps({**json.loads(file.read_text()), field: value}))
    with pytest.raises(BackupInvalid, match=sentence):
        restore(tmp_path / "b", tmp_path / "new")
    assert stack.status(tmp_path / "new") is None
    assert not (tmp_path / "new" / "engine").exists()
    assert not (tmp_path / "new" / "engine.version").exists()


def test_a_backup_with_a_missing_file_is_refused(data_dir: Path, tmp_path: Path) -> None:
    filled(data_dir)
    backup(tmp_path / "b", data_dir)
    shutil.rmtree(tmp_path / "b" / "data")
    with pytest.raises(BackupInvalid, match="can't be restored"):
        restore(tmp_path / "b", tmp_path / "new")


def test_a_folder_that_is_no_backup_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackupInvalid, match="not a whole backup"):
        restore(tmp_path, tmp_path / "new")
    with pytest.raises(StackError, match="There is no data"):
        backup(tmp_path / "b", tmp_path / "nothing")
