"""Spans of tools and agents that only a framework makes, under ceilings and loop rules."""

from collections.abc import Iterator
from typing import Any

import pytest

from spanledger import guard, semconv
from spanledger.guard import CeilingReached, Guard, Policy
from spanledger.guard.ceilings import Ceilings
from spanledger.processors.enforcement import EnforcementProcessor
from spanledger.testing.spans import capture_spans
from spanledger.track import session, tool

TOOL = {
    semconv.OPERATION_NAME: "execute_tool",
    semconv.TOOL_NAME: "search",
    semconv.CONVERSATION_ID: "s",
}


@pytest.fixture
def two_steps() -> Iterator[Guard]:
    before = guard.current()
    yield guard.use(Guard(Policy(ceilings=(Ceilings("steps", max_steps=2),))))
    guard.use(before)


def _spans(capture: Any) -> list[dict[str, Any]]:
    return [span["attributes"] for span in capture.spans]


def test_the_tool_of_a_framework_is_stopped_at_the_ceiling(two_steps: Guard) -> None:
    with capture_spans(EnforcementProcessor()) as capture:
        tracer = capture.tracer()
        for _ in range(2):
            with tracer.start_as_current_span("execute_tool search", attributes=TOOL):
                pass
        with (
            pytest.raises(CeilingReached, match="max_steps is 2"),
            tracer.start_as_current_span("execute_tool search", attributes=TOOL),
        ):
            pytest.fail("the tool ran")
        [refused] = [a for a in _spans(capture) if semconv.GUARD_DECISION in a]
    assert refused[semconv.GUARD_DECISION] == "refused"
    assert refused[semconv.GUARD_RULE] == "steps"


def test_a_tool_of_ours_is_not_asked_for_twice(two_steps: Guard) -> None:
    """It asks in its own wrapper; two calls are two steps, not four."""

    @tool
    def search() -> str:
        return "found"

    with capture_spans(EnforcementProcessor(), as_global=True), session("s"):
        assert search() == search() == "found"
        with pytest.raises(CeilingReached):
            search()


def test_other_spans_and_other_sessions_are_not_touched(two_steps: Guard) -> None:
    with capture_spans(EnforcementProcessor()) as capture:
        tracer = capture.tracer()
        for number in range(5):
            named = {**TOOL, semconv.CONVERSATION_ID: f"s{number}"}
            tracer.start_span("execute_tool search", attributes=named).end()
            tracer.start_span("GET /").end()
        assert len(capture.spans) == 10


def test_without_such_rules_nothing_is_asked() -> None:
    before = guard.current()
    guard.use(Guard())
    try:
        with capture_spans(EnforcementProcessor()) as capture:
            for _ in range(3):
                capture.tracer().start_span("execute_tool search", attributes=TOOL).end()
            assert len(capture.spans) == 3
    finally:
        guard.use(before)


def test_a_failure_of_ours_does_not_stop_the_tool(
    two_steps: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(Guard, "check", broken)
    with capture_spans(EnforcementProcessor()) as capture:
        capture.tracer().start_span("execute_tool search", attributes=TOOL).end()
        assert len(capture.spans) == 1
