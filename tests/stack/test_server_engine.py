"""``--engine server``: a ClickHouse program over the same files."""

import os
import signal
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from spanledger import stack
from spanledger.stack import EngineFailed, EngineMissing, NewerData, _lifecycle
from spanledger.stack._engine_server import find_binary
from spanledger.warehouse import connect
from tests._engines import _LAUNCHER, EngineUnavailable, server_library
from tests.stack.conftest import request
from tests.stack.test_otlp import a_span, attributes, traces

pytestmark = pytest.mark.storage
PROTOBUF = {"Content-Type": "application/x-protobuf"}


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that is called like ClickHouse's own and is a real 25.8 server."""
    try:
        library = server_library()
    except EngineUnavailable as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("bin")
    (folder / "launcher.py").write_text(_LAUNCHER)
    program = folder / "clickhouse"
    program.write_text(
        f'#!/bin/sh\nshift\nexec {sys.executable} {folder / "launcher.py"} {library} "$@"\n'
    )
    program.chmod(0o755)
    return program


def start(data_dir: Path, clickhouse: Path) -> stack.StackInfo:
    return stack.start(
        data_dir,
        clickhouse_port=0,
        otlp_port=0,
        grpc_port=None,
        engine="server",
        clickhouse=clickhouse,
        timeout_s=60,
    )


def post(info: stack.StackInfo, body: bytes) -> int:
    return request(urlsplit(info.otlp_endpoint).port, "POST", "/v1/traces", body, PROTOBUF)[0]


def a_body() -> bytes:
    span = a_span(
        attributes=attributes(gen_ai__operation__name="chat", spanledger__cost__nano_usd=7)
    )
    return bytes(traces(span).SerializeToString())


def calls(info: stack.StackInfo) -> int:
    with connect(info.clickhouse_url) as warehouse:
        return int(warehouse.query("SELECT count() AS n FROM calls")[0]["n"])


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in tasks for child in path.read_text().split()]


def test_a_server_takes_the_place_of_the_embedded_engine(data_dir: Path, clickhouse: Path) -> None:
    info = start(data_dir, clickhouse)
    assert info.engine == "server"
    assert info.engine_version.startswith("25.8")
    body = a_body()
    assert [post(info, body) for _ in range(3)] == [200] * 3
    assert calls(info) == 1
    assert stack.health(info)["engine"] == "server"
    assert stack.stop(data_dir)
    again = start(data_dir, clickhouse)
    assert post(again, body) == 200
    assert calls(again) == 1


def test_the_embedded_engine_goes_on_with_a_server_s_files_and_not_the_other_way_round(
    data_dir: Path, clickhouse: Path
) -> None:
    body = a_body()
    assert post(start(data_dir, clickhouse), body) == 200
    stack.stop(data_dir)
    info = stack.start(data_dir, clickhouse_port=0, otlp_port=0, grpc_port=None)
    assert info.engine == "embedded"
    assert calls(info) == 1
    stack.stop(data_dir)
    with pytest.raises(NewerData, match=r"would see it empty"):
        start(data_dir, clickhouse)


def test_a_server_that_is_killed_is_started_again_and_nothing_is_lost(
    data_dir: Path, clickhouse: Path
) -> None:
    info = start(data_dir, clickhouse)
    sent = 0
    for _ in range(3):
        assert post(info, a_body()) == 200
        (server,) = children(info.pid)
        os.kill(server, signal.SIGKILL)
        body, deadline = a_body(), time.monotonic() + 60
        while (status := post(info, body)) != 200:
            assert status == 503
            assert time.monotonic() < deadline
            time.sleep(0.1)
        sent += 2
    assert calls(info) == sent


def test_a_killed_daemon_takes_its_server_with_it(data_dir: Path, clickhouse: Path) -> None:
    info = start(data_dir, clickhouse)
    assert post(info, a_body()) == 200
    (server,) = children(info.pid)
    os.kill(info.pid, signal.SIGKILL)
    _lifecycle._reap(info.pid)
    again = start(data_dir, clickhouse)
    assert children(again.pid) != [server]
    assert calls(again) == 1


def test_people_s_user_can_not_read_files_of_the_machine(data_dir: Path, clickhouse: Path) -> None:
    info = start(data_dir, clickhouse)
    url = urlsplit(info.clickhouse_url)
    key = {"X-ClickHouse-User": "spanledger", "X-ClickHouse-Key": url.password or ""}
    sql = b"SELECT * FROM file('/etc/passwd', 'LineAsString')"
    assert request(url.port, "POST", "/", sql, key)[1]["x-clickhouse-exception-code"] == "497"
    assert request(url.port, "POST", "/", b"SELECT 1", {})[0] in (401, 403)


def test_a_program_that_is_not_there_is_named(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match=r"nowhere.*clickhousectl"):
        find_binary(str(tmp_path / "nowhere"))
    with pytest.raises(EngineMissing):
        start(data_dir, tmp_path / "nowhere")


def test_a_program_that_is_no_clickhouse_is_refused(data_dir: Path) -> None:
    with pytest.raises(EngineFailed, match="is it a ClickHouse program"):
        start(data_dir, Path("/bin/false"))
