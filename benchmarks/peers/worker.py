"""One candidate's process: measures when it is told to, and shows the spans it makes.

python -m benchmarks.peers.worker NAME rounds [BASE_URL]   serves `scenario calls` lines
python -m benchmarks.peers.worker NAME carries             prints what its spans carry
python -m benchmarks.peers.worker NAME startup             prints CPU ms and RSS MiB
python -m benchmarks.peers.worker NAME parts               prints the steps of one of our calls
"""

import asyncio
import json
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

from benchmarks.peers import work
from benchmarks.peers.prepare import PREPARE

MODEL = "gpt-4o-mini"


def collecting(seen: list[Any] | None) -> Any:
    """An exporter that keeps what it gets in `seen`, or throws it away."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Exporter(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            if seen is not None:
                seen.extend(spans)
            return SpanExportResult.SUCCESS

    return Exporter()


def span_by_hand() -> AbstractContextManager[Any]:
    """A span with fifteen attributes: the floor of any instrumentation."""
    from opentelemetry import trace

    attributes = {f"gen_ai.attribute.{i}": i for i in range(15)}
    return trace.get_tracer("by hand").start_as_current_span("chat", attributes=attributes)


def by_hand(call: Callable[..., Any]) -> Callable[..., Any]:
    """`call` within such a span."""

    def wrapped(**kwargs: Any) -> Any:
        with span_by_hand():
            return call(**kwargs)

    return wrapped


def by_hand_async(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The same of an asynchronous call."""

    async def wrapped(**kwargs: Any) -> Any:
        with span_by_hand():
            return await call(**kwargs)

    return wrapped


# --- rounds ---------------------------------------------------------------------------------


def timed(call: Callable[[], None], calls: int) -> float:
    """Median CPU microseconds of the calling thread for each call."""
    times = []
    for _ in range(calls):
        began = time.thread_time_ns()
        call()
        times.append(time.thread_time_ns() - began)
    return statistics.median(times) / 1000


async def timed_async(call: Callable[[], Awaitable[Any]], calls: int) -> float:
    """The same, of awaited calls."""
    times = []
    for _ in range(calls):
        began = time.thread_time_ns()
        await call()
        times.append(time.thread_time_ns() - began)
    return statistics.median(times) / 1000


class Scenarios:
    """What is measured, by name."""

    def __init__(self, name: str, base_url: str | None) -> None:
        sync_client, async_client = work.clients(work.Provider(), base_url)
        self._create = sync_client.chat.completions.create
        self._acreate = async_client.chat.completions.create
        if name == "span":
            self._create, self._acreate = by_hand(self._create), by_hand_async(self._acreate)
        self._loop = asyncio.new_event_loop()

    def run(self, scenario: str, calls: int) -> float:
        if scenario == "async":
            call = self._asynchronous
            return self._loop.run_until_complete(timed_async(call, calls))
        if scenario == "sync":
            return timed(lambda: self._plain(work.MESSAGES), calls)
        if scenario == "large":
            return timed(lambda: self._plain(work.LARGE), max(1, calls // 2))
        chunks = int(scenario.removeprefix("stream"))
        return timed(lambda: self._stream(chunks), max(1, calls * 12 // chunks))

    def _plain(self, messages: Any) -> None:
        self._create(model=MODEL, messages=messages, max_tokens=256)

    def _asynchronous(self) -> Awaitable[Any]:
        made: Awaitable[Any] = self._acreate(model=MODEL, messages=work.MESSAGES, max_tokens=256)
        return made

    def _stream(self, chunks: int) -> None:
        options = {"include_usage": True}
        for _ in self._create(
            model=MODEL,
            messages=work.MESSAGES,
            max_tokens=256,
            stream=True,
            stream_options=options,
            seed=chunks,
        ):
            pass


def serve(name: str, base_url: str | None) -> None:
    """Measure for as long as there are lines."""
    PREPARE[name](collecting(None))
    scenarios = Scenarios(name, base_url)
    print("ready", flush=True)
    for line in sys.stdin:
        scenario, calls = line.split()
        print(scenarios.run(scenario, int(calls)), flush=True)


# --- what the spans carry -------------------------------------------------------------------


def _left(stream: Any) -> None:
    """A consumer that leaves after ten chunks and drops the stream."""
    for number, _ in enumerate(stream):
        if number == 10:
            break


def cases(client: Any) -> dict[str, Callable[[], Any]]:
    """Calls whose spans are looked at."""
    chat, asked = client.chat.completions.create, {"messages": work.MESSAGES, "max_tokens": 256}
    usage = {"stream_options": {"include_usage": True}}

    def stream(model: str, **more: Any) -> list[Any]:
        return list(chat(model=model, stream=True, **asked, **more))

    return {
        "plain": lambda: chat(model="gpt-4o-mini", **asked),
        "cached": lambda: chat(model="gpt-4o", **asked),
        "reasoning": lambda: chat(model="o4-mini", **asked),
        "cached and reasoning": lambda: chat(model="gpt-5-mini", **asked),
        "stream": lambda: stream("gpt-4o", **usage),
        "stream, usage not asked for": lambda: stream("gpt-4o-mini"),
        "stream left": lambda: _left(chat(model="gpt-4o-mini", stream=True, **asked, **usage)),
        "responses": lambda: client.responses.create(model="gpt-5-mini", input="Hello"),
        "unknown model": lambda: chat(model="no-such-model", **asked),
        "error": lambda: chat(model=work.NO_QUOTA, **asked),
    }


def _shown(span: Any) -> dict[str, Any]:
    events = [dict(event.attributes or {}) for event in span.events]
    status = f"{span.status.status_code.name} {span.status.description or ''}".strip()
    values = dict(span.attributes or {})
    return {"attributes": values, "events": events, "status": status}


def carries(name: str) -> None:
    """Print the spans of every case as JSON."""
    import gc

    from opentelemetry import trace

    seen: list[Any] = []
    PREPARE[name](collecting(seen))
    client, _ = work.clients(work.Provider())
    found: dict[str, Any] = {}
    for case, run in cases(client).items():
        seen.clear()
        with suppress(Exception):
            run()
        gc.collect()
        getattr(trace.get_tracer_provider(), "force_flush", bool)()
        found[case] = [_shown(span) for span in seen]
    print(json.dumps(found, default=str))


def startup(name: str) -> None:
    """CPU milliseconds and resident MiB of the whole process, up to the end of its first call."""
    PREPARE[name](collecting(None))
    Scenarios(name, None).run("sync", 1)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print((used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss / 1024, flush=True)


def parts(name: str, calls: int = 2000) -> None:
    """Print the median microseconds of each step of a call as JSON."""
    from benchmarks.peers import parts
    from opentelemetry import trace

    seen: list[Any] = []
    PREPARE[name](collecting(seen))
    scenarios = Scenarios(name, None)
    scenarios.run("sync", 200)
    getattr(trace.get_tracer_provider(), "force_flush", bool)()
    attributes = dict(seen[-1].attributes)
    print(json.dumps(parts.measure(lambda: scenarios.run("sync", 1), attributes, calls)))


def main() -> None:
    name, mode, *rest = sys.argv[1:]
    if mode == "rounds":
        serve(name, rest[0] if rest else None)
    else:
        {"carries": carries, "startup": startup, "parts": parts}[mode](name)


if __name__ == "__main__":
    main()
