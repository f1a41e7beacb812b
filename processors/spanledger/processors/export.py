"""Our way out: the caller only enqueues; one worker cleans, encodes and sends."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from spanledger.processors.clean import Cleaner
from spanledger.processors.queue import Books, BoundedQueue
from spanledger.processors.records import Record, encode_records
from spanledger.processors.transport import Sent, Signal, Transport

_log = logging.getLogger("spanledger.export")

_BATCH = 512
_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 30.0
#: Below these an interval of 0 would spin, and a request could not be made at all.
_MIN_INTERVAL_S = 0.01
_MIN_TIMEOUT_S = 0.1


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Bounds of the export; times in seconds."""

    queue_size: int = 8192
    interval_s: float = 1.0
    timeout_s: float = 10.0
    shutdown_timeout_s: float = 5.0


class Exporter:
    """The queue and its worker. `connect` makes the transport, in the worker, at first need."""

    def __init__(
        self,
        connect: Callable[[], Transport],
        cleaner: Cleaner,
        options: ExportOptions | None = None,
        resource: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._connect = connect
        self._cleaner = cleaner
        self._options = options or ExportOptions()
        self._resource = resource
        self._warned = False
        self._start_over()
        os.register_at_fork(after_in_child=self._start_over)

    def _start_over(self) -> None:
        """A fresh state: at birth, and in a forked child, which must not send its parent's."""
        self._queue: BoundedQueue[ReadableSpan | Record] = BoundedQueue(self._options.queue_size)
        # Not an event: this one may be set by a finaliser that interrupts the setting.
        self._wake = SimpleQueue[None]()
        self._resting = False
        self._idle = threading.Event()
        self._starting = threading.Lock()
        self._worker: threading.Thread | None = None
        self._transport: Transport | None = None
        self._flushing = False
        self._deadline: float | None = None

    # --- the caller's side ------------------------------------------------------------------

    def put(self, item: ReadableSpan | Record) -> None:
        """Take a finished span or a record. Never blocks, never raises."""
        waiting = self._queue.put(item)
        if self._worker is None:
            self._start()
        # While the worker rests after a failure, more spans are no reason to try again.
        if waiting >= _BATCH and not self._resting:
            self._wake_up()

    def books(self) -> Books:
        """What was accepted, delivered, is still here, was dropped."""
        return self._queue.books()

    def flush(self, timeout_s: float) -> bool:
        """Send what waits; True if nothing is left within `timeout_s` seconds."""
        until = time.monotonic() + timeout_s
        self._flushing = True
        try:
            while len(self._queue) and time.monotonic() < until and self._worker is not None:
                self._idle.clear()
                self._wake_up()
                self._idle.wait(max(0.0, min(0.05, until - time.monotonic())))
        finally:
            self._flushing = False
        return not len(self._queue)

    def shutdown(self) -> None:
        """Send what waits, for the set time at the most over all calls; the rest is dropped."""
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._options.shutdown_timeout_s
        self.flush(max(0.0, self._deadline - now))
        if lost := self._queue.drop_all("shutdown"):
            _log.warning(
                "%d spans and records could not be sent to %s before the process ended",
                lost,
                self._target(),
            )

    def _wake_up(self) -> None:
        if self._wake.empty():
            self._wake.put(None)

    def _start(self) -> None:
        # Never waits: another thread is at it, or this one is, interrupted by a finaliser.
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._worker is None:
                worker = threading.Thread(target=self._run, name="spanledger-export", daemon=True)
                worker.start()
                self._worker = worker
        except RuntimeError:
            # The interpreter is shutting down: no new threads; shutdown() counts the rest.
            return
        finally:
            self._starting.release()

    # --- the worker's side ------------------------------------------------------------------

    def _run(self) -> None:
        """Send for ever. Its own requests are not traced, whatever instruments them."""
        # Instrumented threads inherit the context of who starts them: a span that has long ended.
        otel_context.attach(otel_context.Context())
        with suppress_instrumentation():
            backoff_s = 0.0
            queue = self._queue
            while self._queue is queue:
                self._wait(backoff_s)
                backoff_s = self._drain(backoff_s)
                self._idle.set()

    def _wait(self, backoff_s: float) -> None:
        self._resting = backoff_s > 0
        with suppress(Empty):
            self._wake.get(timeout=max(self._options.interval_s, backoff_s, _MIN_INTERVAL_S))
        self._resting = False

    def _drain(self, backoff_s: float) -> float:
        """Send batches until nothing waits or one fails; how long to rest before the next."""
        while batch := self._queue.take(_BATCH):
            try:
                sent = self._send(batch)
            except Exception as error:  # noqa: BLE001 - a batch that can't be encoded must not stop the worker
                self._queue.settle(len(batch), delivered=0, reason="unsendable")
                _log.warning("%d spans could not be encoded: %s", len(batch), error)
                continue
            if sent.outcome == "retry":
                self._queue.put_back(batch)
                self._warn(sent)
                return self._next_backoff(sent, backoff_s)
            self._close_books(batch, sent)
            backoff_s = 0.0
        return 0.0

    def _close_books(self, batch: list[ReadableSpan | Record], sent: Sent) -> None:
        if sent.outcome == "refused":
            self._queue.settle(len(batch), delivered=0, reason="refused")
            _log.warning("%s refused %d spans: %s", self._target(), len(batch), sent.detail)
            return
        delivered = max(0, len(batch) - sent.rejected)
        self._queue.settle(len(batch), delivered=delivered, reason="rejected")
        self._warned = False
        if sent.rejected:
            _log.warning("%s rejected %d spans: %s", self._target(), sent.rejected, sent.detail)

    def _next_backoff(self, sent: Sent, backoff_s: float) -> float:
        if self._flushing:
            return 0.1
        if sent.retry_after_s is not None:
            return min(sent.retry_after_s, _MAX_BACKOFF_S)
        return min(max(_FIRST_BACKOFF_S, backoff_s * 2), _MAX_BACKOFF_S)

    def _send(self, batch: list[ReadableSpan | Record]) -> Sent:
        """One batch holds spans or records, each in its own request; both must go."""
        spans = [self._cleaner.span(item) for item in batch if isinstance(item, ReadableSpan)]
        records = [item for item in batch if isinstance(item, Record)]
        rejected, detail = 0, ""
        for signal, request in self._requests(spans, records):
            sent = self._transport_now().send(signal, request, timeout_s=self._timeout_s())
            if sent.outcome != "delivered":
                # What went before is sent again with the rest: identity makes that harmless.
                return sent
            rejected, detail = rejected + sent.rejected, sent.detail or detail
        return Sent("delivered", detail, rejected)

    def _requests(
        self, spans: list[ReadableSpan], records: list[Record]
    ) -> list[tuple[Signal, bytes]]:
        requests: list[tuple[Signal, bytes]] = []
        if spans:
            from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

            requests.append(("traces", encode_spans(spans).SerializeToString()))
        if records:
            clean = self._clean
            encoded = encode_records(records, self._resource(), clean, self._cleaner.text)
            requests.append(("logs", encoded))
        return requests

    def _clean(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        return self._cleaner.attributes(attributes, content_free=True)

    def _timeout_s(self) -> float:
        """One request may take the set time, but no longer than the process has left."""
        longest = self._options.timeout_s
        if self._deadline is not None:
            longest = min(longest, self._deadline - time.monotonic())
        return max(_MIN_TIMEOUT_S, longest)

    def _transport_now(self) -> Transport:
        if self._transport is None:
            self._transport = self._connect()
        return self._transport

    def _target(self) -> str:
        return self._transport.target if self._transport is not None else "the collector"

    def _warn(self, sent: Sent) -> None:
        """Say once that nothing arrives; again only after something did."""
        if not self._warned:
            self._warned = True
            _log.warning(
                "telemetry can't be sent to %s (%s); it is kept in memory and tried again. "
                "Start the local stack with `spanledger up`, or set SPANLEDGER_OTLP_ENDPOINT.",
                self._target(),
                sent.detail[:200],
            )


class ExportProcessor(SpanProcessor):
    """Hands finished spans of a provider to the exporter, sampled or record-only."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter

    def on_start(self, span: Span, parent_context: otel_context.Context | None = None) -> None:
        """Nothing: only finished spans are sent."""

    def on_end(self, span: ReadableSpan) -> None:
        self._exporter.put(span)

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.flush(timeout_millis / 1000)
