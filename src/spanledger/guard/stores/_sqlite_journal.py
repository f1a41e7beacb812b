"""Settlements that could not be written to a store: kept on disk until they can be.

One file for each process, beside the store: lines of a checksum and JSON, each written through
to the disk before it is acknowledged. The owner holds a lock on its file; a file without one
was left by a process that died, and belongs to whoever finds it.
"""

import fcntl
import json
import logging
import os
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from spanledger.guard.ledger import Key

_log = logging.getLogger("spanledger.guard")

#: Settlements that are kept in memory while not even the journal can be written.
_MOST_UNWRITTEN = 10_000


class Late(NamedTuple):
    """A settlement that is still to be charged: how much on each counter."""

    reservation_id: str
    at: float
    """When it was settled, in seconds since the epoch."""
    amounts: tuple[tuple[Key, int], ...]
    estimated: bool | None = None


class SettlementJournal:
    """The late settlements of this process and of dead ones, for the store at `path`."""

    def __init__(self, path: Path) -> None:
        self._directory = path.parent
        self._prefix = f"{path.name}-late."
        # Re-entrant: what is charged may lead to another look at what is still to be charged.
        self._lock = threading.RLock()
        self._own: Path | None = None
        self._fd = -1
        #: Not on disk: the disk is full, or its directory may not be written to.
        self._unwritten: deque[Late] = deque(maxlen=_MOST_UNWRITTEN)

    @property
    def pending(self) -> bool:
        """Whether this process has settlements to catch up with."""
        return self._own is not None or bool(self._unwritten)

    def append(self, late: Late) -> None:
        """Keep a settlement; on disk when this returns, if the disk can be written."""
        with self._lock:
            try:
                self._write(late)
            except OSError as error:
                self._unwritten.append(late)
                _log.error(
                    "settlement %s can't be journalled beside the store (%s): it is kept in "
                    "memory, and charged in full if this process ends before it can be written",
                    late.reservation_id,
                    error,
                )

    def replay(self, charge: Callable[[Sequence[Late]], object]) -> None:
        """Have `charge` take what this process owes; kept if that raises."""
        with self._lock:
            if self._own is not None:
                charge(list(_records(self._own)))
                self._drop()
            if self._unwritten:
                charge(list(self._unwritten))
                self._unwritten.clear()

    def adopt(self, charge: Callable[[Sequence[Late]], object]) -> None:
        """Have `charge` take what dead processes left; kept if that raises."""
        for path in self._orphans():
            # Taken by another process meanwhile, locked by its owner, or not ours to read.
            with suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file.fileno()).st_nlink:
                    charge(list(_records(path)))
                    path.unlink()

    def after_fork_in_child(self) -> None:
        """What the parent owes is the parent's; its file stays locked by it."""
        self._lock = threading.RLock()
        self._unwritten.clear()
        if self._fd >= 0:
            os.close(self._fd)
        self._own, self._fd = None, -1

    def _orphans(self) -> list[Path]:
        try:
            names = os.listdir(self._directory)
        except OSError:
            return []
        found = (self._directory / name for name in names if name.startswith(self._prefix))
        return [path for path in sorted(found) if path != self._own]

    def _write(self, late: Late) -> None:
        if self._own is None:
            self._open()
        body = json.dumps(late, separators=(",", ":")).encode()
        line = b"%08x %s\n" % (zlib.crc32(body), body)
        size = os.fstat(self._fd).st_size
        try:
            if os.write(self._fd, line) != len(line):
                raise OSError("the line was written in part")
            os.fsync(self._fd)
        except OSError:
            # A torn line must not be the beginning of the next one.
            with suppress(OSError):
                os.ftruncate(self._fd, size)
            raise

    def _open(self) -> None:
        # Another process may take the file for an orphan and delete it before it is locked.
        while self._own is None:
            own = self._directory / f"{self._prefix}{os.getpid()}.{os.urandom(4).hex()}"
            fd = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink:
                self._own, self._fd = own, fd
            else:
                os.close(fd)

    def _drop(self) -> None:
        if self._own is not None:
            self._own.unlink(missing_ok=True)
            os.close(self._fd)
        self._own, self._fd = None, -1


def _records(path: Path) -> Iterator[Late]:
    """The whole records of a file. A torn one was never acknowledged."""
    for line in path.read_bytes().splitlines():
        checksum, _, body = line.partition(b" ")
        if checksum != b"%08x" % zlib.crc32(body):
            _log.warning("a torn line in %s was left out: it was never acknowledged", path)
            continue
        rid, at, amounts, estimated = json.loads(body)
        yield Late(rid, at, tuple((Key(*key), amount) for key, amount in amounts), estimated)
