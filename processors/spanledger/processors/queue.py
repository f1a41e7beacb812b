"""The bounded queue between the host's threads and our worker, with exact books.

The law: ``accepted = delivered + spooled + dropped``. *Spooled* is what is still here.
"""

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Books:
    """A consistent reading of the counters, in items (spans and records)."""

    accepted: int = 0
    delivered: int = 0
    spooled: int = 0
    dropped: int = 0
    dropped_by_reason: dict[str, int] = field(default_factory=dict)


class BoundedQueue(Generic[T]):
    """Keeps at most `size` items; when it is full the oldest makes room and is counted.

    Items that are on their way (`take`) count too and can't make room, so there may be one
    more than `size` while all of them are.
    """

    def __init__(self, size: int) -> None:
        self._size = max(1, size)
        # Guards everything below; held for a few hundred nanoseconds, never during I/O.
        # Re-entrant: the garbage collector may end a span, which is then put here, while this
        # very thread is in one of the methods.
        self._lock = threading.RLock()
        self._items: deque[T] = deque()
        self._taken = 0
        self._accepted = 0
        self._delivered = 0
        self._dropped: Counter[str] = Counter()

    def put(self, item: T) -> int:
        """Add an item; the number of items that wait now."""
        with self._lock:
            self._accepted += 1
            self._items.append(item)
            if len(self._items) + self._taken > self._size and len(self._items) > 1:
                self._items.popleft()
                self._dropped["queue_full"] += 1
            return len(self._items)

    def take(self, most: int) -> list[T]:
        """The oldest items; they stay on the books until `settle`."""
        with self._lock:
            batch = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._taken += len(batch)
            return batch

    def settle(self, count: int, *, delivered: int, reason: str = "") -> None:
        """Close the books on `count` taken items: so many were delivered, the rest dropped."""
        with self._lock:
            self._taken -= count
            self._delivered += delivered
            if count > delivered:
                self._dropped[reason or "refused"] += count - delivered

    def put_back(self, batch: list[T]) -> None:
        """Taken items that are to be tried again, in their old order."""
        with self._lock:
            self._taken -= len(batch)
            self._items.extendleft(reversed(batch))

    def drop_all(self, reason: str) -> int:
        """Give up everything that waits; how much that was."""
        with self._lock:
            count = len(self._items)
            self._items.clear()
            if count:
                self._dropped[reason] += count
            return count

    def __len__(self) -> int:
        return len(self._items) + self._taken

    def books(self) -> Books:
        with self._lock:
            dropped = dict(self._dropped)
            return Books(
                self._accepted,
                self._delivered,
                len(self._items) + self._taken,
                sum(dropped.values()),
                dropped,
            )
