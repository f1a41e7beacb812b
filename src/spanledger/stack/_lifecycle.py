"""Start, stop and look at the daemon of a data directory."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from spanledger.config import default_data_dir
from spanledger.stack import errors
from spanledger.stack._files import DataDir, is_locked, lock_owner
from spanledger.stack._info import StackInfo, decode_record, describe
from spanledger.stack.engine import check_available

_POLL_S: Final = 0.02
_KILL_TIMEOUT_S: Final = 5.0
_HEALTH_TIMEOUT_S: Final = 10.0
_LOG_LINES: Final = 5
# Of processes that this one started: a child that ended stays a zombie until it is waited for.
_children: dict[int, subprocess.Popen[bytes]] = {}


def start(
    data_dir: Path | None = None,
    *,
    clickhouse_port: int = 8123,
    otlp_port: int = 4318,
    grpc_port: int | None = 4317,
    engine: Literal["embedded", "server"] = "embedded",
    clickhouse: Path | None = None,
    restore_from: Path | None = None,
    min_free_bytes: int | None = None,
    timeout_s: float = 30,
) -> StackInfo:
    """Start the local stack and wait until it is ready; the running one if there is one.

    It goes on when this process ends. Port 0 means any free port; ``grpc_port=None`` does
    without OTLP/gRPC, and a *grpc_port* that is taken is only a warning in the log.

    With ``engine="server"`` the daemon runs the ClickHouse program *clickhouse* (default: the one
    on the PATH) over the same files instead of the embedded engine. *restore_from* is the folder
    of a backup that a new data directory begins with. With less than *min_free_bytes* left on the
    disk (default: 128 MB) requests are told to come again.

    Raises:
        StackError: of the kind that says what is wrong and what to do.
    """
    data = DataDir(data_dir or default_data_dir())
    if engine == "embedded":
        check_available()
    data.create()
    running = status(data.path)
    if running:
        return running
    chosen = {
        "--clickhouse-port": clickhouse_port,
        "--otlp-port": otlp_port,
        "--grpc-port": grpc_port,
        "--engine": engine,
        "--clickhouse": clickhouse,
        "--restore-from": restore_from,
        "--min-free-bytes": min_free_bytes,
    }
    options = [text for name, value in chosen.items() if value is not None
               for text in (name, str(value))]  # fmt: skip
    deadline = time.monotonic() + timeout_s
    with contextlib.suppress(errors.AlreadyRunning):  # somebody else was quicker: wait for that
        _launch(data, options, deadline)
    return _wait_ready(data, deadline)


def stop(data_dir: Path | None = None, timeout_s: float = 10) -> bool:
    """Stop the stack of *data_dir*: politely, and after *timeout_s* by force, which loses
    nothing that was acknowledged. False if none was running.

    Raises:
        StopTimedOut: if it does not end even then.
    """
    data = DataDir(data_dir or default_data_dir())
    pid = lock_owner(data.lock)
    if pid is None:
        return False
    for number, patience_s in ((signal.SIGTERM, timeout_s), (signal.SIGKILL, _KILL_TIMEOUT_S)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if _wait_gone(data, pid, patience_s):
            _reap(pid)
            data.record.unlink(missing_ok=True)
            return True
    raise errors.StopTimedOut(f"The stack (process {pid}) does not end: see {data.log}.")


def status(data_dir: Path | None = None) -> StackInfo | None:
    """The running stack of *data_dir*; None if there is none or it is not ready."""
    data = DataDir(data_dir or default_data_dir())
    pid = lock_owner(data.lock)
    try:
        record = decode_record(data.record.read_text())
    except OSError:
        return None
    token = data.read_token()
    if record is None or token is None or record.pid != pid:
        return None
    return describe(record, data.path, token)


def health(info: StackInfo) -> dict[str, Any]:
    """What the daemon of *info* says about itself: what came in, what waits, what was refused.

    Raises:
        StackError: if it does not answer.
    """
    address = urlsplit(info.otlp_endpoint)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=_HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/health")
        found: dict[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, HTTPException, ValueError) as error:
        raise errors.StackError(
            f"The stack (process {info.pid}) does not answer ({error}): see "
            f"{info.data_dir / 'daemon.log'}."
        ) from error
    finally:
        connection.close()
    return found


def _launch(data: DataDir, options: list[str], deadline: float) -> None:
    read_fd, write_fd = os.pipe()
    command = [sys.executable, "-m", "spanledger.stack.daemon", "--data-dir", str(data.path)]
    try:
        with open(os.open(data.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            child = subprocess.Popen(
                [*command, *options, "--ready-fd", str(write_fd)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=data.path,
                env=_environment(),
                pass_fds=(write_fd,),
                start_new_session=True,
            )
    finally:
        os.close(write_fd)
    _children[child.pid] = child
    try:
        _await_report(data, read_fd, child, deadline)
    finally:
        os.close(read_fd)


def _await_report(
    data: DataDir, read_fd: int, child: "subprocess.Popen[bytes]", deadline: float
) -> None:
    ready, _, _ = select.select([read_fd], [], [], max(0.0, deadline - time.monotonic()))
    if not ready:
        child.kill()
        _reap(child.pid)
        raise errors.StartTimedOut(f"The stack was not ready in time: see {data.log}.")
    report = os.read(read_fd, 1 << 16)
    if not report:
        _reap(child.pid)
        raise errors.StartFailed(f"The stack ended while it started. {_last_words(data)}")
    message = json.loads(report)
    if "error" in message:
        _reap(child.pid)
        raise getattr(errors, message["error"])(message["message"])


def _wait_ready(data: DataDir, deadline: float) -> StackInfo:
    while True:
        running = status(data.path)
        if running:
            return running
        if time.monotonic() >= deadline:
            raise errors.StartTimedOut(f"The stack was not ready in time: see {data.log}.")
        if not is_locked(data.lock):
            raise errors.StartFailed(f"The stack ended while it started. {_last_words(data)}")
        time.sleep(_POLL_S)


def _wait_gone(data: DataDir, pid: int, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while lock_owner(data.lock) == pid:
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _reap(pid: int) -> None:
    child = _children.pop(pid, None)
    if child is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=_KILL_TIMEOUT_S)


def _environment() -> dict[str, str]:
    """Ours without OpenTelemetry's auto-instrumentation: the daemon would trace itself and
    send those traces to itself."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    paths = environment.pop("PYTHONPATH", "").split(os.pathsep)
    kept = [path for path in paths if path and "auto_instrumentation" not in path]
    if kept:
        environment["PYTHONPATH"] = os.pathsep.join(kept)
    return environment | {"OTEL_SDK_DISABLED": "true"}


def _last_words(data: DataDir) -> str:
    lines = data.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    return f"The end of {data.log}:\n" + "\n".join(lines)
