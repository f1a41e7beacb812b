"""One file of the spool: entries are added at its end and taken from its beginning."""

import os
from contextlib import suppress
from pathlib import Path

from spanledger.processors.spool.layout import (
    ENTRY_HEAD_BYTES,
    HEAD_BYTES,
    Entry,
    Scan,
    pack_entry_head,
    pack_head,
    scan,
    unpack_head,
)

SUFFIX = ".seg"


class Segment:
    """A segment that this process may write to. Not thread-safe: its folder has the lock.

    `items` are those that have not been delivered.
    """

    def __init__(self, path: Path, fd: int, cursor: int, end: int, items: int) -> None:
        self.path = path
        self.cursor, self.end, self.items = cursor, end, items
        self.in_flight = False
        self._fd = fd

    @classmethod
    def create(cls, path: Path) -> "Segment":
        """A new, empty one. Raises `OSError` if it can't be written."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            _write(fd, pack_head(HEAD_BYTES), 0)
        except OSError:
            os.close(fd)
            with suppress(OSError):
                path.unlink()
            raise
        return cls(path, fd, HEAD_BYTES, HEAD_BYTES, 0)

    @classmethod
    def recover(cls, path: Path) -> "Segment | None":
        """One that a dead process left, without its torn tail; None if it is none of ours."""
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            size = os.fstat(fd).st_size
            cursor = unpack_head(_read(fd, HEAD_BYTES, 0))
            if cursor is None and size >= HEAD_BYTES:
                os.close(fd)
                return None
            # A head that was never finished: there is nothing behind it.
            cursor = min(cursor or size, size)
            found = scan(_read(fd, size - cursor, cursor))
            os.ftruncate(fd, cursor + found.length)
        except OSError:
            os.close(fd)
            raise
        return cls(path, fd, cursor, cursor + found.length, found.items + found.corrupt)

    @property
    def unlinked(self) -> bool:
        """Whether somebody removed the file while it is open here."""
        return self._fd >= 0 and os.fstat(self._fd).st_nlink == 0

    def append(self, entry: Entry) -> None:
        """Add an entry. Raises `OSError`, and then the segment is as it was."""
        try:
            _write(self._file(), pack_entry_head(entry) + entry.body, self.end)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file(), self.end)
            raise
        self.end += ENTRY_HEAD_BYTES + len(entry.body)
        self.items += entry.items

    def read(self, *, most_items: int, most_bytes: int) -> Scan:
        """The first entries that have not been delivered. Raises `OSError`."""
        data = _read(self._file(), min(most_bytes, self.end - self.cursor), self.cursor)
        found = scan(data, most_items=most_items)
        if not found.length:
            # Not a whole entry where one was written: the rest of the file is lost.
            found.length, found.corrupt = self.end - self.cursor, self.items
        return found

    def acknowledge(self, length: int, items: int) -> None:
        """So many bytes and items need not be sent again."""
        self.cursor += length
        self.items -= items
        # If this can't be written they may be sent twice, which is harmless.
        with suppress(OSError):
            _write(self._file(), pack_head(self.cursor), 0)

    def clear(self) -> None:
        """Begin again after everything was delivered. What never got to the disk never will."""
        with suppress(OSError):
            # In this order: a cursor behind the end of a file finds nothing to send twice.
            os.ftruncate(self._file(), HEAD_BYTES)
            _write(self._file(), pack_head(HEAD_BYTES), 0)
            self.cursor = self.end = HEAD_BYTES

    def remove(self) -> None:
        """Close the file and delete it."""
        self.close()
        with suppress(OSError):
            self.path.unlink()

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(OSError):
                os.close(fd)

    def _file(self) -> int:
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW)
        return self._fd


def _write(fd: int, data: bytes, at: int) -> None:
    """All of the data, or an `OSError`: a disk that fills up takes a part of it first."""
    written = os.pwrite(fd, data, at)
    if written < len(data):
        _write(fd, data[written:], at + written)


def _read(fd: int, length: int, at: int) -> bytes:
    pieces = []
    while length > 0 and (piece := os.pread(fd, length, at)):
        pieces.append(piece)
        length, at = length - len(piece), at + len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
