"""Our way out: the caller only enqueues; what follows is done by two threads of ours.

The first takes from the queue, cleans, encodes and spools; the second sends. They are two because
a request may hang for as long as its time-out allows, and what ends meanwhile has to get to the
disk all the same.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from spanledger.lean import dataclass
from spanledger.processors.clean import Cleaner
from spanledger.processors.delivery.deliver import Delivery
from spanledger.processors.delivery.entries import Encoder
from spanledger.processors.delivery.intake import BATCH, Intake
from spanledger.processors.delivery.process_end import call_at_process_end
from spanledger.processors.delivery.weight import weigh
from spanledger.processors.delivery.worker import Worker, run_untraced
from spanledger.processors.queue import Books, BoundedQueue
from spanledger.processors.records import Record
from spanledger.processors.spool.disk import DiskSpool

if TYPE_CHECKING:
    from spanledger.processors.transport import Transport

_log = logging.getLogger("spanledger.export")

#: Below these an interval of 0 would spin, and a request could not be made at all.
_MIN_INTERVAL_S = 0.01
_MIN_TIMEOUT_S = 0.1
_LOOK_EVERY_S = 0.05
#: How long the end of the process goes on trying when everything is safe on disk, and how long
#: it sends what others left there.
_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class SpoolOptions:
    """Where spans wait on disk. The folder is shared by all processes of a user."""

    root: Path
    destination: str = "default"
    """Only what was meant for the same destination is adopted; see `destination_name`."""
    max_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Bounds of the export; times in seconds."""

    queue_size: int = 8192
    queue_bytes: int = 64 * 1024 * 1024
    interval_s: float = 1.0
    timeout_s: float = 10.0
    shutdown_timeout_s: float = 5.0
    spool: SpoolOptions | None = None
    """None: what waits is kept in memory only."""


class Exporter:
    """The queue and what empties it. `connect` makes the transport, at first need."""

    def __init__(
        self,
        connect: "Callable[[], Transport]",
        cleaner: Cleaner,
        options: ExportOptions | None = None,
        resource: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._connect = connect
        self._encoder = Encoder(cleaner, resource)
        self._options = options or ExportOptions()
        self._spool: DiskSpool | None = None
        self._start_over()
        _exporters.add(self)

    def _start_over(self) -> None:
        """A fresh state: at birth, and in a forked child, which must not send its parent's."""
        options = self._options
        if self._spool is not None:
            self._spool.abandon()
        self._spool = spool = _spool(options.spool)
        interval_s = max(options.interval_s, _MIN_INTERVAL_S)
        self._queue: BoundedQueue[ReadableSpan | Record] = BoundedQueue(
            options.queue_size, max_bytes=options.queue_bytes, weigh=weigh
        )
        self._intake = Intake(self._queue, self._encoder, spool, gather_s=interval_s)
        self._delivery = Delivery(
            self._queue, self._intake, spool, self._connect, self._timeout_s, interval_s=interval_s
        )
        self._taking = Worker("spanledger-export", self._take)
        self._sending = Worker("spanledger-send", self._send, self._delivery.disconnect)
        self._moved = threading.Event()
        self._at_hand = threading.Lock()
        #: Who waits. A set: adding to a number is no single step.
        self._flushers: set[object] = set()
        self._known_to_pools = False
        self._deadline: float | None = None

    # --- the caller's side ------------------------------------------------------------------

    def put(self, item: ReadableSpan | Record) -> None:
        """Take a finished span or a record. Never blocks, never raises."""
        waiting = self._queue.put(item)
        if not self._taking.runs:
            self._start()
        if waiting in {1, BATCH}:
            self._taking.wake()

    def books(self) -> Books:
        """What was accepted, delivered, is still here, was dropped."""
        return self._queue.books()

    def flush(self, timeout_s: float) -> bool:
        """Send what waits; True if nothing is left within `timeout_s` seconds."""
        return self._flush(time.monotonic() + timeout_s, leaving=False)

    def shutdown(self) -> None:
        """Send what waits, for the set time at the most over all calls.

        What is on disk then is left to the next process; the rest is dropped.
        """
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._options.shutdown_timeout_s
        if not self._taking.runs and self._queue.waiting:
            self._work_at_hand()
        self._flush(max(now, self._deadline), leaving=True)
        self._delivery.adopts = False
        self._taking.stop()
        self._sending.stop()
        self._leave()

    # --- waiting ----------------------------------------------------------------------------

    def _flush(self, until: float, *, leaving: bool) -> bool:
        began = now = time.monotonic()
        patient_until = began + _PATIENCE_S if leaving else until
        self._flushers.add(token := object())
        try:
            while not self._is_done(leaving) and self._taking.runs and now < until:
                if self._is_hopeless(until, tired=now >= patient_until):
                    break
                self._moved.clear()
                self._taking.wake()
                self._sending.wake()
                self._moved.wait(min(_LOOK_EVERY_S, until - now))
                now = time.monotonic()
        finally:
            self._flushers.discard(token)
        return self._is_empty()

    def _is_empty(self) -> bool:
        return not len(self._queue) and not self._delivery.pending

    def _is_done(self, leaving: bool) -> bool:
        if not leaving or self._spool is None:
            return self._is_empty()
        looked = self._delivery.looked_for_orphans or not self._delivery.adopts
        return looked and self._is_empty()

    def _is_hopeless(self, until: float, *, tired: bool) -> bool:
        """Whether to wait no more: it would change nothing, or it is not worth the time."""
        if self._spool is not None and len(self._queue):
            return False
        if self._delivery.not_before > until:
            return True
        if self._spool is None or not tired:
            return False
        # Everything is on disk, and is not lost if the process ends here.
        return self._delivery.failing_since is not None or not self._spool.own_pending

    def _work_at_hand(self) -> None:
        """Do the work of the threads on this one: there are none, or no more can be started."""
        if self._at_hand.acquire(blocking=False):
            self._delivery.adopts = False
            try:
                run_untraced(self._intake.move)
                run_untraced(lambda: self._delivery.step(urgent=True))
            finally:
                self._at_hand.release()

    def _leave(self) -> None:
        lost = self._queue.drop_all("shutdown") + self._intake.drop_held("shutdown")
        left = self._spool.own_pending if self._spool is not None else 0
        if self._spool is not None:
            self._spool.close()
        target = self._delivery.target
        if lost:
            _log.warning(
                "%d spans and records could not be sent to %s before the process ended",
                lost,
                target,
            )
        if left:
            _log.warning(
                "%d spans and records could not be sent to %s yet; they are on disk, and the "
                "next process sends them",
                left,
                target,
            )

    # --- the threads' side ------------------------------------------------------------------

    def _start(self) -> None:
        if not self._known_to_pools:
            self._known_to_pools = True
            call_at_process_end(self.shutdown)
        self._taking.start()

    def _take(self) -> float | None:
        rest_s = self._intake.step(urgent=bool(self._flushers))
        self._sending.start()
        if self._delivery.pending:
            self._sending.wake()
        self._moved.set()
        return rest_s

    def _send(self) -> float | None:
        rest_s = self._delivery.step(urgent=bool(self._flushers))
        if self._queue.waiting and not self._intake.held:
            self._taking.wake()
        self._moved.set()
        return rest_s

    def _timeout_s(self) -> float:
        """One request may take the set time, but no longer than the process has left."""
        longest = self._options.timeout_s
        if self._deadline is not None:
            longest = min(longest, self._deadline - time.monotonic())
        return max(_MIN_TIMEOUT_S, longest)


def _spool(options: SpoolOptions | None) -> DiskSpool | None:
    if options is None:
        return None
    return DiskSpool(options.root, options.destination, options.max_bytes)


#: One hook for all of them: hooks can't be taken back, and must not keep what they are for.
_exporters: WeakSet[Exporter] = WeakSet()


def _start_all_over() -> None:
    for exporter in list(_exporters):
        exporter._start_over()


os.register_at_fork(after_in_child=_start_all_over)


class ExportProcessor(SpanProcessor):
    """Hands finished spans of a provider to the exporter, sampled or record-only."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: only finished spans are sent."""

    def on_end(self, span: ReadableSpan) -> None:
        self._exporter.put(span)

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.flush(timeout_millis / 1000)
