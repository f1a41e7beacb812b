"""A ClickHouse server of the user's own as the stack's engine: found, configured, run and
watched by the daemon.

For who wants its full query interface (the native protocol excepted) or more speed than the
embedded engine gives. It works on the same files: the newer of both opens what the other wrote.
"""

import contextlib
import ctypes
import json
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

from spanledger.stack._engine_config import standalone_users_xml, standalone_xml
from spanledger.stack._files import DataDir, write_private
from spanledger.stack._info import DATABASE, HOST, USER
from spanledger.stack._recovery import forget_uncommitted
from spanledger.stack.engine import EngineError, refuse_newer
from spanledger.stack.errors import EngineFailed, EngineMissing

_DAEMON: Final = "spanledger_daemon"
_START_S: Final = 25.0
_STOP_S: Final = 4.0
_POLL_S: Final = 0.05
_TIMEOUT_S: Final = 300.0
_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG
_log = logging.getLogger("spanledger.stack")


def find_binary(named: str | None = None) -> Path:
    """The ``clickhouse`` program: *named*, else of the PATH, else the one that
    ``clickhousectl local use`` links.

    Raises:
        EngineMissing: if there is none.
    """
    places = [named] if named else ["clickhouse", str(Path.home() / ".local/bin/clickhouse")]
    for place in places:
        if found := shutil.which(place):
            return Path(found).absolute()
    raise EngineMissing(
        f"There is no ClickHouse program {' or '.join(places)}: install one (`pip install "
        "clickhousectl && clickhousectl local use latest` fetches it), name it with "
        "--clickhouse, or use the embedded engine."
    )


class ServerEngine:
    """One server process over one data directory; started again if it ends by itself."""

    def __init__(
        self, data: DataDir, binary: Path, port: int, token: str, max_memory_bytes: int
    ) -> None:
        """Start it and wait until it answers. To be called on the main thread: the server ends
        with the thread that started it.

        Raises:
            NewerData: if a newer engine wrote the directory.
            EngineFailed: if it does not answer in time.
        """
        self._data = data
        self._password = secrets.token_urlsafe(32)
        self.port = port
        self._stopping = threading.Event()
        self._command = [str(binary), "server", f"--config-file={data.server_config}"]
        refuse_newer(data, _version_of(binary))
        users = standalone_users_xml(USER, token, _DAEMON, self._password)
        write_private(data.server_users, users)
        settings = standalone_xml(
            data.server_users, data.engine, data.backups, port, max_memory_bytes
        )
        write_private(data.server_config, settings)
        self.forgotten = forget_uncommitted(data.engine)
        self._process = self._spawn()
        self._wait_ready()
        with self.connect() as session:
            self.version = session.text("SELECT version()")
            session.text(f"CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic")
        write_private(data.engine_version, self.version + "\n")

    def connect(self) -> "ServerSession":
        """A session of the server."""
        return ServerSession(self.port, self._password)

    def watch(self) -> None:
        """Once in a while, on the main thread: start the server again if it ended."""
        if self._process.poll() is not None and not self._stopping.is_set():
            _log.warning("the ClickHouse server ended (%s): starting it", self._process.returncode)
            forget_uncommitted(self._data.engine)
            self._process = self._spawn()

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    def interrupt(self) -> None:
        """Nothing to do: the server ends its own statements when it stops."""

    def close(self) -> None:
        """Stop the server, by force if it takes too long (nothing is lost)."""
        self._stopping.set()
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        # A child that outlived a killed daemon would hold the files against the next one.
        return subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            cwd=self._data.path,
            # Else it forks a watchdog, and we would hold the wrong process.
            env={**os.environ, "CLICKHOUSE_WATCHDOG_ENABLE": "0"},
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one call into libc, loaded before
        )

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(EngineError), self.connect() as session:
                if session.text("SELECT 1") == "1":
                    return
            time.sleep(_POLL_S)
        self.close()
        raise EngineFailed(
            f"The ClickHouse server {self._command[0]} did not answer on port {self.port}: see "
            f"{self._data.log}."
        )


class ServerSession:
    """One HTTP connection to the server. For one thread at a time."""

    def __init__(self, port: int, password: str) -> None:
        self._connection = HTTPConnection(HOST, port, timeout=_TIMEOUT_S)
        self._headers = {"X-ClickHouse-User": _DAEMON, "X-ClickHouse-Key": password}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def text(self, sql: str) -> str:
        """The answer to *sql*, tab-separated."""
        return self._send("/?default_format=TabSeparatedRaw", sql.encode())[0].decode().rstrip("\n")

    def insert(self, head: str, fmt: str, data: bytes) -> int:
        """Run ``INSERT`` *head* (without FORMAT) on *data*; return the rows written, those of
        materialised views included."""
        statement = quote(f"{head} FORMAT {fmt}")
        _, headers = self._send(f"/?wait_end_of_query=1&query={statement}", data)
        summary: dict[str, Any] = json.loads(headers.get("x-clickhouse-summary", "{}"))
        return int(summary.get("written_rows", 0))

    def _send(self, target: str, body: bytes) -> tuple[bytes, dict[str, str]]:
        try:
            self._connection.request("POST", target, body, self._headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, HTTPException) as error:
            raise EngineError(f"the ClickHouse server does not answer ({error})") from error
        if response.status != 200:
            raise EngineError(answer.decode(errors="replace").strip())
        return answer, {name.lower(): value for name, value in response.getheaders()}


def _version_of(binary: Path) -> str:
    """Asked of the program, before it may open files that it would see as empty."""
    done = subprocess.run(
        [str(binary), "server", "--version"], capture_output=True, text=True, timeout=30,
        check=False, env={**os.environ, "CLICKHOUSE_WATCHDOG_ENABLE": "0"},
    )  # fmt: skip
    words = [word.strip(".,") for word in done.stdout.replace("(", " ").split()]
    found = next((word for word in words if word[:1].isdigit() and "." in word), "")
    if done.returncode or not found:
        raise EngineFailed(
            f"{binary} does not tell its version ({done.stderr.strip()[:200] or 'no answer'}): is "
            "it a ClickHouse program?"
        )
    return found


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


_LIBC: Final = _libc() if sys.platform == "linux" else None


def _end_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_DEATH_SIGNAL, signal.SIGKILL)
