"""A disk that is full: refused, never lost, and taken again once there is room."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from spanledger import stack
from spanledger.warehouse import connect
from tests.stack.conftest import request
from tests.stack.test_otlp import a_span, attributes, traces

pytestmark = pytest.mark.storage
PROTOBUF = {"Content-Type": "application/x-protobuf"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 MB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root on Linux")
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not allow mounts")
    yield place
    stack.stop(place / "data")
    subprocess.run(["umount", "-l", str(place)], check=True)


def post(info: stack.StackInfo, body: bytes) -> int:
    return request(urlsplit(info.otlp_endpoint).port, "POST", "/v1/traces", body, PROTOBUF)[0]


def a_body(size: int = 20) -> tuple[bytes, set[str]]:
    spans = [a_span(attributes=attributes(x=os.urandom(20_000).hex())) for _ in range(size)]
    return traces(*spans).SerializeToString(), {span.span_id.hex() for span in spans}


def test_a_full_disk_is_refused_and_what_was_acknowledged_stays(small_disk: Path) -> None:
    """The ballast leaves nothing: the journal's own write fails, before the engine's."""
    data_dir = small_disk / "data"
    info = stack.start(data_dir, clickhouse_port=0, otlp_port=0, grpc_port=None)
    # Below its reserve it refuses before anything fails.
    ballast = small_disk / "ballast"
    first, known = a_body()
    assert post(info, first) == 200
    fill(ballast, small_disk, leave=100 << 20)
    assert post(info, a_body()[0]) == 503
    assert "less than 128 MB" in stack.health(info)["problem"]
    ballast.unlink()
    body, ids = a_body()
    assert post(info, body) == 200
    assert stored(info) == known | ids


def test_a_disk_that_fills_up_during_writes_loses_nothing_either(small_disk: Path) -> None:
    data_dir = small_disk / "data"
    info = started_without_reserve(data_dir)
    ballast, known = small_disk / "ballast", set[str]()
    fill(ballast, small_disk, leave=12 << 20)
    refused: list[tuple[bytes, set[str]]] = []
    for _ in range(60):
        body, ids = a_body()
        if post(info, body) == 200:
            known |= ids
        else:
            refused.append((body, ids))
        if len(refused) >= 3:
            break
    assert refused
    assert known
    assert known <= stored(info)
    ballast.unlink()
    for body, ids in refused:
        deadline = time.monotonic() + 30
        while (status := post(info, body)) != 200:
            assert status == 503
            assert time.monotonic() < deadline
            time.sleep(0.1)
        known |= ids
    assert stored(info) == known
    with connect(info.clickhouse_url) as warehouse:
        counted = warehouse.query("SELECT count() AS n FROM otel_traces")[0]["n"]
    assert counted == len(known)


def fill(ballast: Path, disk: Path, leave: int) -> None:
    found = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - leave)


def stored(info: stack.StackInfo) -> set[str]:
    with connect(info.clickhouse_url) as warehouse:
        return {row["SpanId"] for row in warehouse.query("SELECT SpanId FROM otel_traces")}


def started_without_reserve(data_dir: Path) -> stack.StackInfo:
    return stack.start(data_dir, clickhouse_port=0, otlp_port=0, grpc_port=None, min_free_bytes=0)
