"""What instrumentation adds to one call of the openai client, side by side in one run.

Method: one persistent worker process for each candidate, driven in turn inside every round
(A B C … A B C …), so that a machine whose speed drifts slows all alike. A call goes through
the real client with a mock transport; its cost is the CPU time of the calling thread. What a
candidate adds is its median minus the bare client's median of the same round. Figures are
medians over rounds; trust the ratios, not the microseconds.

    python benchmarks/overhead.py [--rounds 9] [--calls 300] [--json]

Needs `openai` and `opentelemetry-instrumentation-genai-openai` beside Spanledger.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

CANDIDATES = ("bare", "span", "official", "spanledger")
SCENARIOS = ("sync", "async", "stream50")

TARGET_RATIO = 1.0

MESSAGES: list[dict[str, str]] = [
    {"role": "system", "content": "You are a careful assistant. " * 10},
    {"role": "user", "content": "Summarise the state of the project in three sentences. " * 8},
]
USAGE = {
    "prompt_tokens": 142,
    "completion_tokens": 78,
    "total_tokens": 220,
    "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 16, "audio_tokens": 0},
}
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "All is well. " * 25},
        }
    ],
    "usage": USAGE,
}


def stream_body(chunks: int) -> bytes:
    """A chat stream of so many content chunks, with its usage at the end."""
    base = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
    deltas = [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}] * chunks
    events = [{**base, "choices": [delta]} for delta in deltas]
    events.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events.append({**base, "choices": [], "usage": USAGE})
    return b"".join(b"data: %s\n\n" % json.dumps(e).encode() for e in events) + b"data: [DONE]\n\n"


# --- the workers ----------------------------------------------------------------------------


def clients() -> tuple[Any, Any]:
    """A sync and an async client on mock transports."""
    import httpx2
    import openai

    stream = stream_body(50)

    def handle(request: Any) -> Any:
        if b'"stream":true' in request.content.replace(b" ", b""):
            return httpx2.Response(
                200, content=stream, headers={"content-type": "text/event-stream"}
            )
        return httpx2.Response(200, json=COMPLETION)

    async def handle_async(request: Any) -> Any:
        return handle(request)

    common: dict[str, Any] = {"api_key": "benchmark", "base_url": "http://mock/v1"}
    sync_http = httpx2.Client(transport=httpx2.MockTransport(handle))
    async_http = httpx2.AsyncClient(transport=httpx2.MockTransport(handle_async))
    return (
        openai.OpenAI(http_client=sync_http, **common),
        openai.AsyncOpenAI(http_client=async_http, **common),
    )


def provider() -> Any:
    """The same for every candidate: batch processor, exporter that throws away."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Discard(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    made = TracerProvider()
    made.add_span_processor(BatchSpanProcessor(Discard()))
    trace.set_tracer_provider(made)
    return made


def prepare(candidate: str) -> None:
    """Instrument this process as the candidate does."""
    if candidate == "bare":
        return
    if candidate == "spanledger":
        from spanledger.guard import Budget, Policy
        from spanledger.instrumentation import install

        rules = (
            Budget("cost-day", "cost", 10**15, "day"),
            Budget("cost-session", "cost", 10**15, "total", "session"),
            Budget("tokens-hour", "tokens", 10**12, "hour"),
            Budget("calls-agent", "calls", 10**9, "total", "agent"),
        )
        provider()
        memory = {"export.mode": "off", "guard.store": "memory"}
        install(overrides=memory, policy=Policy(rules))
        return
    provider()
    if candidate == "official":
        import importlib

        # By name: the package is installed for this comparison only.
        official = importlib.import_module("opentelemetry.instrumentation.genai.openai")
        official.OpenAIInstrumentor().instrument()


def manual_span(call: Any) -> Any:
    """A hand-written span with fifteen attributes around a call: the floor of any span."""
    from opentelemetry import trace

    tracer = trace.get_tracer("manual")
    attributes = {f"gen_ai.attribute.{i}": i for i in range(15)}

    def wrapped(**kwargs: Any) -> Any:
        with tracer.start_as_current_span("chat", attributes=attributes):
            return call(**kwargs)

    return wrapped


def measure_sync(call: Any, calls: int) -> float:
    times = []
    for _ in range(calls):
        began = time.thread_time_ns()
        call()
        times.append(time.thread_time_ns() - began)
    return statistics.median(times) / 1000


async def measure_async(call: Any, calls: int) -> float:
    times = []
    for _ in range(calls):
        began = time.thread_time_ns()
        await call()
        times.append(time.thread_time_ns() - began)
    return statistics.median(times) / 1000


def worker(candidate: str) -> None:
    """Serve measurements over stdin and stdout until told to stop."""
    prepare(candidate)
    sync_client, async_client = clients()
    kwargs = {"model": "gpt-4o-mini", "messages": MESSAGES, "max_tokens": 256}
    create = sync_client.chat.completions.create
    if candidate == "span":
        create = manual_span(create)

    def plain() -> None:
        create(**kwargs)

    def stream() -> None:
        for _ in create(stream=True, stream_options={"include_usage": True}, **kwargs):
            pass

    async def asynchronous() -> None:
        await async_client.chat.completions.create(**kwargs)

    loop = asyncio.new_event_loop()
    print("ready", flush=True)
    for line in sys.stdin:
        scenario, calls = line.split()
        if scenario == "sync":
            value = measure_sync(plain, int(calls))
        elif scenario == "stream50":
            value = measure_sync(stream, max(1, int(calls) // 4))
        else:
            value = loop.run_until_complete(measure_async(asynchronous, int(calls)))
        print(value, flush=True)


# --- the driver -----------------------------------------------------------------------------


class Worker:
    """One candidate's process."""

    def __init__(self, candidate: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", candidate],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OTEL_SDK_DISABLED": "", "SPANLEDGER_POLICY": ""},
        )
        if self._line() != "ready":
            raise SystemExit(f"the worker of {candidate!r} did not start")

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def run(self, scenario: str, calls: int) -> float:
        assert self.process.stdin is not None
        print(scenario, calls, file=self.process.stdin, flush=True)
        return float(self._line())

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)


def rounds(count: int, calls: int) -> dict[str, dict[str, list[float]]]:
    """Added microseconds by scenario and candidate, one value a round."""
    workers = {candidate: Worker(candidate) for candidate in CANDIDATES}
    added: dict[str, dict[str, list[float]]] = {s: {c: [] for c in CANDIDATES} for s in SCENARIOS}
    try:
        for number in range(count + 1):
            for scenario in SCENARIOS:
                figures = {c: w.run(scenario, calls) for c, w in workers.items()}
                if number:  # the first round warms up
                    for candidate, value in figures.items():
                        added[scenario][candidate].append(value - figures["bare"])
                        if candidate == "bare":
                            added[scenario][candidate][-1] = value
    finally:
        for each in workers.values():
            each.stop()
    return added


def summary(added: dict[str, dict[str, list[float]]]) -> list[dict[str, Any]]:
    rows = []
    for scenario, by_candidate in added.items():
        official = by_candidate["official"]
        for candidate, values in by_candidate.items():
            if candidate == "span" and scenario != "sync":
                continue  # the hand-written span is around sync calls only
            ratios = [v / o for v, o in zip(values, official, strict=True) if o > 0]
            rows.append(
                {
                    "scenario": scenario,
                    "candidate": candidate,
                    "median_us": round(statistics.median(values), 1),
                    "low_us": round(min(values), 1),
                    "high_us": round(max(values), 1),
                    "ratio_to_official": round(statistics.median(ratios), 2)
                    if candidate != "bare"
                    else None,
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker)
        return
    rows = summary(rounds(arguments.rounds, arguments.calls))
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'scenario':10} {'candidate':11} {'us':>9} {'spread':>17} {'÷ official':>11}")
    for row in rows:
        label = "bare call" if row["candidate"] == "bare" else row["candidate"]
        spread = f"{row['low_us']:.0f}..{row['high_us']:.0f}"
        ratio = "" if row["ratio_to_official"] is None else f"{row['ratio_to_official']:.2f}"
        sign = "" if row["candidate"] == "bare" else "+"
        figure = f"{sign}{row['median_us']:>8.1f}"
        print(f"{row['scenario']:10} {label:11} {figure} {spread:>17} {ratio:>11}")
    print(f"target: spanledger ÷ official ≤ {TARGET_RATIO} for a sync call")


if __name__ == "__main__":
    main()
