"""The bounded queue between the host's threads and our worker, with exact books.

The law: ``accepted = delivered + spooled + dropped``. *Spooled* is what is still here: in memory,
or on disk.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import field
from typing import Generic, TypeVar

from spanledger.lean import dataclass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Books:
    """A consistent reading of the counters, in items (spans and records)."""

    accepted: int = 0
    delivered: int = 0
    spooled: int = 0
    dropped: int = 0
    dropped_by_reason: dict[str, int] = field(default_factory=dict)
    on_disk: int = 0
    """Which part of `spooled` outlives this process."""
    spool_errors: int = 0
    """How often the disk could not be written to."""


class BoundedQueue(Generic[T]):
    """Keeps at most `size` items and `max_bytes`; the oldest makes room and is counted.

    Items that are on their way (`take`) count towards `size` too and can't make room, so there
    may be one more than `size` while all of them are. `weigh` says roughly what an item takes.
    """

    def __init__(
        self,
        size: int,
        *,
        max_bytes: int = 2**62,
        weigh: Callable[[T], int] = lambda _item: 0,
    ) -> None:
        self._size = max(1, size)
        self._max_bytes = max_bytes
        self._weigh = weigh
        # Guards everything below; held for a few hundred nanoseconds, never during I/O.
        # Re-entrant: the garbage collector may end a span, which is then put here, while this
        # very thread is in one of the methods.
        self._lock = threading.RLock()
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._taken = 0
        self._on_disk = 0
        self._accepted = 0
        self._delivered = 0
        self._dropped: Counter[str] = Counter()
        self._spool_errors = 0

    def put(self, item: T) -> int:
        """Add an item; the number of items that wait now."""
        weight = self._weigh(item)
        with self._lock:
            self._accepted += 1
            self._items.append((item, weight))
            self._bytes += weight
            while len(self._items) > 1 and self._too_much():
                self._bytes -= self._items.popleft()[1]
                self._dropped["queue_full"] += 1
            return len(self._items)

    def _too_much(self) -> bool:
        return len(self._items) + self._taken > self._size or self._bytes > self._max_bytes

    def take(self, most: int, *, most_bytes: int = 2**62) -> list[T]:
        """The oldest items, at least one; they stay on the books until they are settled."""
        batch: list[T] = []
        weight = 0
        with self._lock:
            while self._items and len(batch) < most:
                weight += self._items[0][1]
                if batch and weight > most_bytes:
                    break
                item, its_weight = self._items.popleft()
                self._bytes -= its_weight
                batch.append(item)
            self._taken += len(batch)
            return batch

    def settle(self, count: int, *, delivered: int, reason: str = "") -> None:
        """Close the books on `count` taken items: so many were delivered, the rest dropped."""
        with self._lock:
            self._taken -= count
            self._close(count, delivered, reason)

    def spool(self, count: int) -> None:
        """So many taken items are on disk now."""
        with self._lock:
            self._taken -= count
            self._on_disk += count

    def settle_spooled(self, count: int, *, delivered: int, reason: str = "") -> None:
        """Close the books on `count` items of the disk."""
        with self._lock:
            self._on_disk -= count
            self._close(count, delivered, reason)

    def adopt(self, count: int) -> None:
        """So many items on disk, of a process that died, are ours now."""
        with self._lock:
            self._accepted += count
            self._on_disk += count

    def count_spool_error(self) -> None:
        """The disk could not be written to."""
        with self._lock:
            self._spool_errors += 1

    def drop_all(self, reason: str) -> int:
        """Give up everything that waits; how much that was."""
        with self._lock:
            count = len(self._items)
            self._items.clear()
            self._bytes = 0
            self._close(count, 0, reason)
            return count

    def _close(self, count: int, delivered: int, reason: str) -> None:
        self._delivered += delivered
        if count > delivered:
            self._dropped[reason or "refused"] += count - delivered

    @property
    def waiting(self) -> int:
        """Items that nobody has taken."""
        return len(self._items)

    def __len__(self) -> int:
        """Items in memory."""
        return len(self._items) + self._taken

    def books(self) -> Books:
        with self._lock:
            dropped = dict(self._dropped)
            return Books(
                accepted=self._accepted,
                delivered=self._delivered,
                spooled=len(self._items) + self._taken + self._on_disk,
                dropped=sum(dropped.values()),
                dropped_by_reason=dropped,
                on_disk=self._on_disk,
                spool_errors=self._spool_errors,
            )
