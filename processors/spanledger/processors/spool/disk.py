"""The spool of this process: what waits on disk to be sent, and what dead processes left there."""

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from spanledger.lean import dataclass
from spanledger.processors.spool.folder import Folder, Portion, lock, remove_if_empty
from spanledger.processors.spool.layout import ENTRY_HEAD_BYTES, Entry
from spanledger.processors.spool.place import (
    bytes_in,
    destination_folders,
    folders,
    items_in,
    prepare,
    segment_files,
)

_SEGMENT_BYTES = 8 * 1024 * 1024
_LEAST_SEGMENT_BYTES = 64 * 1024
#: How old the knowledge may be of what other processes keep in the spool.
_LOOK_AROUND_S = 1.0
#: A disk that hangs must not hold up the end of the process.
_CLOSE_WAIT_S = 0.2


@dataclass(frozen=True, slots=True)
class Evicted:
    """Items that had to go to make room."""

    own: int = 0
    orphaned: int = 0
    """Of dead processes; nobody has counted them before."""


class DiskSpool:
    """A bounded queue of entries on disk. Thread-safe; no file is touched before `make_room`.

    `root` is shared by all processes, and `max_bytes` holds for all of them together.
    """

    def __init__(
        self,
        root: Path,
        destination: str,
        max_bytes: int,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root = root
        self.pending = 0
        """Items that wait here, adopted ones too. Read without the lock, which a disk can hold."""
        self.own_pending = 0
        """Those of them that are this process's own."""
        self._destination = destination
        self._max_bytes = max_bytes
        self._segment_bytes = min(_SEGMENT_BYTES, max(_LEAST_SEGMENT_BYTES, max_bytes // 4))
        self._clock = clock
        self._lock = threading.Lock()
        self._own: Folder | None = None
        self._adopted: Folder | None = None
        #: Folders of ours that somebody removed; what is still open can still be read.
        self._vanished: list[Folder] = []
        self._others_bytes = 0
        self._looked_at: float | None = None

    def make_room(self, entry: Entry) -> Evicted:
        """Give up the oldest segments until `entry` fits. Raises `OSError` if it can't."""
        needed = ENTRY_HEAD_BYTES + len(entry.body)
        with self._lock:
            self._look_around()
            evicted = Evicted()
            while self._bytes() + needed > self._max_bytes:
                more = self._evict_orphan() or self._evict_own()
                if more is None:
                    break
                evicted = Evicted(evicted.own + more.own, evicted.orphaned + more.orphaned)
                self._count()
            return evicted

    def append(self, entry: Entry) -> None:
        """Add an entry. Raises `OSError` if it can't be written; then nothing has changed."""
        with self._lock:
            if self._bytes() + ENTRY_HEAD_BYTES + len(entry.body) > self._max_bytes:
                raise OSError(errno.EDQUOT, "the spool is full (export.spool_max_mb)")
            self._own_folder().append(entry, self._segment_bytes)
            self.pending += entry.items
            self.own_pending += entry.items

    def next(self, *, most_items: int, most_bytes: int) -> Portion | None:
        """The oldest entries of this process, then adopted ones. Raises `OSError`."""
        with self._lock:
            for folder in self._all():
                if portion := folder.next(most_items=most_items, most_bytes=most_bytes):
                    return portion
            return None

    def acknowledge(self, portion: Portion) -> bool:
        """The entries need not be sent again. False if they are not ours any more."""
        with self._lock:
            holder = next((f for f in self._all() if portion.segment in f.segments), None)
            if holder is None:
                return False
            holder.acknowledge(portion)
            self._let_go_of_empty()
            self._count()
            return True

    def keep(self, portion: Portion) -> None:
        """The entries could not be sent: they stay."""
        portion.segment.in_flight = False

    def adopt(self) -> int:
        """Take over what one dead process left for our destination; how many items that is."""
        if self._adopted is not None:
            return 0
        for path in destination_folders(self.root, self._destination):
            # Not under our lock: it is read from end to end, while new entries can be added.
            if folder := Folder.adopt(path):
                with self._lock:
                    self._adopted = folder
                    self._count()
                return folder.items
        return 0

    def close(self) -> None:
        """Let go of everything; what is left belongs to whoever adopts it."""
        if not self._lock.acquire(timeout=_CLOSE_WAIT_S):
            return
        try:
            for folder in self._all():
                folder.release()
            self._own, self._adopted, self._vanished = None, None, []
            self._count()
        finally:
            self._lock.release()

    def abandon(self) -> None:
        """In a forked child: close the copies of the parent's files. Takes no lock."""
        for folder in self._all():
            folder.abandon()

    # --- below here the lock is held --------------------------------------------------------

    def _all(self) -> list[Folder]:
        return [*self._vanished, *(f for f in (self._own, self._adopted) if f is not None)]

    def _count(self) -> None:
        self.pending = sum(folder.items for folder in self._all())
        self.own_pending = self.pending - (self._adopted.items if self._adopted else 0)

    def _bytes(self) -> int:
        return self._others_bytes + sum(folder.bytes for folder in self._all())

    def _own_folder(self) -> Folder:
        if self._own is None:
            self._own = Folder.create(prepare(self.root, self._destination))
        return self._own

    def _look_around(self) -> None:
        """From time to time: what do others take, and is our folder still there?"""
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < _LOOK_AROUND_S:
            return
        self._looked_at = now
        if self._own is not None and self._own.vanished:
            self._own.seal()
            self._vanished.append(self._own)
            self._own = None
        ours = frozenset(folder.path for folder in self._all())
        self._others_bytes = bytes_in(self.root, but=ours)

    def _evict_own(self) -> Evicted | None:
        for folder in (self._adopted, *self._vanished, self._own):
            if folder is not None and (segment := folder.oldest()) is not None:
                return Evicted(own=folder.lose(segment))
        return None

    def _evict_orphan(self) -> Evicted | None:
        """A segment of a dead process, whatever its destination: those are the oldest."""
        ours = {folder.path for folder in self._all()}
        for path in folders(self.root):
            file = next(segment_files(path), None) if path not in ours else None
            if file is None or (fd := lock(path)) is None:
                continue
            try:
                items = items_in(file[0])
                file[0].unlink()
                self._others_bytes -= file[1].st_size
                return Evicted(orphaned=items)
            except OSError:
                continue
            finally:
                remove_if_empty(path)
                os.close(fd)
        return None

    def _let_go_of_empty(self) -> None:
        if self._adopted is not None and not self._adopted.items:
            self._adopted.release()
            self._adopted = None
        for folder in [one for one in self._vanished if not one.items]:
            folder.release()
            self._vanished.remove(folder)
