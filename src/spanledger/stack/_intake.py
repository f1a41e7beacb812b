"""From requests to inserts: what waits, how it is gathered, and what happens when the engine
can't take it.

A request is answered when its rows are in; before they go in, its batch is on the disk. One
lane (a thread) for each signal gathers what waits into one insert, since an insert costs about
the same however many rows it has. A lane that is idle stores a request at once; a busy one
begins an insert every `PACE_S`, or as soon as `ENOUGH_ROWS` wait.
"""

import itertools
import logging
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from spanledger.stack._journal import Batch, Journal, Recovered
from spanledger.stack._otlp import SIGNALS, Signal, decode_entry
from spanledger.stack._storing import Encoded, encode_parts, store
from spanledger.stack.engine import EngineError, EngineLike

PACE_S: Final = 0.1
ENOUGH_ROWS: Final = 500
MAX_BATCH_ROWS: Final = 20_000
MAX_BATCH_BYTES: Final = 16 << 20
MAX_WAITING_BYTES: Final = 64 << 20
REMEMBERED: Final = 10_000
_BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_log = logging.getLogger("spanledger.stack")

Refused = Counter[str]
"""Records of a request that were left out, by reason."""


class Postponed(Exception):
    """The request can't be taken now. Sending the same bytes again is safe."""


@dataclass(slots=True)
class _Waiting:
    request: Encoded
    future: "Future[Refused]" = field(default_factory=Future)


class Budget:
    """Bytes of requests held in memory, under one lid. Thread-safe."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self.used_bytes = 0

    def take(self, size: int) -> None:
        """Count *size* bytes. One request alone always fits: its size was checked before.

        Raises:
            Postponed: if others hold too much.
        """
        with self._lock:
            if self.used_bytes and self.used_bytes + size > self._limit:
                raise Postponed("the stack is busy")
            self.used_bytes += size

    def give(self, size: int) -> None:
        """Count *size* bytes no more."""
        with self._lock:
            self.used_bytes -= size


class Intake:
    """All lanes over one journal. Thread-safe."""

    def __init__(
        self,
        engine: EngineLike,
        journal: Journal,
        *,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        pace_s: float = PACE_S,
    ) -> None:
        self._journal = journal
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._seen_lock = threading.Lock()
        self._paused_until_s = 0.0
        self.budget = Budget(max_waiting_bytes)
        self.last_insert_s: float | None = None
        """When rows last went in, in seconds since 1970."""
        self.inserts = 0
        self._lanes = {signal.name: _Lane(self, engine, signal, pace_s) for signal in SIGNALS}

    def start(self, recovered: Recovered) -> None:
        """Take up what an earlier daemon left, then requests. What it left comes first: it was
        cut into batches before."""
        self.remember(recovered.seen)
        for batch in recovered.open:
            self._lanes[batch.signal].take_up(batch)
        for lane in self._lanes.values():
            lane.start()

    def submit(self, signal: Signal, request: Encoded) -> "Future[Refused]":
        """Take a request; the future is done when its rows are in. One that is in already, or
        waits already, is not taken twice.

        Raises:
            Postponed: if it can't be taken now. Of the future: if it can't be stored now.
        """
        if time.monotonic() < self._paused_until_s:
            raise Postponed("the stack is paused for a backup or a copy")
        return self._lanes[signal.name].submit(request)

    def pause(self, for_s: float) -> None:
        """Take nothing for *for_s* seconds (0: from now on again), and wait until what was
        taken is in."""
        self._paused_until_s = time.monotonic() + for_s
        if for_s:
            for lane in self._lanes.values():
                lane.wait_idle(for_s)

    def close(self, patience_s: float) -> None:
        """Store what waits; what can't be stored stays in the journal for the next daemon."""
        deadline = time.monotonic() + patience_s
        for lane in self._lanes.values():
            lane.stop()
        for lane in self._lanes.values():
            lane.join(max(0.0, deadline - time.monotonic()))
        self._journal.close()

    @property
    def waiting_requests(self) -> int:
        return sum(lane.waiting for lane in self._lanes.values())

    @property
    def stalled(self) -> str | None:
        """Why the engine takes nothing; None if it does."""
        return next((lane.stalled for lane in self._lanes.values() if lane.stalled), None)

    def knows(self, digest: bytes) -> bool:
        """Whether a request is in."""
        with self._seen_lock:
            return digest in self._seen

    def remember(self, digests: Iterable[bytes]) -> None:
        """Note requests that are in; the oldest are forgotten."""
        with self._seen_lock:
            for digest in digests:
                self._seen[digest] = None
                self._seen.move_to_end(digest)
            while len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)

    def write(self, batch: Batch) -> None:
        """Put a batch on the disk.

        Raises:
            OSError: if that is not possible.
        """
        with self._seen_lock:
            seen = list(self._seen)
        self._journal.append(batch, seen)

    def finish(self, batch: Batch) -> None:
        """Note that a batch is in."""
        self._journal.done(batch)
        self.remember(entry.digest for entry in batch.entries)
        self.last_insert_s = time.time()
        self.inserts += 1


class _Lane(threading.Thread):
    """The requests of one signal on their way into the engine."""

    def __init__(self, intake: Intake, engine: EngineLike, signal: Signal, pace_s: float) -> None:
        super().__init__(name=f"intake-{signal.name}", daemon=True)
        self._intake = intake
        self._engine = engine
        self._signal = signal
        self._pace_s = pace_s
        self._changed = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._pending: dict[bytes, _Waiting] = {}
        self._left: deque[tuple[Batch, list[_Waiting]]] = deque()
        self._rows = 0
        self._stopping = self._busy = False
        self._next_s = 0.0
        self.stalled: str | None = None

    @property
    def waiting(self) -> int:
        return len(self._pending)

    def take_up(self, batch: Batch) -> None:
        """Before the start: a batch of an earlier daemon. Its clients may come again before it is
        in, so it counts as waiting."""
        waiting = [_Waiting(request) for request in _encoded(self._signal, batch)]
        self._left.append((batch, waiting))
        for one in waiting:
            self._pending[one.request.entry.digest] = one
            self._intake.budget.used_bytes += one.request.size_bytes

    def submit(self, request: Encoded) -> "Future[Refused]":
        with self._changed:
            known = self._known(request.entry.digest)
            if known is not None:
                return known
            if self.stalled or self._stopping:
                raise Postponed(self.stalled or "the stack is stopping")
            self._intake.budget.take(request.size_bytes)
            waiting = _Waiting(request)
            self._pending[request.entry.digest] = waiting
            self._queue.append(waiting)
            self._rows += request.rows
            self._changed.notify_all()
            return waiting.future

    def _known(self, digest: bytes) -> "Future[Refused] | None":
        waiting = self._pending.get(digest)
        if waiting is not None:
            return waiting.future
        if not self._intake.knows(digest):
            return None
        done: Future[Refused] = Future()
        done.set_result(Counter())
        return done

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def wait_idle(self, timeout_s: float) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self.stalled or not (self._busy or self._pending or self._left), timeout_s
            )

    def run(self) -> None:
        while self._left:
            if not self._insert(*self._left[0]):
                return
            self._left.popleft()
        while gathered := self._gather():
            self._process(gathered)

    def _gather(self) -> list[_Waiting]:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._queue or self._stopping)
            pause_s = self._next_s - time.monotonic()
            self._changed.wait_for(
                lambda: self._stopping or self._rows >= ENOUGH_ROWS, max(0.0, pause_s)
            )
            self._next_s = time.monotonic() + self._pace_s
            self._busy = bool(self._queue)
            return self._cut()

    def _cut(self) -> list[_Waiting]:
        gathered: list[_Waiting] = []
        rows = size = 0
        while self._queue and rows < MAX_BATCH_ROWS and size < MAX_BATCH_BYTES:
            waiting = self._queue.popleft()
            rows += waiting.request.rows
            size += waiting.request.size_bytes
            gathered.append(waiting)
        self._rows -= rows
        return gathered

    def _process(self, gathered: list[_Waiting]) -> None:
        batch = Batch(self._signal.name, tuple(waiting.request.entry for waiting in gathered))
        try:
            self._intake.write(batch)
        except OSError as error:
            self._drop(gathered, Postponed(f"the disk takes nothing ({error.strerror})"))
            return
        self._insert(batch, gathered)

    def _insert(self, batch: Batch, gathered: list[_Waiting]) -> bool:
        """Until it is in: False if we are stopped before."""
        requests = [waiting.request for waiting in gathered]
        for attempt in itertools.count():
            try:
                with self._engine.connect() as session:
                    refused = store(session, self._signal, requests, batch.token)
            except EngineError as error:
                self._stall(str(error), gathered)
                if self._rest(_BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)]):
                    return False
                continue
            self._finish(batch, refused, gathered)
            return True
        raise AssertionError("it is tried until it is in")

    def _stall(self, reason: str, gathered: list[_Waiting]) -> None:
        """Nobody waits for an engine that fails: all are told to come again."""
        if self.stalled is None:
            _log.warning("%s wait: %s", self._signal.name, reason)
        with self._changed:
            self.stalled = reason
            queued = list(self._queue)
            self._queue.clear()
            self._rows = 0
        error = EngineError(reason)
        self._drop(queued, error)
        # These stay known: they go in as soon as the engine takes them.
        for waiting in gathered:
            _fail(waiting, error)

    def _rest(self, for_s: float) -> bool:
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._stopping, for_s))

    def _finish(
        self, batch: Batch, refused: dict[bytes, Refused], gathered: list[_Waiting]
    ) -> None:
        if self.stalled is not None:
            _log.info("%s go in again", self._signal.name)
        self._intake.finish(batch)
        with self._changed:
            self.stalled = None
        self._forget(gathered)
        for waiting in gathered:
            if not waiting.future.done():
                digest = waiting.request.entry.digest
                waiting.future.set_result(refused.get(digest, Counter()))

    def _drop(self, gathered: list[_Waiting], error: Exception) -> None:
        self._forget(gathered)
        for waiting in gathered:
            _fail(waiting, error)

    def _forget(self, gathered: list[_Waiting]) -> None:
        with self._changed:
            for waiting in gathered:
                self._pending.pop(waiting.request.entry.digest, None)
                self._intake.budget.give(waiting.request.size_bytes)
            self._changed.notify_all()


def _fail(waiting: _Waiting, error: Exception) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(error)


def _encoded(signal: Signal, batch: Batch) -> list[Encoded]:
    return [
        Encoded(entry, encode_parts(signal.flatten(decode_entry(signal, entry))))
        for entry in batch.entries
    ]
