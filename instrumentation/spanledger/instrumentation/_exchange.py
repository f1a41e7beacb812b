"""The life of one gated call: admitted, sent, observed, settled exactly once.

Whatever ends it (an answer, an error, a stream that is exhausted, closed, cut, cancelled or
forgotten) goes through `_finish`, which lets the first one in and turns away the rest. The
settlement comes first and can't be skipped by anything that telemetry does.
"""

import asyncio
import logging
import random
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode

from spanledger import pricing, semconv
from spanledger.guard import (
    NOTHING_SPENT,
    Call,
    Decision,
    Estimate,
    Guard,
    Refusal,
    Reservation,
    SpanledgerRefusal,
    Spending,
    current,
)
from spanledger.guard.estimates import UNBOUNDED, estimate
from spanledger.instrumentation import _spans
from spanledger.instrumentation._facts import (
    Dialect,
    Reply,
    Request,
    StreamReader,
    input_bytes,
    request_text,
)
from spanledger.instrumentation._failures import Charge, charge_of, charge_of_status, status_of
from spanledger.instrumentation._metrics import record_call
from spanledger.instrumentation._safely import refuse_where_limits_hold, safely
from spanledger.processors import providers
from spanledger.processors.attribution import GatedCall, gated, note_gated_call
from spanledger.processors.nodes import Node, node_of
from spanledger.track import current_scope
from spanledger.usage import MISSING, Usage
from spanledger.usage.tokens import count_text

_log = logging.getLogger("spanledger.gate")

_NO_ESTIMATE = Estimate(0, 0, None, "none")

#: A stream that holds no firm output limit asks for this many tokens more at a time.
_EXTENSION_TOKENS = 1024

#: Streams that somebody may still read.
_open_streams: "weakref.WeakSet[Exchange]" = weakref.WeakSet()


def end_open_streams() -> None:
    """The process ends: what is still held by somebody will not be read any more."""
    for exchange in list(_open_streams):
        exchange.abandoned()
        if exchange.span.is_recording():
            exchange.span.end()


class Exchange:
    """One call of a client library: its attempts, its span, its settlement."""

    def __init__(self, request: Request, dialect: Dialect) -> None:
        self.request = request
        self.dialect = dialect
        self.reader: StreamReader | None = None
        #: The reply's headers have come with a 2xx status.
        self.answered = False
        #: The client's method has returned: from here on a stream belongs to its consumer.
        self.returned = False
        #: The consumer waits inside the stream; a close at this moment is the client's own.
        self.reading = False
        self.hides_usage_chunk = False
        #: Whether somebody can still read the response.
        self.is_readable: Callable[[], bool] = lambda: False
        self._guard: Guard = current()
        self._scope = current_scope()
        self._call_id = f"{random.getrandbits(128):032x}"
        self._attempt = 1
        self._started_ns = time.time_ns()
        self._decision: Decision | None = None
        self._reservation: Reservation | None = None
        self._streamed_bytes = 0
        self._counted_parts = 0
        self._stream_limit_bytes: float = float("inf")
        self._first_chunk_ns: int | None = None
        self._sent = True
        self._once = threading.Lock()
        self._noted = GatedCall(self._started_ns, {request.model})
        note_gated_call(self._noted)
        self._claim_span()

    # --- before it is sent ----------------------------------------------------------------

    def _claim_span(self) -> None:
        providers.ensure()
        span = trace.get_current_span()
        node = _spans.claimable(span)
        self._owns_span = node is None
        if node is None:
            span = _spans.start_span(self.request)
            node = node_of(span)
        if node is not None:
            # It also says that the span is taken, to a call from inside this one.
            node.on_end = self._span_ends
        self.span = span
        self._node: Node | None = node

    def context(self) -> otel_context.Context:
        """The context to send in: our span, if it is ours, and a mark for spans below it."""
        context = gated(otel_context.get_current())
        return trace.set_span_in_context(self.span, context) if self._owns_span else context

    def admit(self) -> None:
        """Ask the guard for this attempt. Raises the refusal if there is no room."""
        decision = safely(lambda: self._guard.admit(self._call()))
        if decision is not None:
            self._decided(decision)

    async def admit_async(self) -> None:
        """`admit` without blocking the event loop."""
        try:
            decision = await self._guard.admit_async(self._call())
        except Exception as error:  # noqa: BLE001 - a failure of ours is not the host's
            refuse_where_limits_hold(error)
        else:
            self._decided(decision)

    def _call(self) -> Call:
        request, scope = self.request, self._scope
        return Call(
            call_id=self._call_id,
            provider=request.provider,
            model=request.model,
            operation=request.operation,
            estimate=self._estimate() if self._guard.needs_tokens() else _NO_ESTIMATE,
            attempt=self._attempt,
            session=scope.session,
            agents=scope.agents,
            user=scope.user,
        )

    def _estimate(self) -> Estimate:
        request = self.request
        return estimate(
            provider=request.provider,
            model=request.model,
            operation=request.operation,
            input_bytes=input_bytes(request.body),
            max_output_tokens=request.max_output_tokens,
            choices=request.choices,
            at=time.time(),
        )

    def _decided(self, decision: Decision) -> None:
        self._decision = decision
        self._reservation = decision.reservation
        if decision.refusal is not None:
            raise decision.refusal.error()
        estimated = decision.call.estimate
        if estimated.method.endswith(UNBOUNDED) and decision.granted().entries:
            # One token is at least one byte: as long as the text is no longer than the tokens
            # that are held, the stream can't have overrun them.
            self._stream_limit_bytes = estimated.output_tokens

    # --- attempts -------------------------------------------------------------------------

    def attempt_failed(self, status: int | None, error: BaseException | None) -> None:
        """The client will try again: settle this attempt and give it a record of its own."""
        if status is not None:
            charge: Charge = charge_of_status(status)
        else:
            charge = "estimate" if error is None else charge_of(error, answered=False)
        failure = f"HTTP {status}" if status is not None else type(error).__qualname__
        try:
            self._settle_attempt(charge, failure, status)
        except Exception:  # noqa: BLE001 - the ledger must be told, whatever went wrong
            self._settle_in_full()
        self._decision = None
        self._attempt += 1
        self._started_ns = time.time_ns()

    def _settle_attempt(self, charge: Charge, failure: str, status: int | None) -> None:
        usage = self._charged_usage(charge, Reply())
        cost = self._settle(charge, usage, None)
        attributes = self._record(Reply(), usage, cost)
        attributes[semconv.ERROR_TYPE] = str(status) if status is not None else failure
        if status is not None:
            attributes[semconv.ERROR_STATUS_CODE] = status
        _spans.attempt_span(
            self.request, self.span, attributes, start_ns=self._started_ns, error=failure
        )

    # --- streams --------------------------------------------------------------------------

    def streams(self) -> None:
        """The answer is a stream: from here on its chunks are read."""
        self.reader = self.dialect.stream_reader()
        _open_streams.add(self)

    def chunk(self, chunk: Any) -> SpanledgerRefusal | None:
        """Take one chunk of the stream; an error if the stream must be cut before it."""
        reader = self.reader
        if reader is None:
            return None
        if self._first_chunk_ns is None:
            self._first_chunk_ns = time.time_ns()
        try:
            return self._read(reader, chunk)
        except Exception:  # noqa: BLE001 - the stream belongs to the host
            _log.exception("a stream could not be read; all that was reserved for it is charged")
            self.reader = None
            return None

    def _read(self, reader: StreamReader, chunk: Any) -> SpanledgerRefusal | None:
        if reader.chunk(chunk):
            self._finish("completed", reader.reply())
        elif self._stream_limit_bytes != float("inf"):
            return self._within_limit(reader)
        return None

    def _within_limit(self, reader: StreamReader) -> SpanledgerRefusal | None:
        fresh = reader.text[self._counted_parts :]
        self._counted_parts += len(fresh)
        self._streamed_bytes += sum(len(p.encode("utf-8", "surrogatepass")) for p in fresh)
        if self._streamed_bytes <= self._stream_limit_bytes or self._reservation is None:
            return None
        refusal = self._extend(self._reservation)
        if refusal is None:
            self._stream_limit_bytes += _EXTENSION_TOKENS
            return None
        error = refusal.error(partial="".join(reader.text))
        self._finish("cut", reader.reply(), refusal=refusal)
        return error

    def _extend(self, reservation: Reservation) -> Refusal | None:
        request = self.request
        cost = pricing.ceiling(
            request.provider, request.model, 0, _EXTENSION_TOKENS, at=reservation.admitted_at
        )
        return self._guard.extend(reservation, tokens=_EXTENSION_TOKENS, cost_nano_usd=cost or 0)

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

    def _leave(self, outcome: str) -> None:
        self._finish(outcome, self.reader.reply() if self.reader is not None else Reply())

    # --- endings --------------------------------------------------------------------------

    def replied(self, reply: Any) -> None:
        """A whole answer came."""
        self._finish("", self.dialect.read_reply(reply))

    def failed(self, error: BaseException) -> None:
        """The attempt, or the stream, ended in an error."""
        if isinstance(error, SpanledgerRefusal):
            self._finish("", Reply(), refusal=error.refusal)
            return
        reply = self.reader.reply() if self.reader is not None else Reply()
        cancelled = isinstance(error, (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt))
        outcome = "" if self.reader is None else ("cancelled" if cancelled else "failed")
        self._finish(outcome, reply, error=error)

    def _span_ends(self, _span: Any) -> None:
        """The instrumentation whose span we use is about to end it, and we are not done yet."""
        if self.returned and (self.reading or not self.is_readable()):
            self._stream_span_ends()
            return
        # It ended its span before the call was over; the call gets a span of its own.
        self.span.set_attribute(semconv.BILLING, "container")
        self.span = _spans.start_span(self.request, trace.set_span_in_context(self.span))
        self._node = node_of(self.span)
        self._owns_span = True

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
        if reply.model:
            self._noted.models.add(reply.model)
        try:
            charge = self._charge(error, refusal, reply)
            usage = self._charged_usage(charge, reply)
            cost = self._settle(charge, usage, reply.model)
        except Exception:  # noqa: BLE001 - the ledger must be told, whatever went wrong
            usage, cost = MISSING, self._settle_in_full()
        try:
            self._finish_span(outcome, reply, usage, cost, error, refusal)
        except Exception:  # noqa: BLE001 - telemetry never breaks the host's call
            _log.exception("the span of a call could not be completed")
            if self._owns_span:
                self.span.end()

    def _charge(self, error: BaseException | None, refusal: Refusal | None, reply: Reply) -> Charge:
        if self._reservation is None:
            return "nothing"
        if refusal is not None or error is None or self.reader is not None:
            return "estimate"
        return charge_of(error, answered=self.answered)

    def _charged_usage(self, charge: Charge, reply: Reply) -> Usage:
        """The usage to charge: what the provider says, else our own count of what went over."""
        if charge in {"nothing", "call"}:
            return Usage()
        if charge == "unknown":
            return MISSING
        if reply.usage.source == "provider":
            return reply.usage
        return self._estimated_usage(reply)

    def _estimated_usage(self, reply: Reply) -> Usage:
        model, load = self.request.model, not _on_event_loop()
        text = reply.text or ("".join(self.reader.text) if self.reader is not None else "")
        output = count_text(text, model, load=load).tokens if text else 0
        if reply.usage.source == "estimated":
            # The provider named the input; only the output was still open.
            return Usage(
                input_tokens=reply.usage.input_tokens,
                output_tokens=max(output, reply.usage.output_tokens),
                cache_read_tokens=reply.usage.cache_read_tokens,
                cache_write_tokens=reply.usage.cache_write_tokens,
                cache_write_1h_tokens=reply.usage.cache_write_1h_tokens,
                source="estimated",
            )
        if self.answered and self.reader is None and not text:
            return MISSING
        sent = count_text(request_text(self.request.body), model, load=load).tokens
        return Usage(input_tokens=sent, output_tokens=output, source="estimated")

    def _settle(self, charge: Charge, usage: Usage, model: str | None) -> pricing.Cost:
        """Tell the ledger. Always happens, also when nothing can be priced."""
        cost = self._price(usage, model)
        reservation, self._reservation = self._reservation, None
        if reservation is None:
            return cost
        if charge == "nothing":
            self._sent = False
            self._guard.settle(reservation, NOTHING_SPENT)
            return cost
        known = usage.source != "missing"
        spending = Spending(usage.total_tokens if known else None, cost.nano_usd)
        self._guard.settle(reservation, spending)
        if self._node is not None:
            tokens = usage.total_tokens if known else 0
            self._node.add(cost_nano_usd=cost.nano_usd, tokens=tokens)
        return cost

    def _settle_in_full(self) -> pricing.Cost:
        """Charge all that is held: something of ours failed on the way to better knowledge."""
        _log.exception("a call could not be priced; all that was reserved for it is charged")
        reservation, self._reservation = self._reservation, None
        if reservation is not None:
            self._guard.settle(reservation, Spending(None, None))
        return pricing.Cost(None, "unpriced", "")

    def _price(self, usage: Usage, model: str | None) -> pricing.Cost:
        request, at = self.request, self._started_ns / 1e9
        if usage == _NO_USAGE:
            return pricing.Cost(0, "computed", "")
        cost = pricing.price(request.provider, model or request.model, usage, at=at)
        if cost.nano_usd is None and model and model != request.model:
            # Providers answer with names that no catalogue knows yet; the name that was asked
            # for is the one they bill.
            cost = pricing.price(request.provider, request.model, usage, at=at)
        return cost

    # --- the span -------------------------------------------------------------------------

    def _billing(self) -> str:
        """How the span counts; see `semconv.BILLING`."""
        decision = self._decision
        if decision is None or decision.refusal is not None:
            # Nothing was sent under this span itself; failed attempts have spans of their own.
            return "refused" if self._attempt == 1 else "container"
        return "call" if self._sent else "unsent"

    def _record(self, reply: Reply, usage: Usage, cost: pricing.Cost) -> dict[str, Any]:
        attributes = _spans.reply_attributes(reply, usage, cost)
        attributes[semconv.CALL_ID] = self._call_id
        if self._attempt > 1:
            attributes[semconv.CALL_ATTEMPT] = self._attempt
        return attributes

    def _finish_span(
        self,
        outcome: str,
        reply: Reply,
        usage: Usage,
        cost: pricing.Cost,
        error: BaseException | None,
        refusal: Refusal | None,
    ) -> None:
        if self._node is not None:
            self._node.on_end = None
        if not self.span.is_recording():
            return
        attributes = self._billed_attributes(outcome, reply, usage, cost)
        if refusal is not None:
            attributes |= _spans.refusal_attributes(refusal)
        elif error is not None:
            attributes |= _spans.error_attributes(error, status_of(error))
        self.span.set_attributes(attributes)
        if self._owns_span:
            self._measure(usage, attributes)
            self._end_own_span(error, refusal)
        elif self._node is not None:
            # The instrumentation whose span this is may still write its own reading of the
            # reply; what is billed has the last word.
            self._node.on_end = lambda span: span.set_attributes(attributes)

    def _billed_attributes(
        self, outcome: str, reply: Reply, usage: Usage, cost: pricing.Cost
    ) -> dict[str, Any]:
        billing, decision = self._billing(), self._decision
        if decision is None or billing in {"refused", "container"}:
            return {semconv.BILLING: billing, semconv.CALL_ID: self._call_id}
        attributes = self._record(reply, usage, cost)
        attributes[semconv.BILLING] = billing
        attributes |= _spans.decision_attributes(decision)
        if not self._owns_span:
            attributes |= _spans.foreign_request_attributes(self.request)
        if outcome:
            attributes[semconv.STREAM_OUTCOME] = outcome
        if self._first_chunk_ns is not None:
            attributes[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = (
                self._first_chunk_ns - self._started_ns
            ) / 1e9
        return attributes

    def _measure(self, usage: Usage, attributes: dict[str, Any]) -> None:
        if attributes[semconv.BILLING] in {"call", "unsent"}:
            duration_s = (time.time_ns() - self._started_ns) / 1e9
            record_call(self.request, usage, duration_s, attributes.get(semconv.ERROR_TYPE))

    def _end_own_span(self, error: BaseException | None, refusal: Refusal | None) -> None:
        if refusal is not None:
            self.span.set_status(Status(StatusCode.ERROR, refusal.sentence()))
        elif error is not None:
            self.span.set_status(Status(StatusCode.ERROR, str(error)[:500]))
        self.span.end()


_NO_USAGE = Usage()


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
