"""Catching finished spans in memory, with deterministic ids."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import Tracer

from spanledger.testing.spans._plain import EventDict, SpanDict, plain_attributes, tree


class SequentialIdGenerator(IdGenerator):
    """Trace and span ids that count up from 1, each on its own. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trace_ids = itertools.count(1)
        self._span_ids = itertools.count(1)

    def generate_trace_id(self) -> int:
        with self._lock:
            return next(self._trace_ids)

    def generate_span_id(self) -> int:
        with self._lock:
            return next(self._span_ids)


class SpanCapture(SpanProcessor):
    """A span processor that keeps what ends; `capture_spans` makes one.

    ``provider`` is what the captured tracers come from. Thread-safe.
    """

    def __init__(self, provider: TracerProvider, *, include_unsampled: bool = False) -> None:
        self.provider = provider
        self._include_unsampled = include_unsampled
        self._lock = threading.Lock()
        self._starts = itertools.count()
        self._order: dict[int, int] = {}
        self._names: dict[int, str] = {}
        self._open: dict[int, str] = {}
        self._finished: list[ReadableSpan] = []
        self._active = True

    def tracer(self, name: str = "test") -> Tracer:
        return self.provider.get_tracer(name)

    @property
    def spans(self) -> list[SpanDict]:
        """The finished spans, in the order in which they were started."""
        with self._lock:
            finished = sorted(self._finished, key=self._started_at)
            return [self._plain(span) for span in finished]

    @property
    def open_spans(self) -> list[str]:
        """Names of spans that were started and have not ended."""
        with self._lock:
            return list(self._open.values())

    def named(self, name: str) -> list[SpanDict]:
        return [span for span in self.spans if span["name"] == name]

    def tree(self, *, attributes: Sequence[str] = ()) -> str:
        """The finished spans as text, see `spanledger.testing.spans.tree`."""
        return tree(self.spans, attributes=attributes)

    def clear(self) -> None:
        """Forget the finished spans."""
        with self._lock:
            self._finished.clear()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        span_id = _id(span)
        with self._lock:
            if self._active:
                self._order[span_id] = next(self._starts)
                self._open[span_id] = span.name

    def on_end(self, span: ReadableSpan) -> None:
        span_id = _id(span)
        with self._lock:
            self._open.pop(span_id, None)
            # A span can be renamed until it ends, so its name is only known now.
            self._names[span_id] = span.name
            if self._active and (self._include_unsampled or _sampled(span)):
                self._finished.append(span)

    def shutdown(self) -> None:
        with self._lock:
            self._active = False

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True

    def _started_at(self, span: ReadableSpan) -> int:
        return self._order.get(_id(span), -1)

    def _plain(self, span: ReadableSpan) -> SpanDict:
        context = span.get_span_context()
        parent_id = span.parent.span_id if span.parent else None
        scope = span.instrumentation_scope
        return SpanDict(
            name=span.name,
            kind=span.kind.name.lower(),
            parent=None if parent_id is None else self._name_of(parent_id),
            attributes=plain_attributes(span.attributes),
            status=span.status.status_code.name.lower(),
            status_description=span.status.description,
            events=[
                EventDict(name=e.name, attributes=plain_attributes(e.attributes))
                for e in span.events
            ],
            trace_id=f"{context.trace_id if context else 0:032x}",
            span_id=f"{_id(span):016x}",
            parent_id=None if parent_id is None else f"{parent_id:016x}",
            start_ns=span.start_time or 0,
            end_ns=span.end_time or 0,
            scope=scope.name if scope else "",
            sampled=_sampled(span),
            resource=plain_attributes(span.resource.attributes),
        )

    def _name_of(self, span_id: int) -> str | None:
        return self._names.get(span_id) or self._open.get(span_id)


@contextmanager
def capture_spans(
    *processors: SpanProcessor,
    provider: TracerProvider | None = None,
    sampler: Sampler | None = None,
    include_unsampled: bool = False,
    as_global: bool = False,
) -> Iterator[SpanCapture]:
    """Collect the spans that end in the block.

    Without ``provider`` a new one is made, with sequential ids and ``sampler``; ``processors``
    are put before the capture, so that what they set is seen. ``include_unsampled`` keeps
    record-only spans too. ``as_global`` makes it the process's provider within the block.
    """
    own = provider or TracerProvider(
        sampler=sampler, id_generator=SequentialIdGenerator(), shutdown_on_exit=False
    )
    for processor in processors:
        own.add_span_processor(processor)
    capture = SpanCapture(own, include_unsampled=include_unsampled)
    own.add_span_processor(capture)
    previous = _swap_global(own) if as_global else None
    try:
        yield capture
    finally:
        if as_global:
            _swap_global(previous)
        _end(own, capture, made_here=provider is None)


def _end(provider: TracerProvider, capture: SpanCapture, *, made_here: bool) -> None:
    # The SDK cannot take a processor off a provider that somebody else goes on using.
    if made_here:
        provider.shutdown()
    else:
        capture.shutdown()


def _swap_global(provider: trace.TracerProvider | None) -> trace.TracerProvider | None:
    # The public setter works once a process; a test needs its own provider each time.
    previous = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    return previous


def _id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    return context.span_id if context else 0


def _sampled(span: ReadableSpan) -> bool:
    context = span.get_span_context()
    return bool(context and context.trace_flags.sampled)
