"""What spans of frameworks say, and that it holds for everything below them."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace

from spanledger import semconv, track
from spanledger.processors.attribution import AttributionProcessor
from spanledger.processors.roles import Role, arguments_of, role_of, scope_told_by, session_of
from spanledger.testing.spans import SpanCapture, capture_spans
from spanledger.track import Scope, current_scope

AGENT = {semconv.OPERATION_NAME: "invoke_agent", semconv.AGENT_NAME: "writer"}
TOOL = {semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_NAME: "search"}


@pytest.fixture
def spans() -> Iterator[SpanCapture]:
    with capture_spans(AttributionProcessor(), as_global=True) as capture:
        yield capture


@pytest.mark.parametrize(
    ("attributes", "name", "expected"),
    [
        (AGENT, "", Role("agent", "writer")),
        (TOOL, "", Role("tool", "search")),
        ({semconv.OPERATION_NAME: "invoke_agent"}, "invoke_agent", Role("agent", None)),
        ({"openinference.span.kind": "AGENT"}, "writer.run", Role("agent", "writer")),
        (
            {"openinference.span.kind": "AGENT", "agent.name": "writer"},
            "x",
            Role("agent", "writer"),
        ),
        (
            {"openinference.span.kind": "TOOL", "tool.name": "search"},
            "SimpleTool",
            Role("tool", "search"),
        ),
        (
            {"traceloop.span.kind": "tool", "traceloop.entity.name": "search"},
            "search.tool",
            Role("tool", "search"),
        ),
        ({semconv.OPERATION_NAME: "chat", semconv.AGENT_NAME: "writer"}, "chat", None),
        ({semconv.OPERATION_NAME: "chat", "openinference.span.kind": "AGENT"}, "chat", None),
        ({"openinference.span.kind": "CHAIN"}, "step.run", None),
        ({"openinference.span.kind": 5}, "", None),
        ({}, "writer.run", None),
    ],
)
def test_the_role_of_a_span(attributes: dict[str, Any], name: str, expected: Role | None) -> None:
    assert role_of(attributes, name) == expected


def test_arguments_and_session_in_each_dialect() -> None:
    assert arguments_of({semconv.TOOL_ARGUMENTS: "{}"}) == "{}"
    assert arguments_of({"input.value": "[1]"}) == "[1]"
    assert arguments_of(TOOL) is None
    assert session_of({"session.id": "s", semconv.CONVERSATION_ID: "c"}) == "c"
    assert session_of({"traceloop.association.properties.session_id": "t"}) == "t"


def test_what_the_program_has_said_wins() -> None:
    said = Scope("mine", ("planner",), "ada")
    told = scope_told_by({**AGENT, semconv.SESSION_ID: "theirs", semconv.USER_ID: "bob"}, said)
    assert told == Scope("mine", ("planner", "writer"), "ada")


def test_an_agent_that_two_spans_name_is_one() -> None:
    said = Scope(agents=("writer",))
    assert scope_told_by(AGENT, said) is said


def test_everything_below_a_span_of_a_framework_belongs_to_its_agent(spans: SpanCapture) -> None:
    tracer = spans.tracer()
    with track.session("s"), tracer.start_as_current_span("invoke_agent writer", attributes=AGENT):
        assert current_scope() == Scope("s", ("writer",))
        with tracer.start_as_current_span("a step"):
            assert current_scope().agents == ("writer",)
            with tracer.start_as_current_span("execute_tool search", attributes=TOOL):
                assert current_scope() == Scope("s", ("writer",), None, "search")
                with track.agent("helper"):
                    assert current_scope().agents == ("writer", "helper")
            assert current_scope().tool is None
        with tracer.start_as_current_span("chat") as span:
            pass
    assert current_scope() == Scope()
    attributes: Any = span.attributes  # type: ignore[attr-defined]  # the SDK's
    assert attributes[semconv.AGENT_NAME] == "writer"
    assert attributes[semconv.SESSION_ID] == "s"


def test_of_program_and_framework_the_one_that_was_entered_last_holds(spans: SpanCapture) -> None:
    tracer = spans.tracer()
    with tracer.start_as_current_span("invoke_agent writer", attributes=AGENT):
        with track.attributes(team="x"):
            assert current_scope().agents == ("writer",)
            assert current_scope().attributes == {"team": "x"}
            other = {**AGENT, semconv.AGENT_NAME: "editor"}
            with tracer.start_as_current_span("invoke_agent editor", attributes=other):
                assert current_scope().agents == ("writer", "editor")
                assert current_scope().attributes == {"team": "x"}
            assert current_scope().agents == ("writer",)
        assert current_scope().attributes == {}


def test_a_span_that_was_started_before_a_scope_takes_nothing_away_from_it(
    spans: SpanCapture,
) -> None:
    """Some instrumentations make a span current long after they have started it."""
    span = spans.tracer().start_span("early")
    with track.agent("planner"), trace.use_span(span, end_on_exit=True):
        assert current_scope().agents == ("planner",)
