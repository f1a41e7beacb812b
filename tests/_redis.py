"""A real Redis (or Valkey) server for tests: own process, loopback, free port, append-only file.

``SPANLEDGER_TEST_REDIS`` names another executable.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests._ports import free_port

_START_TIMEOUT_S = 20.0


class RedisMissing(Exception):
    """This machine has no server; the message says what to do (tests skip with it)."""


def executable() -> str:
    """The server's executable.

    Raises:
        RedisMissing: there is none.
    """
    named = os.environ.get("SPANLEDGER_TEST_REDIS")
    for name in [named] if named else ["redis-server", "valkey-server"]:
        if found := shutil.which(name):
            return found
    raise RedisMissing("no redis-server or valkey-server found: apt-get install redis-server")


class RedisServer:
    """One server. It may be killed, frozen and started again on the same port and data."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.options = options
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [executable(), "--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--dir", str(self.directory), "--appendonly", "yes", "--save", ""]
        with (self.directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([*command, *self.options], stdout=log, stderr=log)
        end = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                text = (self.directory / "redis.log").read_text(errors="replace")
                raise RuntimeError(f"The server did not start: {text[-2000:]}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As the kernel does when memory runs out."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """It accepts connections, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str) -> bytes:
        """The raw answer to a command."""
        parts = [f"*{len(words)}\r\n", *(f"${len(w.encode())}\r\n{w}\r\n" for w in words)]
        with socket.create_connection(("127.0.0.1", self.port), timeout=5.0) as connection:
            connection.sendall("".join(parts).encode())
            return connection.recv(65536)

    def _answers(self) -> bool:
        try:
            return self.command("PING").startswith(b"+PONG")
        except OSError:
            return False

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.send_signal(signal.SIGCONT)
            process.wait(_START_TIMEOUT_S)


@contextmanager
def redis_server(directory: Path, *options: str) -> Iterator[RedisServer]:
    """A server that is stopped at the end.

    Raises:
        RedisMissing: this machine has none.
    """
    directory.mkdir(parents=True, exist_ok=True)
    server = RedisServer(directory, *options)
    try:
        yield server
    finally:
        server.kill()
