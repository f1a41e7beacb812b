"""The ledger's side of a call: each attempt is asked for, and settled exactly once."""

import logging
import random
import time
from functools import partial
from typing import Any

from opentelemetry.context import Context

from spanledger import semconv
from spanledger.guard import (
    NOTHING_SPENT,
    Call,
    Decision,
    Estimate,
    Guard,
    Reservation,
    Spending,
    ready,
    ready_async,
    ready_now,
)
from spanledger.guard.breaker import Outcome
from spanledger.guard.estimates import UNBOUNDED, estimate
from spanledger.guard.rules import TRACE_ID
from spanledger.instrumentation import _reckoning, _spans
from spanledger.instrumentation._call_span import CallSpan
from spanledger.instrumentation._content import Content, measure, recount
from spanledger.instrumentation._facts import Reply, Request, StreamReader
from spanledger.instrumentation._failures import Charge
from spanledger.instrumentation._safely import refuse_where_limits_hold
from spanledger.instrumentation._stream_limit import StreamLimit
from spanledger.lean import make
from spanledger.pricing import Cost
from spanledger.track import Scope, Try, current_try, tokens
from spanledger.usage import Usage
from spanledger.usage.tokens import count_text, encoding_name, load

_log = logging.getLogger("spanledger.gate")

_NO_ESTIMATE = Estimate(0, 0, None, "none")
#: How an estimate was made goes without saying if it was made like this.
_PLAIN = {"none", "input:bytes output:request"}


class Admission:
    """What a call asks of the guard and tells it.

    A base of `Exchange`, not a part of it: every call would pay for another object.
    """

    request: Request
    #: The reply's headers have come with a 2xx status.
    answered = False
    _guard: Guard
    _scope: Scope
    _call_id: str
    _started_ns: int
    _attempt = _first_attempt = 1
    #: The try of a piece of work (`spanledger.recovery`) that this call is a part of.
    of_try: Try | None = None
    _decision: Decision | None = None
    _reservation: Reservation | None = None
    _limit: StreamLimit | None = None
    _sent = True
    _span: CallSpan

    def _begin(self, request: Request, scope: Scope, context: Context, now_ns: int) -> None:
        self.request = request
        self._scope = scope
        self._call_id = f"{random.getrandbits(128):032x}"
        self._started_ns = now_ns
        self._tally = tokens.current_tally(context)
        if (this := current_try()) is not None:
            self.of_try, self._attempt, self._first_attempt = this, this.number, this.number

    def _next_attempt(self, now_ns: int) -> None:
        self._decision = self._limit = None
        self._attempt += 1
        self._started_ns = now_ns

    def admit(self) -> None:
        """Ask the guard for this attempt. Raises the refusal if there is no room."""
        try:
            # The limits of now, also for a further attempt of a call that began under others.
            self._guard = ready()
            decision = self._guard.admit(self._call())
        except Exception as error:  # noqa: BLE001 - a failure of ours is not the host's
            refuse_where_limits_hold(error)
        else:
            self._decided(decision)

    async def admit_async(self) -> None:
        """`admit` without blocking the event loop."""
        try:
            self._guard = ready_now() or await ready_async()
            decision = await self._guard.admit_async(self._call())
        except Exception as error:  # noqa: BLE001 - a failure of ours is not the host's
            refuse_where_limits_hold(error)
        else:
            self._decided(decision)

    def _call(self) -> Call:
        request, scope = self.request, self._scope
        attributes = scope.attributes
        if scope.session is None:
            # Rules for each session count a run without one by its trace.
            trace_id = self._span.span.get_span_context().trace_id
            attributes = {**attributes, TRACE_ID: f"{trace_id:032x}"} if trace_id else attributes
        first, refine = _NO_ESTIMATE, None
        if self._guard.needs_tokens():
            content = measure(request.body)
            first = _estimate(request, content)
            if encoding_name(request.model) is not None:
                refine = partial(_closer, request, content)
        asked = (
            self._call_id,
            request.provider,
            request.model,
            request.operation,
            first,
            self._attempt,
            scope.session,
            scope.agents,
            scope.user,
            scope.tool,
            attributes,
            None,
            refine,
            (),
        )
        return make(Call, asked)

    def _decided(self, decision: Decision) -> None:
        self._decision = decision
        self._reservation = reservation = decision.reservation
        if reservation is None:
            decision.granted()  # raises the refusal
        elif reservation.entries and decision.call.estimate.method.endswith(UNBOUNDED):
            self._limit = StreamLimit(self._guard, reservation)

    def _settle(
        self,
        charge: Charge,
        reply: Reply,
        reader: StreamReader | None,
        outcome: Outcome,
        now_ns: int,
        first_token_s: float | None = None,
    ) -> tuple[Usage, Cost]:
        """Tell the ledger what was used. Nothing is left to settle afterwards."""
        streamed = None if reader is None else reader.text
        usage = _reckoning.charged_usage(
            charge, self.request, reply, streamed=streamed, answered=self.answered
        )
        cost = _reckoning.price(self.request, reply.model, usage, self._started_ns / 1e9)
        reservation, self._reservation = self._reservation, None
        if reservation is not None:
            if charge == "nothing":
                self._sent = False
                self._guard.settle(reservation, NOTHING_SPENT, outcome=outcome)
            else:
                spent = _reckoning.spending(usage, cost)
                self._guard.settle(reservation, spent, outcome=outcome, first_token_s=first_token_s)
                self._span.count(cost_nano_usd=spent.cost_nano_usd, tokens=spent.tokens or 0)
                # What the agent itself is told of its tokens.
                tokens.saw_call(
                    self._scope.session,
                    self._scope.tool,
                    self.request.operation,
                    usage.input_tokens,
                    usage.output_tokens,
                    duration_s=(now_ns - self._started_ns) / 1e9,
                    tally=self._tally,
                )
        return usage, cost

    def _settle_in_full(self) -> Cost:
        """Charge all that is held: something of ours failed on the way to better knowledge."""
        _log.exception("a call could not be priced; all that was reserved for it is charged")
        reservation, self._reservation = self._reservation, None
        if reservation is not None:
            self._guard.settle(reservation, Spending(None, None), outcome="cancelled")
        return Cost(None, "unpriced", "")

    def _record(self, reply: Reply, usage: Usage, cost: Cost) -> dict[str, Any]:
        """The record of the present attempt, as attributes of its span."""
        attributes = _spans.reply_attributes(reply, usage, cost)
        attributes[semconv.CALL_ID] = self._call_id
        attributes[semconv.BILLING] = "call" if self._sent else "unsent"
        if self._attempt > 1:
            attributes[semconv.CALL_ATTEMPT] = self._attempt
        decision = self._decision
        if decision is not None and decision.call.estimate.method not in _PLAIN:
            attributes[semconv.GUARD_ESTIMATE] = decision.call.estimate.method
        return attributes

    def _refused_record(self) -> dict[str, Any]:
        """The record of a call of which nothing was sent under its own span.

        Failed attempts before the refusal have spans of their own.
        """
        billing = "refused" if self._attempt == self._first_attempt else "container"
        return {semconv.BILLING: billing, semconv.CALL_ID: self._call_id}


def _estimate(request: Request, content: Content, counted: str = "bytes") -> Estimate:
    tier = request.body.get("service_tier")
    return estimate(
        provider=request.provider,
        model=request.model,
        operation=request.operation,
        input_bytes=content.text_bytes,
        max_output_tokens=request.max_output_tokens,
        choices=request.choices,
        at=time.time(),
        media=content.media,
        service_tier=tier if isinstance(tier, str) else None,
        counted=counted,
        output=request.output,
    )


def _closer(request: Request, content: Content) -> Estimate:
    """The estimate with texts counted in the model's own encoding, if that is at hand."""
    model = request.model
    if not load(model):
        return _estimate(request, content)
    tokens = recount(request.body, content, lambda text: count_text(text, model).tokens)
    return _estimate(request, content._replace(text_bytes=tokens), "tiktoken")
