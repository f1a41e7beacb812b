"""The folder of one process in the spool: its segments, and the lock that says it is alive.

The lock goes with the process, however that ends. A folder without one was left behind, and
belongs to whoever gets the lock: to exactly one.
"""

import errno
import fcntl
import os
from collections import deque
from contextlib import suppress
from pathlib import Path

from spanledger.lean import dataclass
from spanledger.processors.spool.layout import ENTRY_HEAD_BYTES, Entry, Scan
from spanledger.processors.spool.segment import SUFFIX, Segment

LOCK_NAME = "lock"
_ATTEMPTS = 10
#: The file is gone, or the disk is broken: reading it again would not help.
_LOST = frozenset({errno.ENOENT, errno.EIO})


@dataclass(frozen=True, slots=True)
class Portion:
    """Entries on their way. They stay in their segment until they are acknowledged."""

    entries: tuple[Entry, ...]
    segment: Segment
    length: int
    corrupt: int
    """Items that can't be read any more."""

    @property
    def items(self) -> int:
        return sum(entry.items for entry in self.entries)


class Folder:
    """A folder whose lock this process holds. Not thread-safe: the spool has the lock."""

    def __init__(self, path: Path, lock_fd: int, segments: deque[Segment]) -> None:
        self.path = path
        self.segments = segments
        self._lock_fd = lock_fd
        self._number = 0
        self.items = self.bytes = 0
        """Items that have not been delivered, and how much of the disk the segments take."""
        self._recount()
        #: The last segment takes entries; in a folder that was adopted none does.
        self._open = False

    @classmethod
    def create(cls, parent: Path) -> "Folder":
        """A new folder. Raises `OSError` if it can't be made."""
        for _ in range(_ATTEMPTS):
            path = parent / f"{os.getpid()}-{os.urandom(4).hex()}"
            path.mkdir(mode=0o700)
            fd = lock(path, create=True)
            if fd is not None:
                return cls(path, fd, deque())
            # Somebody found it in the moment before it was locked, and takes it away.
        raise BlockingIOError(f"no folder in {parent} can be locked")

    @classmethod
    def adopt(cls, path: Path) -> "Folder | None":
        """What a dead process left; None while its owner lives, or if nothing is left in it."""
        fd = lock(path)
        if fd is None:
            return None
        folder = cls(path, fd, deque())
        for file in sorted(path.glob(f"*{SUFFIX}")):
            with suppress(OSError):
                if (segment := Segment.recover(file)) is not None:
                    segment.close()
                    folder.segments.append(segment)
        folder._remove_delivered()
        if not folder.segments:
            folder.release()
            return None
        return folder

    @property
    def vanished(self) -> bool:
        """Whether somebody removed the folder, or what entries are written to."""
        return not self.path.is_dir() or (self._open and self.segments[-1].unlinked)

    def append(self, entry: Entry, segment_bytes: int) -> None:
        """Add an entry, to a new segment if the last is full. Raises `OSError`."""
        needed = ENTRY_HEAD_BYTES + len(entry.body)
        if (
            self._open
            and self.segments[-1].items
            and self.segments[-1].end + needed > segment_bytes
        ):
            self.seal()
        if not self._open:
            self._number += 1
            self.segments.append(Segment.create(self.path / f"{self._number:08d}{SUFFIX}"))
            self._open = True
            self._recount()
        self.segments[-1].append(entry)
        self.items += entry.items
        self.bytes += needed

    def seal(self) -> None:
        """Write no more to the last segment."""
        if self._open and not self.segments[-1].unlinked:
            self.segments[-1].close()
        self._open = False

    def next(self, *, most_items: int, most_bytes: int) -> Portion | None:
        """The oldest entries. Raises `OSError` if their segment can't be read just now."""
        segment = next((one for one in self.segments if one.items), None)
        if segment is None:
            return None
        try:
            found = segment.read(most_items=most_items, most_bytes=most_bytes)
        except OSError as error:
            if error.errno not in _LOST:
                raise
            found = Scan(length=segment.end - segment.cursor, corrupt=segment.items)
        segment.in_flight = True
        return Portion(tuple(found.entries), segment, found.length, found.corrupt)

    def acknowledge(self, portion: Portion) -> None:
        """The entries need not be sent again."""
        portion.segment.in_flight = False
        portion.segment.acknowledge(portion.length, portion.items + portion.corrupt)
        self._remove_delivered()

    def lose(self, segment: Segment) -> int:
        """Give a segment up; how many items that costs."""
        if segment is self.segments[-1]:
            self._open = False
        self.segments.remove(segment)
        segment.remove()
        self._recount()
        return segment.items

    def oldest(self) -> Segment | None:
        """The segment that makes room first: not the one on its way, nor the one being written."""
        full = list(self.segments)[:-1] if self._open else self.segments
        return next((segment for segment in full if not segment.in_flight), None)

    def _remove_delivered(self) -> None:
        current = self.segments[-1] if self._open else None
        for segment in [one for one in self.segments if not one.items]:
            if segment is current:
                segment.clear()
            else:
                self.segments.remove(segment)
                segment.remove()
        self._recount()

    def _recount(self) -> None:
        self.items = sum(segment.items for segment in self.segments)
        self.bytes = sum(segment.end for segment in self.segments)

    def release(self) -> None:
        """Let go of the folder. What is left in it belongs to the next who locks it."""
        self.seal()
        self._remove_delivered()
        self.close_files()
        remove_if_empty(self.path)
        self._unlock()

    def abandon(self) -> None:
        """Close the files and nothing else: in a forked child they are its parent's."""
        self.close_files()
        self._unlock()

    def close_files(self) -> None:
        for segment in self.segments:
            segment.close()

    def _unlock(self) -> None:
        # Closing does not unlock while a copy of the descriptor is open: in the parent.
        fd, self._lock_fd = self._lock_fd, -1
        if fd >= 0:
            os.close(fd)


def lock(folder: Path, *, create: bool = False) -> int | None:
    """The descriptor of a folder's lock; None if another has it, or if it is gone.

    Raises `OSError` if it can't be made, or if this file system knows no locks.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | (os.O_CREAT | os.O_EXCL if create else 0)
    try:
        fd = os.open(folder / LOCK_NAME, flags, 0o600)
    except FileNotFoundError:
        _remove_unfinished(folder)
        return None
    except OSError:
        if create:
            raise
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if create and not isinstance(error, BlockingIOError):
            remove_if_empty(folder)
            raise
        return None
    if os.fstat(fd).st_nlink:
        return fd
    os.close(fd)
    return None


def remove_if_empty(folder: Path) -> None:
    """Take away a folder whose lock we hold, if nothing but that lock is in it."""
    with suppress(OSError):
        if os.listdir(folder) == [LOCK_NAME]:
            (folder / LOCK_NAME).unlink()
            folder.rmdir()


def _remove_unfinished(folder: Path) -> None:
    """A folder without a lock: its maker died, or is at it and will make another."""
    with suppress(OSError):
        folder.rmdir()
