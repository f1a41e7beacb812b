"""The spans of sessions, agents and operations."""

import pytest

from spanledger import semconv, track
from spanledger.guard import Budget, Guard, Policy
from spanledger.testing.spans import SpanCapture
from tests.guard._calls import call


def test_spans_stand_in_each_other_as_the_code_does(captured_spans: SpanCapture) -> None:
    """With the names of the conventions."""
    with (
        track.session("s"),
        track.user("ada"),
        track.agent("planner"),
        track.operation("draft"),
        track.agent("writer"),
    ):
        pass
    assert captured_spans.tree() == (
        "session\n"
        "└── user\n"
        "    └── invoke_agent planner\n"
        "        └── draft\n"
        "            └── invoke_agent writer"
    )


def test_an_agents_span_says_so(captured_spans: SpanCapture) -> None:
    """By the attributes of the conventions."""
    with track.agent("planner", agent_id="agent-1"):
        pass
    assert captured_spans.spans[0]["attributes"] == {
        semconv.OPERATION_NAME: "invoke_agent",
        semconv.AGENT_NAME: "planner",
        semconv.AGENT_ID: "agent-1",
        semconv.SPAN_KIND: "agent",
    }


@pytest.mark.parametrize("kind", ["session", "user", "operation"])
def test_every_span_of_ours_has_its_kind(kind: str, captured_spans: SpanCapture) -> None:
    """So that the sampler knows what to keep."""
    with getattr(track, kind)("x"):
        pass
    assert captured_spans.spans[0]["attributes"][semconv.SPAN_KIND] == kind


def test_an_exception_passes_and_leaves_its_mark(captured_spans: SpanCapture) -> None:
    """Status, type and event; the span ends."""
    with pytest.raises(KeyError), track.agent("planner"):
        raise KeyError("missing")
    span = captured_spans.spans[0]
    assert span["status"] == "error"
    assert span["attributes"][semconv.ERROR_TYPE] == "KeyError"
    assert [event["name"] for event in span["events"]] == ["exception"]
    assert track.current_scope().agents == ()


def test_a_refusal_is_named_on_the_span_it_ends(captured_spans: SpanCapture) -> None:
    """Reason and rule, as on every other record of it."""
    refusal = Guard(Policy((Budget("none", "calls", 0),))).admit(call()).refusal
    assert refusal is not None
    with pytest.raises(Exception, match="used up"), track.agent("planner"):
        raise refusal.error()
    attributes = captured_spans.spans[0]["attributes"]
    assert attributes[semconv.GUARD_REASON] == "budget_exhausted"
    assert attributes[semconv.GUARD_RULE] == "none"


def test_entering_twice_at_once_is_an_error_and_leaves_the_first_as_it_is(
    captured_spans: SpanCapture,
) -> None:
    """Two spans can't hang on one object."""
    planner = track.agent("planner")
    with planner:
        with pytest.raises(RuntimeError, match="already entered"), planner:
            pass
        assert track.current_scope().agents == ("planner",)
        assert captured_spans.open_spans == ["invoke_agent planner"]
    assert track.current_scope().agents == ()


def test_one_after_the_other_is_two_spans(captured_spans: SpanCapture) -> None:
    """The same object may be used again once it was left."""
    planner = track.agent("planner")
    for _ in range(2):
        with planner:
            pass
    assert len(captured_spans.spans) == 2


def test_without_an_sdk_everything_works_without_spans() -> None:
    """The scope is what limits look at."""
    with track.agent("planner") as tracked:
        assert track.current_scope().agents == ("planner",)
        assert not tracked.span.is_recording()
