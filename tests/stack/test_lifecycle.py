"""Starting, stopping, and everything that can be in the way."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from spanledger import stack
from spanledger.stack import _lifecycle, engine
from spanledger.stack._files import DataDir, hold_lock
from tests.stack.conftest import request

pytestmark = pytest.mark.storage


def start(data_dir: Path, **ports: int | None) -> stack.StackInfo:
    chosen: dict[str, int | None] = {
        "clickhouse_port": 0,
        "otlp_port": 0,
        "grpc_port": None,
        **ports,
    }
    return stack.start(data_dir, **chosen)  # type: ignore[arg-type]  # ports by name


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens who says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_stack_starts_says_where_it_is_and_stops(data_dir: Path) -> None:
    assert stack.status(data_dir) is None
    assert stack.stop(data_dir) is False
    info = start(data_dir)
    assert stack.status(data_dir) == info
    assert info.data_dir == data_dir
    assert info.engine_version.startswith("2")
    began = time.monotonic()
    assert stack.stop(data_dir) is True
    assert time.monotonic() - began < 5
    assert stack.status(data_dir) is None
    with pytest.raises(ProcessLookupError):
        os.kill(info.pid, 0)


def test_files_with_secrets_are_the_owner_s_alone(data_dir: Path) -> None:
    info = start(data_dir)
    files = DataDir(data_dir)
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    for path in (files.token, files.record, files.lock, files.log):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    token = files.token.read_text().strip()
    assert f":{token}@" in info.clickhouse_url
    assert token not in files.record.read_text() + files.log.read_text()


def test_a_second_start_gives_the_running_one(data_dir: Path) -> None:
    first = start(data_dir)
    assert start(data_dir) == first


def test_two_starts_at_once_end_in_one_stack(data_dir: Path) -> None:
    found: list[stack.StackInfo] = []
    threads = [threading.Thread(target=lambda: found.append(start(data_dir))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 3
    assert len({info.pid for info in found}) == 1


def test_a_daemon_started_by_hand_beside_another_names_it(data_dir: Path) -> None:
    info = start(data_dir)
    command = [sys.executable, "-m", "spanledger.stack.daemon", "--data-dir", str(data_dir)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert f"(process {info.pid}) already runs" in second.stderr
    assert "Traceback" not in second.stderr
    assert stack.status(data_dir) == info


@pytest.mark.parametrize("option", ["clickhouse_port", "otlp_port"])
def test_a_taken_port_is_named_with_the_option_that_changes_it(
    data_dir: Path, taken: int, option: str
) -> None:
    with pytest.raises(stack.PortTaken, match=f"{taken}.*another program.*--{option[:-5]}-port"):
        start(data_dir, **{option: taken})
    assert stack.status(data_dir) is None
    assert start(data_dir).pid


def test_a_port_that_another_stack_holds_is_recognised(
    data_dir: Path, running: stack.StackInfo
) -> None:
    with pytest.raises(stack.PortTaken, match="another Spanledger stack"):
        start(data_dir, clickhouse_port=urlsplit(running.clickhouse_url).port)


def test_a_port_that_answers_nonsense_is_another_program(data_dir: Path) -> None:
    class Nonsense(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nnot json")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Nonsense) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(stack.PortTaken, match="another program"):
            start(data_dir, otlp_port=server.server_port)
        server.shutdown()


def test_a_taken_grpc_port_is_only_a_warning(data_dir: Path, taken: int) -> None:
    info = start(data_dir, grpc_port=taken)
    assert info.grpc_endpoint is None
    assert "--grpc-port" in DataDir(data_dir).log.read_text()


def test_files_of_a_dead_daemon_are_no_obstacle(data_dir: Path) -> None:
    first = start(data_dir)
    os.kill(first.pid, signal.SIGKILL)
    _lifecycle._reap(first.pid)
    assert DataDir(data_dir).record.exists()
    assert stack.status(data_dir) is None
    assert stack.stop(data_dir) is False
    second = start(data_dir)
    assert second.pid != first.pid


def test_the_token_stays_the_same_from_start_to_start(data_dir: Path) -> None:
    token = urlsplit(start(data_dir).clickhouse_url).password
    stack.stop(data_dir)
    assert urlsplit(start(data_dir).clickhouse_url).password == token


def test_a_directory_of_a_newer_engine_is_refused_and_left_alone(data_dir: Path) -> None:
    files = DataDir(data_dir)
    files.create()
    files.engine_version.write_text("99.1.1.1\n")
    with pytest.raises(stack.NewerData, match="written by ClickHouse 99"):
        start(data_dir)
    assert list(files.engine.iterdir()) == []


def test_a_directory_that_can_not_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(stack.DataDirNotWritable):
        start(tmp_path / "file" / "data")


def test_a_missing_engine_says_what_to_install(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(stack.EngineMissing, match=r"pip install 'spanledger\[local\]'"):
        start(data_dir)


def test_a_platform_without_engine_says_what_to_do_instead(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(stack.PlatformUnsupported, match="SPANLEDGER_CLICKHOUSE_URL"):
        start(data_dir)


def test_a_start_that_takes_too_long_leaves_nothing_behind(data_dir: Path) -> None:
    with pytest.raises(stack.StartTimedOut):
        stack.start(data_dir, clickhouse_port=0, otlp_port=0, grpc_port=None, timeout_s=0.05)
    files = DataDir(data_dir)
    with hold_lock(files.lock):
        pass


def test_the_daemon_outlives_the_process_that_started_it(data_dir: Path) -> None:
    program = (
        "import sys, pathlib; from spanledger import stack; "
        "ports = dict(clickhouse_port=0, otlp_port=0, grpc_port=None); "
        "print(stack.start(pathlib.Path(sys.argv[1]), **ports).pid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(data_dir)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    info = stack.status(data_dir)
    assert info is not None
    assert info.pid == int(done.stdout)
    assert os.getsid(info.pid) == info.pid


def test_a_start_under_auto_instrumentation_does_not_instrument_the_daemon(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = data_dir.parent / "auto_instrumentation"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text("raise SystemExit('instrumented')")
    monkeypatch.setenv("PYTHONPATH", str(hook))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    assert start(data_dir).pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_within_five_seconds_while_a_query_runs(
    data_dir: Path, number: signal.Signals
) -> None:
    info = start(data_dir)
    url = urlsplit(info.clickhouse_url)
    headers = {"X-ClickHouse-User": "spanledger", "X-ClickHouse-Key": url.password or ""}
    sql = b"SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"

    def ask() -> None:
        try:
            request(url.port, "POST", "/", sql, headers)
        except (OSError, ValueError):
            return  # cut off by the stop

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until_running(info)
    began = time.monotonic()
    os.kill(info.pid, number)
    assert _lifecycle._wait_gone(DataDir(data_dir), info.pid, 10)
    assert time.monotonic() - began < 5
    _lifecycle._reap(info.pid)
    asking.join(10)


def wait_until_running(info: stack.StackInfo) -> None:
    url = urlsplit(info.clickhouse_url)
    headers = {"X-ClickHouse-User": "spanledger", "X-ClickHouse-Key": url.password or ""}
    sql = b"SELECT count() FROM system.processes WHERE query LIKE '%sipHash64(number)%'"
    deadline = time.monotonic() + 20
    while int(request(url.port, "POST", "/", sql, headers)[2]) < 2:
        assert time.monotonic() < deadline


def test_the_daemon_has_no_children(running: stack.StackInfo) -> None:
    tasks = Path(f"/proc/{running.pid}/task")
    if not tasks.exists():
        pytest.skip("needs /proc")
    assert [path.read_text() for path in tasks.glob("*/children") if path.read_text()] == []


def test_rows_that_can_not_be_stored_are_asked_for_again(data_dir: Path) -> None:
    info = start(data_dir)
    url, otlp = urlsplit(info.clickhouse_url), urlsplit(info.otlp_endpoint)
    key = {"X-ClickHouse-User": "spanledger", "X-ClickHouse-Key": url.password or ""}
    protobuf = {"Content-Type": "application/x-protobuf"}
    body = b"\x0a\x06\x12\x04\x12\x02\x2a\x00"  # one log record with an empty body
    assert request(otlp.port, "POST", "/v1/logs", body, protobuf)[0] == 200
    assert request(url.port, "POST", "/", b"RENAME TABLE otel_logs TO away", key)[0] == 200
    other = b"\x0a\x08\x12\x06\x12\x04\x10\x01\x2a\x00"
    status, headers, answer = request(otlp.port, "POST", "/v1/logs", other, protobuf)
    assert (status, headers["retry-after"], b"otel_logs" in answer) == (503, "1", True)
    assert b'"logs.failed": 1' in request(otlp.port, "GET", "/health", b"", {})[2]
    # Nobody sends it again, and it is stored once: it was on the disk.
    assert request(url.port, "POST", "/", b"RENAME TABLE away TO otel_logs", key)[0] == 200
    count, deadline = b"SELECT count() FROM otel_logs", time.monotonic() + 20
    while request(url.port, "POST", "/", count, key)[2] != b"2\n":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # Who asks is told to come again until the stored batch is through its views as well.
    while request(otlp.port, "POST", "/v1/logs", other, protobuf)[0] == 503:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert request(url.port, "POST", "/", count, key)[2] == b"2\n"


def test_importing_the_stack_loads_nothing_heavy() -> None:
    heavy = {"chdb", "uvicorn", "clickhouse_connect", "grpc", "lz4", "google.protobuf", "pandas"}
    program = "import sys, spanledger.stack; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert not heavy & set(found.stdout.split())
