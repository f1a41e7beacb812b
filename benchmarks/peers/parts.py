"""Where the time of one of our calls goes: its steps, timed in the middle of real calls.

Runs in our candidate's environment only. The floors are taken the same way, each after a whole call
of the client, so that caches are as cold for them as for what stands beside them.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

#: Module and path of what is timed. One after the other they are the whole way of a call.
STEPS = {
    "begin": ("spanledger.instrumentation._stainless", "_begin"),
    "ask": ("spanledger.instrumentation._exchange", "Exchange.admit"),
    "answer": ("spanledger.instrumentation._stainless", "_observe"),
}


def _timed(step: Callable[..., Any], times: list[int]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        began = time.thread_time_ns()
        try:
            return step(*args, **kwargs)
        finally:
            times.append(time.thread_time_ns() - began)

    return wrapper


def _watch(path: tuple[str, str]) -> list[int]:
    """Time a function from now on."""
    from importlib import import_module

    owner: Any = import_module(path[0])
    *around, name = path[1].split(".")
    for part in around:
        owner = getattr(owner, part)
    times: list[int] = []
    setattr(owner, name, _timed(getattr(owner, name), times))
    return times


def _floors(attributes: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """The least that a record can take: a span with the same attributes, a dictionary of them."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    tracer = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False).get_tracer("floor")
    # Not a provider of ours: its spans are nobody's business.
    tracer.span_processor._span_processors = ()  # type: ignore[attr-defined]  # the SDK's tracer

    def span() -> None:
        tracer.start_span("chat", attributes=attributes).end()

    table: dict[str, Any] = {}
    return {"span": span, "dictionary": lambda: table.update(attributes), "clock": lambda: None}


def measure(call: Callable[[], object], attributes: dict[str, Any], calls: int) -> dict[str, float]:
    """Median microseconds of each step of `call` and of each floor."""
    times = {name: _watch(path) for name, path in STEPS.items()}
    floors = _floors(attributes)
    times |= {name: [] for name in floors}
    timed = {name: _timed(floor, times[name]) for name, floor in floors.items()}
    for number in range(calls * (1 + len(floors))):
        call()
        # One floor after each call, in turn: more than one would find the caches warm.
        list(timed.values())[number % len(timed)]()
    found = {name: statistics.median(values) / 1000 for name, values in times.items()}
    clock = found.pop("clock")
    return {name: max(0.0, value - clock) for name, value in found.items()}
