"""Agents, sessions and operations as decorators, and around `async with`."""

import asyncio
import inspect
import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from spanledger import semconv, track
from spanledger.testing.spans import SpanCapture
from spanledger.track import current_scope


@track.agent("planner")
def plain() -> tuple[str, ...]:
    return current_scope().agents


@track.agent("planner")
async def coroutine() -> tuple[str, ...]:
    await asyncio.sleep(0)
    return current_scope().agents


@track.agent("planner")
def generator() -> Iterator[tuple[str, ...]]:
    yield current_scope().agents
    yield current_scope().agents


@track.agent("planner")
async def async_generator() -> AsyncIterator[tuple[str, ...]]:
    yield current_scope().agents
    yield current_scope().agents


def test_each_call_of_a_function_is_a_run_of_its_own(captured_spans: SpanCapture) -> None:
    assert plain() == plain() == ("planner",)
    assert len(captured_spans.named("invoke_agent planner")) == 2
    assert current_scope().agents == ()


async def test_functions_stay_of_their_kind(captured_spans: SpanCapture) -> None:
    assert inspect.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(generator)
    assert inspect.isasyncgenfunction(async_generator)
    assert await coroutine() == ("planner",)
    assert list(generator()) == [("planner",)] * 2
    assert [each async for each in async_generator()] == [("planner",)] * 2
    assert len(captured_spans.spans) == 3


def test_who_a_decorated_agent_works_for_is_found_when_it_is_called(
    captured_spans: SpanCapture,
) -> None:
    """And not when it is decorated."""
    with track.session("s"), track.agent("chief"):
        assert plain() == ("chief", "planner")
    assert captured_spans.tree() == (
        "session\n└── invoke_agent chief\n    └── invoke_agent planner"
    )


def test_a_decorator_may_be_used_by_two_calls_at_once(captured_spans: SpanCapture) -> None:
    first, second = generator(), generator()
    assert next(first) == next(second) == ("planner",)
    assert captured_spans.open_spans == ["invoke_agent planner"] * 2
    assert [*first, *second] == [("planner",)] * 2


def test_a_session_can_have_an_id_for_each_call(captured_spans: SpanCapture) -> None:
    numbers = itertools.count(1)

    @track.session(lambda: f"run-{next(numbers)}")
    def run() -> str | None:
        return current_scope().session

    assert [run(), run()] == ["run-1", "run-2"]
    found = [span["attributes"][semconv.SESSION_STATUS] for span in captured_spans.spans]
    assert found == ["completed"] * 2


def test_a_session_whose_id_can_not_be_made_is_refused(captured_spans: SpanCapture) -> None:
    with pytest.raises(TypeError, match="the session id must be a text"), track.session(lambda: ""):
        pytest.fail("entered")
    assert captured_spans.spans == []


def test_a_session_that_is_left_by_an_error_says_so_also_as_a_decorator(
    captured_spans: SpanCapture,
) -> None:
    @track.session("s")
    def steps() -> Iterator[int]:
        yield 1
        raise KeyError("two")

    with pytest.raises(KeyError):
        list(steps())
    [span] = captured_spans.spans
    assert span["attributes"][semconv.SESSION_STATUS] == "error"
    assert span["attributes"][semconv.ERROR_TYPE] == "KeyError"


async def test_sessions_and_agents_may_be_entered_by_async_with(
    captured_spans: SpanCapture,
) -> None:
    async with track.session("s") as run, track.agent("planner"):
        assert current_scope()[:2] == ("s", ("planner",))
        run.end("partial")
    assert captured_spans.named("session")[0]["attributes"][semconv.SESSION_STATUS] == "partial"


def test_methods_of_all_kinds_can_be_decorated(captured_spans: SpanCapture) -> None:
    class Desk:
        @track.agent("method")
        def method(self) -> tuple[str, ...]:
            return current_scope().agents

        @track.agent("class")
        @classmethod
        def of_class(cls) -> str:
            return cls.__name__

        @staticmethod
        @track.operation("static")
        def static() -> int:
            return 1

    assert Desk().method() == ("method",)
    assert Desk.of_class() == Desk().of_class() == "Desk"
    assert Desk.static() == Desk().static() == 1
    assert len(captured_spans.spans) == 5


def test_what_a_generator_enters_is_its_own(captured_spans: SpanCapture) -> None:
    """Between its steps the caller is who it was; in its next step the generator is who it was."""

    @track.operation("stream")
    def stream() -> Iterator[tuple[str, ...]]:
        with track.agent("inner"):
            yield current_scope().agents
            with track.operation("inside"):
                yield current_scope().agents
        yield current_scope().agents

    with track.agent("outer"):
        steps = stream()
        assert next(steps) == ("outer", "inner")
        assert current_scope().agents == ("outer",)
        with track.operation("meanwhile"):
            assert next(steps) == ("outer", "inner")
            assert current_scope().agents == ("outer",)
        assert next(steps) == ("outer",)
        assert list(steps) == []
    parents = {span["name"]: span["parent"] for span in captured_spans.spans}
    assert parents["meanwhile"] == "invoke_agent outer"
    assert parents["inside"] == "invoke_agent inner"
    assert parents["invoke_agent inner"] == "stream"


async def test_async_generators_that_are_left_early_end_their_spans_once(
    captured_spans: SpanCapture, caplog: pytest.LogCaptureFixture
) -> None:
    """Also one that has entered an agent of its own, and is closed by another task."""

    @track.operation("stream")
    async def stream() -> AsyncIterator[int]:
        with track.agent("inner"):
            for number in range(9):
                await asyncio.sleep(0)
                yield number

    async for _number in (steps := stream()):
        assert current_scope().agents == ()
        break
    await steps.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert sorted(span["name"] for span in captured_spans.spans) == ["invoke_agent inner", "stream"]
    assert {span["status"] for span in captured_spans.named("stream")} == {"unset"}
    assert current_scope().agents == ()
