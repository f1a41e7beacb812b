"""A crash between a deduplication log and its part must not swallow the sender's retry."""

import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from spanledger import stack
from spanledger.stack._files import DataDir
from spanledger.stack._recovery import backed_lines, forget_uncommitted, part_blocks
from spanledger.warehouse import connect
from tests.stack.conftest import request
from tests.stack.test_otlp import a_span, attributes, traces

LINES = ["1\t20260101_1_1_0\ta\n", "1\t20260101_2_2_0\tb\n", "1\tall_7_7_0\tc\n"]


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("20260101_1_5_2", ("20260101", 1, 5)),
        ("all_3_3_0_9", ("all", 3, 3)),
        ("a_b_1_2_0", None),
        ("tmp_insert_20260101_1_1_0", None),
        ("tmp-fetch_x_1_1_0", None),
        ("detached", None),
        ("deduplication_logs", None),
    ],
)
def test_names_of_parts_are_read(name: str, blocks: tuple[str, int, int] | None) -> None:
    assert part_blocks(name) == blocks


def test_a_claim_is_kept_if_its_part_or_a_merged_one_is_there() -> None:
    assert backed_lines(LINES, ["20260101_1_1_0", "all_5_9_1"]) == [LINES[0], LINES[2]]
    assert backed_lines(LINES, ["20260101_1_2_1", "all_8_9_1"]) == LINES[:2]
    assert backed_lines(LINES, ["20260102_1_9_1"]) == []


def test_a_line_that_is_not_whole_is_dropped() -> None:
    parts = ["20260101_1_1_0"]
    assert backed_lines(["1\t20260101_1_1_0\ta", "1\t20260101_1_1_0\n", "\n"], parts) == []


def test_only_logs_with_empty_claims_are_rewritten(tmp_path: Path) -> None:
    for name, lines in (("good", LINES[:1]), ("bad", LINES[:2])):
        logs = tmp_path / "store" / name / "uuid" / "deduplication_logs"
        logs.mkdir(parents=True)
        (logs.parent / "20260101_1_1_0").mkdir()
        (logs / "deduplication_log_1.txt").write_text("".join(lines))
    assert forget_uncommitted(tmp_path) == 1
    found = sorted(path.read_text() for path in tmp_path.rglob("deduplication_log_1.txt"))
    assert found == [LINES[0], LINES[0]]
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.storage
@pytest.mark.parametrize("lost_in", ["otel_traces", "llm_calls"])
def test_a_retry_is_stored_when_the_crash_left_a_claim_without_rows(
    data_dir: Path, lost_in: str
) -> None:
    """The state that a kill between log and part leaves: the claim is there, the part is not."""
    span = a_span(attributes=attributes(gen_ai__operation__name="chat"))
    body = traces(span).SerializeToString()
    info = send(data_dir, body)
    with connect(info.clickhouse_url) as warehouse:
        sql = "SELECT path FROM system.parts WHERE database = currentDatabase() AND active"
        paths = warehouse.query(f"{sql} AND table = {{name:String}}", name=lost_in)
    stack.stop(data_dir)
    for row in paths:
        shutil.rmtree(data_dir / row["path"])
    info = send(data_dir, body)
    assert "forgot" in DataDir(data_dir).log.read_text()
    with connect(info.clickhouse_url) as warehouse:
        counts = {
            name: warehouse.query(f"SELECT count() AS n FROM {name}")[0]["n"]  # noqa: S608 - ours
            for name in ("otel_traces", "llm_calls", "calls")
        }
    assert counts == {"otel_traces": 1, "llm_calls": 1, "calls": 1}


def send(data_dir: Path, body: bytes) -> stack.StackInfo:
    info = stack.start(data_dir, clickhouse_port=0, otlp_port=0, grpc_port=None)
    headers = {"Content-Type": "application/x-protobuf"}
    port = urlsplit(info.otlp_endpoint).port
    assert request(port, "POST", "/v1/traces", body, headers)[0] == 200
    return info
