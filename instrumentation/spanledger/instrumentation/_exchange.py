"""The life of one gated call: admitted, sent, observed, settled exactly once.

Whatever ends it (an answer, an error, a stream that is exhausted, closed, cut, cancelled or
forgotten) goes through `_finish`, which lets the first one in and turns away the rest. The
settlement comes first and can't be skipped by anything that telemetry does.
"""

import asyncio
import atexit
import logging
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace

from spanledger import semconv
from spanledger.guard import Refusal, SpanledgerRefusal
from spanledger.guard.breaker import Outcome
from spanledger.instrumentation import _background, _commands, _spans
from spanledger.instrumentation._admission import Admission
from spanledger.instrumentation._call_span import CallSpan, failure_attributes
from spanledger.instrumentation._facts import (
    Answers,
    Reply,
    ReportedFailure,
    Request,
    StreamReader,
)
from spanledger.instrumentation._failures import Charge, charge_of, charge_of_status
from spanledger.instrumentation._metrics import record_call, record_unpriced
from spanledger.instrumentation._outcomes import of_attempt, of_call
from spanledger.instrumentation._stream_limit import StreamLimit
from spanledger.pricing import Cost
from spanledger.processors.attribution import GatedCall, gated, note_gated_call
from spanledger.track import scope_below
from spanledger.usage import MISSING, Usage

_log = logging.getLogger("spanledger.gate")

_NO_REPLY = Reply()


def _yes() -> bool:
    return True


#: Streams that somebody may still read.
_open_streams: "weakref.WeakSet[Exchange]" = weakref.WeakSet()


def end_open_streams() -> None:
    """The process ends: what is still held by somebody will not be read any more."""
    for exchange in list(_open_streams):
        exchange.abandoned()
        exchange.end_span()


# Last registered, first called: before the exporter sends what it has for the last time.
atexit.register(end_open_streams)


class Exchange(Admission):
    """One call of a client library: its attempts, its span, its settlement."""

    # What most calls leave as it is stands here, once for all of them.
    reader: StreamReader | None = None
    #: The client's method has returned: from here on a stream belongs to its consumer.
    returned = False
    #: The consumer waits inside the stream; a close at this moment is the client's own.
    reading = False
    #: The usage chunk of the stream is there because the gate asked for it.
    hides_usage_chunk = False
    #: The body as the client has it, by which the same request is known at a second gate.
    sent_body: object = None
    #: An error that the middleware of a client looks at before the client does.
    turned_away: Any = None
    #: Whether somebody can still read the response; `bool()` is False.
    is_readable: Callable[[], bool] = bool
    _first_chunk_ns: int | None = None

    def __init__(self, request: Request, dialect: Answers) -> None:
        self._context = context = otel_context.get_current()
        around, now_ns = trace.get_current_span(context), time.time_ns()
        self._begin(request, scope_below(around, context), context, now_ns)
        self.dialect = dialect
        self._once = threading.Lock()
        self._noted = GatedCall(now_ns, request.model)
        note_gated_call(self._noted)
        self._span = CallSpan(request, self._scope, around, context, now_ns, self._span_ends)
        _commands.note(self._span, request)

    def context(self) -> otel_context.Context:
        """The context to send the request in."""
        return gated(self._context, self._span.span if self._span.owned else None)

    # --- attempts -------------------------------------------------------------------------

    def attempt_failed(
        self, status: int | None, error: BaseException | None, response: Any = None
    ) -> None:
        """The client will try again: settle this attempt and give it a record of its own."""
        if status is not None:
            charge: Charge = charge_of_status(status)
        else:
            charge = "estimate" if error is None else charge_of(error, answered=False)
        failure = f"HTTP {status}" if status is not None else type(error).__qualname__
        try:
            outcome = of_attempt(status, error, response)
            self._settle_attempt(charge, failure, status, response, outcome)
        except Exception:  # noqa: BLE001 - the ledger must be told, whatever went wrong
            self._settle_in_full()
        self._next_attempt(time.time_ns())

    def _settle_attempt(
        self, charge: Charge, failure: str, status: int | None, response: Any, outcome: Outcome
    ) -> None:
        usage, cost = self._settle(charge, _NO_REPLY, None, outcome, time.time_ns())
        attributes = self._record(_NO_REPLY, usage, cost)
        attributes[semconv.ERROR_TYPE] = str(status) if status is not None else failure
        if status is not None:
            attributes[semconv.ERROR_STATUS_CODE] = status
        attributes |= _spans.response_attributes(response)
        _spans.attempt_span(
            self.request,
            self._scope,
            self._span.span,
            attributes,
            start_ns=self._started_ns,
            error=failure,
        )

    # --- streams --------------------------------------------------------------------------

    def streams(self, reader: StreamReader | None = None) -> None:
        """The answer is a stream: from here on its chunks are read (by `reader`, if given)."""
        self.reader = self.dialect.stream_reader() if reader is None else reader
        _open_streams.add(self)

    def chunk(self, chunk: Any) -> SpanledgerRefusal | None:
        """Take one chunk of the stream; an error if the stream must be cut before it."""
        reader = self.reader
        if reader is None:
            return None
        if self._first_chunk_ns is None:
            self._first_chunk_ns = time.time_ns()
        try:
            ended = reader.chunk(chunk)
            if self.of_try is not None and reader.text:
                self.of_try.streamed = True
            if ended:
                self._finish("completed", reader.reply())
            elif self._limit is not None:
                return self._within_limit(reader, self._limit)
        except Exception:  # noqa: BLE001 - the stream belongs to the host
            _log.exception("a stream could not be read; all that was reserved for it is charged")
            self.reader = None
        return None

    def _within_limit(self, reader: StreamReader, limit: StreamLimit) -> SpanledgerRefusal | None:
        if self._reservation is None or (refusal := limit.passed(reader)) is None:
            return None
        error = refusal.error(partial="".join(reader.text))
        self._finish("cut", reader.reply(), refusal=refusal)
        return error

    def hides(self, chunk: Any) -> bool:
        """Whether the caller must not see this chunk."""
        return self.hides_usage_chunk and self.reader is not None and self.reader.hidden(chunk)

    def exhausted(self) -> None:
        """The stream ended by itself."""
        self._leave("completed")

    def closed(self) -> None:
        """The response was closed by its consumer."""
        if not self.reading:
            self._leave("closed")

    def abandoned(self) -> None:
        """The stream was forgotten: nobody can read it any more."""
        self._leave("abandoned")

    def end_span(self) -> None:
        """The process ends: a span that is still open is lost unless it ends now."""
        if self._span.span.is_recording():
            self._span.span.end()

    def _leave(self, outcome: str) -> None:
        self._finish(outcome, self.reader.reply() if self.reader is not None else _NO_REPLY)

    def unreadable(self) -> None:
        """What the caller reads can't be read by us: nothing is known of its length."""
        self.reader = None

    # --- endings --------------------------------------------------------------------------

    def replied(self, reply: Any) -> None:
        """A whole answer came."""
        found = self.dialect.read_reply(reply)
        if found.unfinished and found.response_id is not None:
            self.is_readable = _yes
            _open_streams.add(self)
            _background.wait_for(self, found.response_id)
        else:
            self._finish("", found)

    def failed(self, error: BaseException) -> None:
        """The attempt, or the stream, ended in an error."""
        if isinstance(error, SpanledgerRefusal):
            self._finish("", _NO_REPLY, refusal=error.refusal)
            return
        reply = self.reader.reply() if self.reader is not None else _NO_REPLY
        cancelled = isinstance(error, (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt))
        outcome = "" if self.reader is None else ("cancelled" if cancelled else "failed")
        self._finish(outcome, reply, error=error)

    def _span_ends(self, _span: Any) -> None:
        """The instrumentation whose span we use is about to end it, and we are not done yet."""
        if self.returned and (self.reading or not self.is_readable()):
            self._stream_span_ends()
        else:
            self._span.leave(self.request)

    def _stream_span_ends(self) -> None:
        """The client ends its own span with the stream, a moment before we see the end."""
        error = sys.exc_info()[1] if self.reading else None
        if error is None or isinstance(error, (StopIteration, StopAsyncIteration)):
            self._leave("completed" if self.reading else "closed")
        else:
            self.failed(error)

    def _finish(
        self,
        outcome: str,
        reply: Reply,
        *,
        error: BaseException | None = None,
        refusal: Refusal | None = None,
    ) -> None:
        if not self._once.acquire(blocking=False):
            return
        now_ns = time.time_ns()
        self._noted.over(reply.model, reply.response_id, now_ns)
        if reply.failure is not None and error is None and refusal is None:
            error, outcome = reply.failure, outcome and "failed"
        try:
            behaved: Outcome = "ok"
            if outcome or error is not None:
                behaved = of_call(outcome, error, answered=self._first_chunk_ns is not None)
            charge = self._charge(error, refusal)
            # Until the first token; of a whole answer until all of it.
            first_s = ((self._first_chunk_ns or now_ns) - self._started_ns) / 1e9
            usage, cost = self._settle(charge, reply, self.reader, behaved, now_ns, first_s)
        except Exception:  # noqa: BLE001 - the ledger must be told, whatever went wrong
            usage, cost = MISSING, self._settle_in_full()
        try:
            if self._span.still_open():
                attributes = self._attributes(outcome, reply, usage, cost)
                self._finish_span(attributes, usage, error, refusal)
        except Exception:  # noqa: BLE001 - telemetry never breaks the host's call
            _log.exception("the span of a call could not be completed")
            self._span.end_own()

    def _charge(self, error: BaseException | None, refusal: Refusal | None) -> Charge:
        if self._reservation is None:
            return "nothing"
        if refusal is not None or error is None or self.reader is not None:
            return "estimate"
        if isinstance(error, ReportedFailure):
            return "estimate"
        return charge_of(error, answered=self.answered)

    # --- the span -------------------------------------------------------------------------

    def _attributes(self, outcome: str, reply: Reply, usage: Usage, cost: Cost) -> dict[str, Any]:
        decision = self._decision
        if decision is None or decision.refusal is not None:
            return self._refused_record()
        attributes = self._record(reply, usage, cost)
        if decision.waited_s:
            attributes |= _spans.wait_attributes(decision)
        if not self._span.owned:
            attributes |= _spans.foreign_request_attributes(self.request)
        if outcome:
            attributes[semconv.STREAM_OUTCOME] = outcome
        if self._first_chunk_ns is not None:
            waited_ns = self._first_chunk_ns - self._started_ns
            attributes[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = waited_ns / 1e9
        return attributes

    def _finish_span(
        self,
        attributes: dict[str, Any],
        usage: Usage,
        error: BaseException | None,
        refusal: Refusal | None,
    ) -> None:
        if error is not None or refusal is not None:
            attributes |= failure_attributes(error, refusal)
        if self._span.owned and attributes[semconv.BILLING] in {"call", "unsent"}:
            failure = attributes.get(semconv.ERROR_TYPE)
            record_call(self.request, usage, self._started_ns, failure)
        if attributes.get(semconv.COST_PROVENANCE) == "unpriced":
            record_unpriced(self.request)
        self._span.finish(attributes, error, refusal)
