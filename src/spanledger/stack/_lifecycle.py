"""Start, stop and look at the daemon of a data directory."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from spanledger.config import default_data_dir
from spanledger.stack import errors
from spanledger.stack._files import DataDir, is_locked, lock_owner
from spanledger.stack._info import StackInfo, decode_record, describe
from spanledger.stack.engine import check_available

_POLL_S: Final = 0.02
_KILL_TIMEOUT_S: Final = 5.0
_LOG_LINES: Final = 5
# Of processes that this one started: a child that ended stays a zombie until it is waited for.
_children: dict[int, subprocess.Popen[bytes]] = {}


def start(
    data_dir: Path | None = None,
    *,
    clickhouse_port: int = 8123,
    otlp_port: int = 4318,
    grpc_port: int | None = 4317,
    timeout_s: float = 30,
) -> StackInfo:
    """Start the local stack and wait until it is ready; the running one if there is one.

    It goes on when this process ends. Port 0 means any free port; ``grpc_port=None`` does
    without OTLP/gRPC, and a *grpc_port* that is taken is only a warning in the log.

    Raises:
        StackError: of the kind that says what is wrong and what to do.
    """
    data = DataDir(data_dir or default_data_dir())
    check_available()
    data.create()
    running = status(data.path)
    if running:
        return running
    ports = ["--clickhouse-port", str(clickhouse_port), "--otlp-port", str(otlp_port)]
    if grpc_port is not None:
        ports += ["--grpc-port", str(grpc_port)]
    deadline = time.monotonic() + timeout_s
    with contextlib.suppress(errors.AlreadyRunning):  # somebody else was quicker: wait for that
        _launch(data, ports, deadline)
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


def _launch(data: DataDir, ports: list[str], deadline: float) -> None:
    read_fd, write_fd = os.pipe()
    command = [sys.executable, "-m", "spanledger.stack.daemon", "--data-dir", str(data.path)]
    try:
        with open(os.open(data.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            child = subprocess.Popen(
                [*command, *ports, "--ready-fd", str(write_fd)],
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
