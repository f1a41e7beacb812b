"""CPU of remembering actions, and of asking for the last one.

    python benchmarks/micro_history.py

Prints microseconds for each operation (best of several rounds, all operations interleaved) beside
its target. Exits with 1 if a target is missed. "the end of a span" is what remembering adds to a
tool's or a call's span, contents included.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry.sdk.trace import TracerProvider

from spanledger import history as asking
from spanledger import semconv
from spanledger.processors import AttributionProcessor, history, span_end
from spanledger.processors.nodes import node_of
from spanledger.track import note_command

ROUNDS = 15
REPEATS = 500
ACTIONS = 100
RESULT = "a line of text that a tool gives back, " * 100


@dataclass(frozen=True)
class Operation:
    name: str
    run: Callable[[], object]
    target_us: float


def operations(provider: TracerProvider) -> list[Operation]:
    tracer = provider.get_tracer("benchmark")
    attributes = {
        semconv.OPERATION_NAME: semconv.TOOL_OPERATION,
        semconv.TOOL_NAME: "search",
        semconv.AGENT_NAME: "clerk",
        semconv.CONVERSATION_ID: "ticket-4711",
    }
    span = tracer.start_span("execute_tool search", attributes=attributes)
    node = node_of(span)
    assert node is not None

    def ends() -> None:
        history.span_ends(span, node, failed=False)  # type: ignore[arg-type]  # the SDK's own

    def contents() -> None:
        note_command(span, "Where is parcel 17?")
        history._keep(span, semconv.TOOL_ARGUMENTS, {"words": "parcel 17", "top": 3})
        history._keep(span, semconv.TOOL_RESULT, RESULT)

    def last_of_new() -> None:
        ends()
        ring = asking.current_ring()
        assert ring is not None
        ring._known.clear()
        asking.last_action()

    contents()
    for _ in range(ACTIONS):
        ends()
    return [
        Operation("the end of a span", ends, 3.0),
        Operation("command, arguments and result", contents, 10.0),
        Operation("last_action, asked again", asking.last_action, 50.0),
        Operation("last_action, of a new action", last_of_new, 50.0),
        Operation("summarize(10)", lambda: asking.summarize(10), 500.0),
    ]


def one_round(run: Callable[[], object]) -> float:
    start = time.process_time()
    for _ in range(REPEATS):
        run()
    return (time.process_time() - start) / REPEATS * 1e6


def main() -> int:
    provider = TracerProvider()
    provider.add_span_processor(AttributionProcessor())
    span_end.install()
    history.remember(ACTIONS, str)
    todo = operations(provider)
    best = {operation.name: float("inf") for operation in todo}
    gc.disable()
    for _ in range(ROUNDS):
        for operation in todo:
            best[operation.name] = min(best[operation.name], one_round(operation.run))
    for operation in todo:
        measured, target = best[operation.name], operation.target_us
        verdict = "ok" if measured <= target else "MISSED"
        print(f"{operation.name:32} {measured:8.2f} us   target {target:6.1f} us   {verdict}")
    return int(any(best[operation.name] > operation.target_us for operation in todo))


if __name__ == "__main__":
    raise SystemExit(main())
