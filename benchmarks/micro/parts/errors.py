"""Collecting the context of an error, in the program that fails."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from benchmarks.micro.case import Case, mean_cpu_s
from opentelemetry import trace
from opentelemetry.sdk.trace import Span, TracerProvider

from spanledger import semconv, track
from spanledger.processors import AttributionProcessor, errors, span_end
from spanledger.processors.redact.engine import Engine

TARGET_MS = 5
MOST_KB = 32


def cases(_stack: ExitStack) -> list[Case]:
    recorder = _recording()
    # The first error of a process loads code and reads sources.
    first_ms, _ = collect(recorder, fails_plainly)
    largest_kb = 0.0

    def taken(function: Callable[[], None]) -> float:
        nonlocal largest_kb
        took_ms, size = collect(recorder, function)
        largest_kb = max(largest_kb, size / 1024)
        return took_ms

    def of(name: str, function: Callable[[], None], most_rounds: int = 1000) -> Case:
        return _ms(name, lambda: taken(function), most_rounds)

    return [
        _ms("the first of a process", lambda: first_ms, 1),
        of("a handful of frames", fails_plainly),
        of("variables of many megabytes", fails_largely, 4),
        of("a recursion of 900 frames", fails_deeply),
        of("ten errors, each the cause of the next", fails_in_a_chain),
        Case("the largest of these", lambda: largest_kb, MOST_KB, "KB", True, "size", 1),
        Case("a span that does not fail", span_cost_us, 5),
    ]


def _ms(name: str, figure: Callable[[], float], most_rounds: int) -> Case:
    return Case(name, figure, TARGET_MS, "ms", required=True, most_rounds=most_rounds)


def _recording() -> errors.ErrorRecorder:
    """A process that collects errors."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(AttributionProcessor())
    trace.set_tracer_provider(provider)
    recorder = errors.ErrorRecorder(Engine(), pace=errors.Pace(burst=1e9))
    span_end.install()
    errors.use(recorder)
    track.use_reporter(recorder)
    return recorder


def fails_plainly(depth: int = 4) -> None:
    """A handful of frames with a handful of small variables each."""
    query, limit, ratio = "papers about context", depth, 0.5
    rows = [{"id": i, "title": f"title {i}", "score": i * ratio} for i in range(20)]
    if depth:
        fails_plainly(depth - 1)
    raise LookupError(f"{query} {limit} {len(rows)}")


def fails_largely() -> None:
    """Variables of many megabytes, and many of them."""
    text = "lorem ipsum dolor " * 1_000_000
    table = {f"column {i}": [{"cell": j, "text": text} for j in range(50)] for i in range(200)}
    many = {f"name_{i}": text for i in range(200)}
    words = text.split(" ")
    raise LookupError(f"{len(table)} {len(many)} {len(words)}")


def fails_deeply(depth: int = 900) -> None:
    """A recursion that goes too deep."""
    if depth:
        fails_deeply(depth - 1)
    raise RecursionError("too deep")


def fails_in_a_chain() -> None:
    """Ten errors, each the cause of the next."""
    error: Exception | None = None
    for i in range(10):
        try:
            try:
                fails_plainly(1)
            except LookupError as inner:
                raise RuntimeError(f"layer {i}") from (error or inner)
        except RuntimeError as layer:
            error = layer
    assert error is not None
    raise error


def caught(function: Callable[[], None]) -> Exception:
    try:
        function()
    except Exception as error:  # noqa: BLE001 - it is what is measured
        return error
    raise AssertionError("nothing failed")


def collect(recorder: errors.ErrorRecorder, function: Callable[[], None]) -> tuple[float, int]:
    """Milliseconds of CPU to collect one failure below a session, and its bytes."""
    with track.session("benchmark"):
        for i in range(20):
            with track.operation(f"step {i}"):
                pass
        with track.operation("work") as tracked:
            error = caught(function)
            began = time.thread_time()
            recorder.exception(tracked.span, error)
            took_ms = (time.thread_time() - began) * 1e3
            return took_ms, _bytes(tracked.span)


def _bytes(span: Any) -> int:
    assert isinstance(span, Span)
    [event] = [event for event in span.events if event.name == semconv.ERROR_EVENT_NAME]
    return sum(len(k.encode()) + len(str(v).encode()) for k, v in (event.attributes or {}).items())


def span_cost_us() -> float:
    """What a span that does not fail pays for the wrapper of `Span.end` and its node."""
    bare = TracerProvider(shutdown_on_exit=False).get_tracer("bare")
    tracer = trace.get_tracer("benchmark")
    with track.session("benchmark"):
        ours_s = mean_cpu_s(lambda: tracer.start_span("x").end(), 300)
    return (ours_s - mean_cpu_s(lambda: bare.start_span("x").end(), 300)) * 1e6
