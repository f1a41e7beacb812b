"""`@tool`: the function stays what it is."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger import semconv, track
from spanledger.testing.spans import SpanCapture
from spanledger.track import arguments_hash, tool

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@tool
def look_up(word: str, *, times: int = 1) -> str:
    """Find a word.

    In a book.
    """
    return word.upper() * times


def test_a_tool_returns_what_its_function_returns(captured_spans: SpanCapture) -> None:
    """And is traced under the agent that calls it."""
    with track.agent("planner"):
        assert look_up("a", times=2) == "AA"
    assert captured_spans.tree() == "invoke_agent planner\n└── execute_tool look_up"
    span = captured_spans.named("execute_tool look_up")[0]
    assert span["attributes"] == {
        semconv.OPERATION_NAME: "execute_tool",
        semconv.TOOL_NAME: "look_up",
        semconv.TOOL_TYPE: "function",
        semconv.TOOL_DESCRIPTION: "Find a word.",
        semconv.SPAN_KIND: "tool",
        semconv.TOOL_ARGUMENTS_HASH: arguments_hash(("a",), {"times": 2}),
    }


def test_a_tool_looks_like_its_function() -> None:
    """Frameworks build their schema from name, signature and docstring."""
    assert look_up.__name__ == "look_up"
    assert (look_up.__doc__ or "").startswith("Find a word.")
    assert list(inspect.signature(look_up).parameters) == ["word", "times"]


def test_a_tool_may_have_another_name(captured_spans: SpanCapture) -> None:
    """Than its function."""

    @tool(name="search")
    def look_elsewhere() -> int:
        return 1

    assert look_elsewhere() == 1
    assert captured_spans.spans[0]["attributes"][semconv.TOOL_NAME] == "search"


def test_what_a_tool_raises_is_left_as_it_is(captured_spans: SpanCapture) -> None:
    """The same object, with the span marked."""
    error = ValueError("no such page")

    @tool
    def fails() -> None:
        raise error

    with pytest.raises(ValueError, match="no such page") as caught:
        fails()
    assert caught.value is error
    assert captured_spans.spans[0]["attributes"][semconv.ERROR_TYPE] == "ValueError"


async def test_a_coroutine_function_stays_one(captured_spans: SpanCapture) -> None:
    """Its span is open while it runs, not only while it is made."""

    @tool
    async def slow() -> list[str]:
        await asyncio.sleep(0)
        return captured_spans.open_spans

    assert inspect.iscoroutinefunction(slow)
    assert await slow() == ["execute_tool slow"]
    assert captured_spans.open_spans == []


async def test_a_cancelled_tool_ends_its_span(captured_spans: SpanCapture) -> None:
    """And the cancellation goes on."""

    @tool
    async def endless() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(endless())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert captured_spans.spans[0]["attributes"][semconv.ERROR_TYPE] == "CancelledError"


def test_a_generator_function_stays_one(captured_spans: SpanCapture) -> None:
    """Its span is open while it yields, and it yields, receives and returns as before."""

    @tool
    def counts(to: int) -> Iterator[int]:
        yield from range(to)

    assert inspect.isgeneratorfunction(counts)
    numbers = counts(2)
    assert captured_spans.spans == []
    assert next(numbers) == 0
    assert captured_spans.open_spans == ["execute_tool counts"]
    assert list(numbers) == [1]
    assert len(captured_spans.spans) == 1


def test_a_generator_that_is_left_early_ends_its_span(captured_spans: SpanCapture) -> None:
    """Without an error: the caller had enough."""

    @tool
    def counts() -> Iterator[int]:
        yield 1
        yield 2

    for _ in counts():
        break
    assert [span["status"] for span in captured_spans.spans] == ["unset"]


def test_a_generators_span_is_not_the_callers_between_its_steps(
    captured_spans: SpanCapture,
) -> None:
    """What the caller does meanwhile is not the tool's work."""

    @tool
    def counts() -> Iterator[int]:
        yield 1
        yield 2

    with track.agent("planner"):
        numbers = counts()
        next(numbers)
        with track.operation("meanwhile"):
            pass
        assert list(numbers) == [2]
    assert captured_spans.named("meanwhile")[0]["parent"] == "invoke_agent planner"


def test_a_generator_still_receives_raises_and_returns(captured_spans: SpanCapture) -> None:
    """All that generators do goes through."""

    @tool
    def echo() -> Generator[str, str, str]:
        try:
            received = yield "ready"
        except KeyError:
            received = "caught"
        return (yield received.upper())

    for step in ("send", "throw"):
        generator = echo()
        next(generator)
        heard = generator.send("a") if step == "send" else generator.throw(KeyError())
        assert heard == ("A" if step == "send" else "CAUGHT")
        with pytest.raises(StopIteration) as stopped:
            generator.send("end")
        assert stopped.value.value == "end"


def test_a_generator_that_fails_marks_its_span(captured_spans: SpanCapture) -> None:
    """At the step that failed."""

    @tool
    def fails() -> Iterator[int]:
        yield 1
        raise KeyError("two")

    with pytest.raises(KeyError):
        list(fails())
    assert captured_spans.spans[0]["attributes"][semconv.ERROR_TYPE] == "KeyError"


async def test_an_async_generator_function_stays_one(captured_spans: SpanCapture) -> None:
    """Like a plain one."""

    @tool
    async def counts(to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    assert inspect.isasyncgenfunction(counts)
    assert [number async for number in counts(3)] == [0, 1, 2]
    assert len(captured_spans.spans) == 1


@given(st.lists(JSON, max_size=3), st.dictionaries(st.text(min_size=1), JSON, max_size=3))
def test_a_hash_is_stable_and_does_not_depend_on_the_order_of_names(
    args: list[Any], kwargs: dict[str, Any]
) -> None:
    """So that a repeated action can be found."""
    turned = dict(reversed(list(kwargs.items())))
    found = arguments_hash(args, kwargs)
    assert found == arguments_hash(list(args), turned)
    assert len(found) == 32


@given(st.text(min_size=3), st.text(min_size=3))
def test_a_hash_tells_arguments_apart_and_shows_nothing_of_them(one: str, other: str) -> None:
    """It is always sent, so it must not hold content."""
    assert (arguments_hash([one], {}) == arguments_hash([other], {})) is (one == other)
    assert one not in arguments_hash([one], {}) or set(one) <= set("0123456789abcdef")


def test_an_object_counts_by_its_type_not_by_its_address() -> None:
    """Else each call of a method would look like another action."""

    class Page:
        pass

    assert arguments_hash([Page()], {}) == arguments_hash([Page()], {})
    assert arguments_hash([Page()], {}) != arguments_hash([object()], {})


@pytest.mark.parametrize(
    "hostile",
    [
        {1: "a", "b": 2},
        {(1, 2): "a"},
        float("nan"),
        "\ud800",
        b"bytes",
        {"s": {1, 2}},
    ],
    ids=repr,
)
def test_arguments_that_json_cannot_hold_do_not_break_a_tool(
    hostile: object, captured_spans: SpanCapture
) -> None:
    """The function must be called whatever it is given."""
    seen = []

    @tool
    def takes(value: object) -> None:
        seen.append(value)

    takes(hostile)
    assert seen == [hostile]
    assert len(captured_spans.spans) == 1


def test_arguments_that_refer_to_themselves_do_not_break_a_tool(
    captured_spans: SpanCapture,
) -> None:
    """A circle, and a nesting deeper than the stack."""
    circle: list[Any] = []
    circle.append(circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    @tool
    def takes(value: object) -> bool:
        return True

    assert takes(circle)
    assert takes(deep)
