"""Settlements that could not be delivered, in files that survive the process.

Each process appends to a file of its own and keeps it locked. `replay` closes it and goes
through all files that nobody holds: its own, and those of processes that are gone. So a line
may be applied twice, after a crash in the middle: whoever applies it must not mind.

    <crc32, 8 hex digits> <JSON>\\n
"""

import fcntl
import json
import logging
import os
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import RLock
from typing import Any

_log = logging.getLogger(__name__)


class Journal:
    """Files ``<name>-<pid>-<random>.journal`` in a directory that only the user can enter."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self._lock = RLock()
        self._file: int | None = None

    def append(self, line: Mapping[str, Any]) -> None:
        """Write a line and wait until it is on the disk.

        Raises:
            OSError: the disk is full or can't be written.
        """
        with self._lock:
            if self._file is None:
                self._file = self._create()
            _write_all(self._file, _encode(line))
            os.fdatasync(self._file)

    def replay(self, apply: Callable[[dict[str, Any]], None]) -> int:
        """Apply every line of every file that nobody holds; how many.

        What `apply` raises ends it, and keeps the file for the next time.
        """
        self.seal()
        return sum(self._replay_file(path, apply) for path in self._files())

    def pending(self) -> bool:
        """Whether there is a file of this name, of whichever process."""
        return any(True for _ in self._files())

    def seal(self) -> None:
        """Let go of this process's file; the next line begins a new one."""
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                os.close(file)

    def after_fork(self) -> None:
        """In a forked child: the file is the parent's, and its lock may be held by no thread."""
        self._lock = RLock()
        self.seal()

    def _files(self) -> Iterator[Path]:
        return iter(sorted(self._directory.glob(f"{self._name}-*.journal")))

    def _create(self) -> int:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._directory / f"{self._name}-{os.getpid()}-{uuid.uuid4().hex[:8]}.journal"
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        return file

    def _replay_file(self, path: Path, apply: Callable[[dict[str, Any]], None]) -> int:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return 0  # another process was faster
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return 0  # its process lives
            lines = list(_decode(file.read(), path))
            for line in lines:
                apply(line)
            path.unlink(missing_ok=True)
        return len(lines)


def _encode(line: Mapping[str, Any]) -> bytes:
    body = json.dumps(line, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _decode(content: bytes, path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(content.splitlines(), 1):
        crc, _space, body = line.partition(b" ")
        if crc != b"%08x" % zlib.crc32(body):
            # The process died while it wrote: nobody was told that this line is safe.
            _log.warning("%s: line %d is torn and was left out.", path, number)
            continue
        yield json.loads(body)


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
