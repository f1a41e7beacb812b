"""From the spool to the collector, and the books of what became of it."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from spanledger.processors.delivery.backoff import HURRIED_S, MOST_ITEMS, Backoff, asked_for
from spanledger.processors.delivery.intake import Intake
from spanledger.processors.delivery.sender import Outcome, Sender
from spanledger.processors.queue import BoundedQueue
from spanledger.processors.spool.disk import DiskSpool
from spanledger.processors.spool.folder import Portion
from spanledger.processors.spool.layout import Entry

if TYPE_CHECKING:
    from spanledger.processors.transport import Sent, Transport

_log = logging.getLogger("spanledger.export")

#: Below the 4 MB that a gRPC receiver takes, with an entry of the largest size to spare.
_REQUEST_BYTES = 3 * 1024 * 1024
#: Processes die at any time; who looks for what they left does so this often.
_ADOPT_EVERY_S = 30.0
#: A spool that can't be read just now.
_READ_REST_S = 1.0


class Settle(Protocol):
    """Closes the books on some items; see `BoundedQueue.settle`."""

    def __call__(self, count: int, *, delivered: int, reason: str = "") -> None: ...


class Delivery:
    """Sends what is held in memory and what is on disk, oldest first, and adopts orphans."""

    def __init__(
        self,
        queue: BoundedQueue[Any],
        intake: Intake,
        spool: DiskSpool | None,
        connect: Callable[[], "Transport"],
        timeout_s: Callable[[], float],
        *,
        interval_s: float,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
    ) -> None:
        self._queue = queue
        self._intake = intake
        self._spool = spool
        self._connect = connect
        self._timeout_s = timeout_s
        self._interval_s = interval_s
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._transport: Transport | None = None
        self._due: float | None = None
        self._adopt_at = 0.0
        self._warned = False
        self._failed_at = self._retry_at = 0.0
        self.not_before = 0.0
        """Until then the receiver wants to be left alone, on the monotonic clock."""
        self.failing_since: float | None = None
        """When the failures began that have not ended yet."""
        self.adopts = True
        self.looked_for_orphans = False

    @property
    def pending(self) -> int:
        """Items that wait to be sent."""
        held = sum(entry.items for entry in list(self._intake.held))
        return held + (self._spool.pending if self._spool is not None else 0)

    @property
    def target(self) -> str:
        return self._transport.target if self._transport is not None else "the collector"

    # --- one step of the worker -------------------------------------------------------------

    def step(self, *, urgent: bool) -> float | None:
        """Send what is due; how long to rest, None: until something comes."""
        now = self._clock()
        if (wait_s := self._wait_s(now, urgent=urgent)) > 0:
            return wait_s
        self._due = None
        if not self._send_all():
            return self._wait_s(self._clock(), urgent=urgent)
        return self._until_adoption()

    def _wait_s(self, now: float, *, urgent: bool) -> float:
        """How long it is too early. Who is in a hurry waits as long as was asked for, not more."""
        soon = min(self._retry_at, self._failed_at + HURRIED_S)
        until = max(self.not_before, soon if urgent else self._retry_at)
        if now < until:
            return until - now
        if urgent or not self.pending or self.pending >= MOST_ITEMS:
            return 0.0
        if self._due is None:
            self._due = now + self._interval_s
        return self._due - now

    def _send_all(self) -> bool:
        """Send until nothing is left, or an attempt fails."""
        while True:
            while self._intake.held:
                if not self._send_held():
                    return False
            try:
                portion = self._next_portion()
            except OSError as error:
                _log.warning("the spool can't be read: %s", error)
                self._retry_at = self._failed_at = self._clock() + _READ_REST_S
                return False
            if portion is None or self._spool is None:
                return True
            if not self._send_portion(self._spool, portion):
                return False

    def _next_portion(self) -> Portion | None:
        if self._spool is None:
            return None
        most = self._backoff.most_items
        portion = self._spool.next(most_items=most, most_bytes=_REQUEST_BYTES)
        if portion is None and self._adopt(self._spool):
            portion = self._spool.next(most_items=most, most_bytes=_REQUEST_BYTES)
        return portion

    def _adopt(self, spool: DiskSpool) -> bool:
        """Take over what a dead process left. One at a time, until there is none."""
        if not self.adopts or self._clock() < self._adopt_at:
            return False
        if items := spool.adopt():
            self._queue.adopt(items)
            _log.info("%d spans and records of a process that ended are sent now", items)
            return True
        self._adopt_at = self._clock() + _ADOPT_EVERY_S
        self.looked_for_orphans = True
        return False

    def _until_adoption(self) -> float | None:
        if self._spool is None or not self.adopts:
            return None
        return max(0.1, self._adopt_at - self._clock())

    # --- sending, and the books -------------------------------------------------------------

    def _send_held(self) -> bool:
        entry = self._intake.held[0]
        outcome = self._sent([entry])
        if outcome.retry is not None:
            self._failed(outcome.retry)
            return False
        if self._intake.sent(entry):
            self._close_books(outcome, self._queue.settle)
        return True

    def _send_portion(self, spool: DiskSpool, portion: Portion) -> bool:
        outcome = self._sent(portion.entries)
        if outcome.retry is not None:
            spool.keep(portion)
            self._failed(outcome.retry)
            return False
        if portion.corrupt:
            outcome.dropped["unreadable"] += portion.corrupt
            outcome.details.append("the spool was damaged")
        if spool.acknowledge(portion):
            self._close_books(outcome, self._queue.settle_spooled)
        return True

    def _close_books(self, outcome: Outcome, settle: Settle) -> None:
        settle(outcome.delivered, delivered=outcome.delivered)
        for reason, count in outcome.dropped.items():
            settle(count, delivered=0, reason=reason)
        self._backoff.succeeded()
        self.failing_since, self._warned = None, False
        if dropped := outcome.dropped.total():
            _log.warning("%s refused %d spans: %s", self.target, dropped, outcome.details[0][:200])

    def _sent(self, entries: Sequence[Entry]) -> Outcome:
        if self._transport is None:
            try:
                self._transport = self._connect()
            except Exception as error:  # noqa: BLE001 - a certificate that can't be read, or the like
                from spanledger.processors.transport import Sent

                return Outcome(retry=Sent("retry", f"{type(error).__name__}: {error}"))
        return Sender(self._transport, self._timeout_s).send(entries)

    def disconnect(self) -> None:
        """Close the connection; it is made again when it is needed."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def _failed(self, sent: "Sent") -> None:
        now = self._clock()
        if self.failing_since is None:
            self.failing_since = now
        self._failed_at = now
        self._retry_at = now + self._backoff.failed()
        if sent.retry_after_s is not None:
            self.not_before = now + asked_for(sent.retry_after_s)
        self._warn(sent.detail)

    def _warn(self, detail: str) -> None:
        """Say once that nothing arrives; again only after something did."""
        if not self._warned:
            self._warned = True
            _log.warning(
                "telemetry can't be sent to %s (%s); it is kept %s and tried again. Start the "
                "local stack with `spanledger up`, or set SPANLEDGER_OTLP_ENDPOINT.",
                self.target,
                detail[:200],
                "in memory" if self._intake.held or self._spool is None else "on disk",
            )
