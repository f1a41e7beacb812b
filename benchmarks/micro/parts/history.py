"""Remembering actions, and asking for the last one.

"The end of a span" is what remembering adds to a tool's or a call's span.
"""

from contextlib import ExitStack

from benchmarks.micro.case import Case, cpu
from opentelemetry.sdk.trace import TracerProvider

from spanledger import history as asking
from spanledger import semconv
from spanledger.processors import AttributionProcessor, history, span_end
from spanledger.processors.nodes import node_of
from spanledger.track import note_command

ACTIONS = 100
RESULT = "a line of text that a tool gives back, " * 100
ATTRIBUTES = {
    semconv.OPERATION_NAME: semconv.TOOL_OPERATION,
    semconv.TOOL_NAME: "search",
    semconv.AGENT_NAME: "clerk",
    semconv.CONVERSATION_ID: "ticket-4711",
}


def cases(_stack: ExitStack) -> list[Case]:
    provider = TracerProvider()
    provider.add_span_processor(AttributionProcessor())
    span_end.install()
    history.remember(ACTIONS, str)
    span = provider.get_tracer("benchmark").start_span("execute_tool search", attributes=ATTRIBUTES)
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
        cpu("the end of a span", ends, 3),
        cpu("command, arguments and result", contents, 10),
        cpu("last_action, asked again", asking.last_action, 50, required=True),
        cpu("last_action, of a new action", last_of_new, 50, required=True),
        cpu("summarize(10)", lambda: asking.summarize(10), 500),
    ]
