"""The intake's journal: batches on disk before they go into the engine.

A record is a head and a payload. A file that ends within a record was being written when the
process ended: nobody was told that this record is safe, so what is left of it is ignored.
The layout is pure; `Journal` keeps the files.
"""

import contextlib
import ctypes
import os
import struct
import sys
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

SEGMENT_BYTES: Final = 16 << 20
DIGEST_BYTES: Final = 16
_HEAD: Final = struct.Struct(">cII")
_REQUEST: Final = struct.Struct(f">?I{DIGEST_BYTES}s")
_OPENED, _BATCH, _DONE = b"O", b"B", b"D"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of a batch, as it came."""

    digest: bytes
    body: bytes
    as_json: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests that go into the engine together, now and whenever it is tried again: the
    engine knows a repetition only if it is cut the same way."""

    signal: str
    entries: tuple[Entry, ...]

    @property
    def token(self) -> str:
        """Names the batch for the engine's deduplication; of one request it is its digest."""
        return (
            self.entries[0].digest.hex()
            if len(self.entries) == 1
            else digest_of(entry.digest for entry in self.entries).hex()
        )


@dataclass(slots=True)
class Recovered:
    """What the journal holds when it is opened."""

    seen: list[bytes] = field(default_factory=list)
    """Digests of requests that are in, oldest first."""
    open: list[Batch] = field(default_factory=list)
    """Batches that may not be in."""


def digest_of(parts: Iterable[bytes]) -> bytes:
    """What names a request or a batch."""
    import hashlib

    hashed = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        hashed.update(part)
    return hashed.digest()


def encode(kind: bytes, payload: bytes) -> bytes:
    """One record."""
    return _HEAD.pack(kind, len(payload), zlib.crc32(payload)) + payload


def decode(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and payload of every whole record in *data*."""
    position = 0
    while position + _HEAD.size <= len(data):
        kind, size, checksum = _HEAD.unpack_from(data, position)
        position += _HEAD.size
        payload = data[position : position + size]
        if len(payload) < size or zlib.crc32(payload) != checksum:
            return
        position += size
        yield kind, payload


def pack_batch(batch: Batch) -> bytes:
    """The payload of a batch."""
    parts = [bytes((len(batch.signal),)), batch.signal.encode()]
    for entry in batch.entries:
        parts += (_REQUEST.pack(entry.as_json, len(entry.body), entry.digest), entry.body)
    return b"".join(parts)


def unpack_batch(payload: bytes) -> Batch:
    """The batch in a payload."""
    position = 1 + payload[0]
    signal, entries = payload[1:position].decode(), []
    while position < len(payload):
        as_json, size, digest = _REQUEST.unpack_from(payload, position)
        position += _REQUEST.size
        entries.append(Entry(digest, payload[position : position + size], as_json))
        position += size
    return Batch(signal, tuple(entries))


def replay(segments: Iterable[bytes], boot: bytes, *, trusted: bool) -> Recovered:
    """What *segments*, oldest first, leave to do for a machine whose start is called *boot*.

    A batch that is marked as done is in, unless the machine lost what it had not written to its
    disk: then (another boot, or not *trusted*) all batches are tried again, and those that are
    in after all are recognised by their token.
    """
    seen: dict[bytes, None] = {}
    waiting: dict[str, Batch] = {}
    for data in segments:
        same_boot = False
        for kind, payload in decode(data):
            if kind == _OPENED:
                same_boot = trusted and boot != b"" and payload.partition(b"\n")[0] == boot
                known = payload.partition(b"\n")[2] if trusted else b""
                seen.update(dict.fromkeys(_split(known)))
            elif kind == _BATCH:
                batch = unpack_batch(payload)
                waiting[batch.token] = batch
            elif kind == _DONE and same_boot and (done := waiting.pop(payload.decode(), None)):
                seen.update(dict.fromkeys(entry.digest for entry in done.entries))
    for batch in waiting.values():
        for entry in batch.entries:
            seen.pop(entry.digest, None)
    return Recovered(list(seen), list(waiting.values()))


def _split(digests: bytes) -> Iterator[bytes]:
    for start in range(0, len(digests), DIGEST_BYTES):
        yield digests[start : start + DIGEST_BYTES]


@dataclass(slots=True)
class _Segment:
    path: Path
    fd: int
    size: int = 0
    open: set[str] = field(default_factory=set)


class Journal:
    """The files of one data directory. Thread-safe."""

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._boot = _boot_id()
        self._old: list[_Segment] = []
        self._current: _Segment | None = None
        folder.mkdir(mode=0o700, exist_ok=True)

    def recover(self, *, trusted: bool) -> Recovered:
        """What the files hold; *trusted* is False if the engine lost something."""
        paths = self._paths()
        found = replay((path.read_bytes() for path in paths), self._boot, trusted=trusted)
        tokens = {batch.token for batch in found.open}
        # Which file holds which batch does not matter: all go when all are done.
        self._old = [_Segment(path, -1, open=tokens) for path in paths]
        return found

    @property
    def size_bytes(self) -> int:
        """What the files take."""
        return sum(path.stat().st_size for path in self._paths())

    def append(self, batch: Batch, seen: Iterable[bytes] = ()) -> None:
        """Put *batch* on the disk. A new file begins with *seen*, so that old ones can go.

        Raises:
            OSError: if it can't be written. Nothing of it is left then.
        """
        with self._lock:
            segment = self._current
            if segment is None or segment.size >= self._segment_bytes:
                segment = self._turn(seen)
            self._write(segment, encode(_BATCH, pack_batch(batch)))
            os.fdatasync(segment.fd) if hasattr(os, "fdatasync") else os.fsync(segment.fd)
            segment.open.add(batch.token)

    def done(self, batch: Batch) -> None:
        """Note that *batch* is in. Without fsync: an unknown end only means trying again."""
        with self._lock:
            for segment in (*self._old, *([self._current] if self._current else [])):
                segment.open.discard(batch.token)
            if self._current is not None:
                with contextlib.suppress(OSError):
                    self._write(self._current, encode(_DONE, batch.token.encode()))

    def tidy(self) -> None:
        """Remove old files whose batches are in and on the disk."""
        with self._lock:
            finished = [segment for segment in self._old if not segment.open]
        if not finished or self._current is None:
            return
        # The engine does not wait for its disk (that would cost a dozen fsyncs an insert).
        sync_filesystem(self._folder)
        for segment in finished:
            segment.path.unlink(missing_ok=True)
        with self._lock:
            self._old = [segment for segment in self._old if segment not in finished]

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            if self._current is not None:
                os.close(self._current.fd)
                self._current = None

    def _turn(self, seen: Iterable[bytes]) -> _Segment:
        number = max((int(path.stem) for path in self._paths()), default=0) + 1
        path = self._folder / f"{number:08}.log"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        segment = _Segment(path, fd)
        try:
            self._write(segment, encode(_OPENED, self._boot + b"\n" + b"".join(seen)))
            _sync_folder(self._folder)
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        if self._current is not None:
            os.close(self._current.fd)
            self._old.append(self._current)
        self._current = segment
        return segment

    def _write(self, segment: _Segment, data: bytes) -> None:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(segment.fd, view) :]
        except OSError:
            # What follows half a record would never be read.
            os.ftruncate(segment.fd, segment.size)
            os.lseek(segment.fd, segment.size, os.SEEK_SET)
            raise
        segment.size += len(data)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*.log"))


def sync_filesystem(folder: Path) -> None:
    """Wait until everything written to the file system of *folder* is on its disk."""
    if sys.platform == "linux":
        fd = os.open(folder, os.O_RDONLY)
        try:
            if ctypes.CDLL(None).syncfs(fd) == 0:
                return
        finally:
            os.close(fd)
    os.sync()


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _boot_id() -> bytes:
    try:
        return _BOOT_ID.read_bytes().strip()
    except OSError:
        return b""  # unknown: every batch that is still in a file is tried again
