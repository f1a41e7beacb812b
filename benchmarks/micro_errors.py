"""What collecting the context of an error costs the program that fails.

    python benchmarks/micro_errors.py

Prints milliseconds for each (median CPU time; `first` is the very first error of a process, which
loads code and reads sources) beside its target, and the bytes of the largest. Exits with 1 if a
target is missed.
"""

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.trace import Span, TracerProvider

from spanledger import semconv, track
from spanledger.processors import AttributionProcessor, errors, span_end
from spanledger.processors.redact.engine import Engine

ROUNDS = 60
TARGET_MS = 5.0
TARGET_SPAN_US = 5.0
MOST_BYTES = 32 * 1024


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
            start = time.thread_time()
            recorder.exception(tracked.span, error)
            took_ms = (time.thread_time() - start) * 1e3
            return took_ms, _bytes(tracked.span)


def _bytes(span: Any) -> int:
    assert isinstance(span, Span)
    [event] = [event for event in span.events if event.name == semconv.ERROR_EVENT_NAME]
    return sum(len(k.encode()) + len(str(v).encode()) for k, v in (event.attributes or {}).items())


def span_cost_us() -> float:
    """What a span that does not fail pays for the wrapper of `Span.end` and its node."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("bare")
    with track.session("benchmark"):
        ours = _span_us(lambda: track_tracer().start_span("x").end())
    return ours - _span_us(lambda: tracer.start_span("x").end())


def track_tracer() -> Any:
    from opentelemetry import trace

    return trace.get_tracer("benchmark")


def _span_us(run: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(20):
        start = time.thread_time()
        for _ in range(500):
            run()
        best = min(best, (time.thread_time() - start) / 500 * 1e6)
    return best


def main() -> int:
    from opentelemetry import trace

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(AttributionProcessor())
    trace.set_tracer_provider(provider)
    recorder = errors.ErrorRecorder(Engine(), pace=errors.Pace(burst=1e9))
    span_end.install()
    errors.use(recorder)
    track.use_reporter(recorder)
    # A collection would look through the program's own megabytes, whoever allocates when.
    gc.disable()
    missed = _told("first", [collect(recorder, fails_plainly)])
    for function in (fails_plainly, fails_largely, fails_deeply, fails_in_a_chain):
        rounds = 8 if function is fails_largely else ROUNDS
        missed = (
            _told(function.__name__, [collect(recorder, function) for _ in range(rounds)]) or missed
        )
    print(f"{'a span that does not fail':28} {span_cost_us():8.2f} us")
    return int(missed)


def _told(name: str, found: list[tuple[float, int]]) -> bool:
    took_ms = statistics.median(ms for ms, _ in found)
    largest = max(size for _, size in found)
    missed = took_ms > TARGET_MS or largest > MOST_BYTES
    verdict = "MISSED" if missed else "ok"
    print(f"{name:28} {took_ms:8.2f} ms   target {TARGET_MS:.1f} ms   {largest:6} B   {verdict}")
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
