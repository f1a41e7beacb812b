"""From the queue to the spool: soon, so that little is lost if the process is killed."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from opentelemetry.sdk.trace import ReadableSpan

from spanledger.processors.delivery.entries import Encoder
from spanledger.processors.queue import BoundedQueue
from spanledger.processors.records import Record
from spanledger.processors.spool.disk import DiskSpool
from spanledger.processors.spool.layout import Entry

_log = logging.getLogger("spanledger.export")

BATCH = 512
_BATCH_BYTES = 4 * 1024 * 1024
#: What is gathered in this time is cleaned, encoded and written in one go.
_GATHER_S = 0.1
#: After a failure the disk is left alone for so long.
_DISK_REST_S = 10.0
#: While there is no room: does the disk work again?
_LOOK_AGAIN_S = 1.0
#: Encoded entries that are held in memory for want of a disk. Behind them the queue fills up.
_MOST_HELD_BYTES = 8 * 1024 * 1024


class Intake:
    """Takes items from the queue, has them cleaned and encoded, and puts them into the spool.

    Without a disk, entries are held in memory (`held`) until they are sent; the next are only
    made when those have gone, so that the queue stays what bounds the memory.
    """

    def __init__(
        self,
        queue: BoundedQueue[ReadableSpan | Record],
        encoder: Encoder,
        spool: DiskSpool | None,
        *,
        gather_s: float = _GATHER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.held: deque[Entry] = deque()
        self._queue = queue
        self._encoder = encoder
        self._spool = spool
        self._gather_s = min(gather_s, _GATHER_S)
        self._clock = clock
        self._lock = threading.Lock()
        self._due: float | None = None
        self._disk_rests_until = 0.0
        self._disk_failed = False

    def step(self, *, urgent: bool) -> float | None:
        """Move what waits, once it was gathered; how long to rest, None: until something comes."""
        if not self._queue.waiting:
            return None
        now = self._clock()
        if self._due is None:
            self._due = now + self._gather_s
        if not urgent and now < self._due and self._queue.waiting < BATCH:
            return self._due - now
        self._due = None
        return None if self.move() else _LOOK_AGAIN_S

    def move(self) -> bool:
        """Move everything that waits; False if there is no room for it now."""
        while self._queue.waiting:
            if self.held and not self._disk_may_work():
                return False
            batch = self._queue.take(BATCH, most_bytes=_BATCH_BYTES)
            encoded = self._encoder.encode(batch)
            for reason, count in encoded.lost.items():
                self._queue.settle(count, delivered=0, reason=reason)
            for entry in encoded.entries:
                if not self._to_disk(entry):
                    self.held.append(entry)
        return True

    def sent(self, entry: Entry) -> bool:
        """Let go of the oldest entry that is held; False if it was given up meanwhile."""
        with self._lock:
            if not self.held or self.held[0] is not entry:
                return False
            self.held.popleft()
            return True

    def drop_held(self, reason: str) -> int:
        """Give up everything that is held; how many items that was."""
        with self._lock:
            count = sum(entry.items for entry in self.held)
            self.held.clear()
        self._queue.settle(count, delivered=0, reason=reason)
        return count

    def _disk_may_work(self) -> bool:
        """Whether to try, though entries are held: there is a limit to how many can be added."""
        if self._spool is None or self._clock() < self._disk_rests_until:
            return False
        return sum(len(entry.body) for entry in list(self.held)) < _MOST_HELD_BYTES

    def _to_disk(self, entry: Entry) -> bool:
        if self._spool is None or self._clock() < self._disk_rests_until:
            return False
        try:
            self._write(self._spool, entry)
        except OSError as error:
            self._disk_rests_until = self._clock() + _DISK_REST_S
            self._queue.count_spool_error()
            self._say_once(self._spool, error)
            return False
        self._disk_failed = False
        return True

    def _write(self, spool: DiskSpool, entry: Entry) -> None:
        evicted = spool.make_room(entry)
        self._queue.adopt(evicted.orphaned)
        self._queue.settle_spooled(evicted.own + evicted.orphaned, delivered=0, reason="spool_full")
        if evicted.own + evicted.orphaned:
            self._say_dropped(spool, evicted.own + evicted.orphaned)
        spool.append(entry)
        self._queue.spool(entry.items)

    def _say_once(self, spool: DiskSpool, error: OSError) -> None:
        if not self._disk_failed:
            self._disk_failed = True
            _log.warning(
                "telemetry can't be spooled in %s (%s); until it can, it is kept in memory only. "
                "Free the disk, or name another folder (SPANLEDGER_SPOOL_DIR).",
                spool.root,
                error,
            )

    def _say_dropped(self, spool: DiskSpool, count: int) -> None:
        _log.warning(
            "the spool in %s is full: its %d oldest spans and records were dropped. Have the "
            "collector listen, or give the spool more room (SPANLEDGER_SPOOL_MAX_MB).",
            spool.root,
            count,
        )
