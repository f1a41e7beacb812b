"""`wrap_tools` and `wrap`: tools of objects that somebody else made."""

import functools
from collections.abc import AsyncIterator, Iterator

import pytest

from spanledger import semconv, track
from spanledger.testing.spans import SpanCapture
from spanledger.track import arguments_hash, wrap, wrap_tools


class Library:
    """Books."""

    shelves = 3

    def __init__(self) -> None:
        self.asked = 0
        self.open = functools.partial(self.look_up, "opening hours")

    @property
    def place(self) -> str:
        return "cellar"

    @property
    def helper(self) -> object:
        return len

    def look_up(self, word: str) -> str:
        """Find a word."""
        self.asked += 1
        return self._clean(word)

    def look_up_twice(self, word: str) -> str:
        return self.look_up(word) * 2

    def _clean(self, word: str) -> str:
        return word.upper()

    async def wait(self, word: str) -> str:
        return word

    def words(self) -> Iterator[str]:
        yield from "ab"

    async def later(self) -> AsyncIterator[str]:
        yield "a"

    @classmethod
    def build(cls) -> str:
        return cls.__name__

    @staticmethod
    def add(one: int, two: int) -> int:
        return one + two

    @track.tool(name="known")
    def known(self) -> int:
        return 1

    def __len__(self) -> int:
        return 7

    def __enter__(self) -> str:
        return "entered"

    def __exit__(self, *error: object) -> None:
        return None


def tools_of(capture: SpanCapture) -> list[object]:
    return [span["attributes"][semconv.TOOL_NAME] for span in capture.spans]


def test_every_public_method_is_a_tool(captured_spans: SpanCapture) -> None:
    library = wrap_tools(Library(), category="search")
    assert library.look_up("a") == "A"
    assert library.add(1, 2) == 3
    assert library.build() == "Library"
    assert library.open() == "OPENING HOURS"
    assert list(library.words()) == ["a", "b"]
    assert tools_of(captured_spans) == ["look_up", "add", "build", "open", "words"]
    first = captured_spans.spans[0]["attributes"]
    assert first[semconv.TOOL_CATEGORY] == "search"
    assert first[semconv.TOOL_DESCRIPTION] == "Find a word."
    assert first[semconv.TOOL_ARGUMENTS_HASH] == arguments_hash(("a",), {})


async def test_async_methods_are_tools_too(captured_spans: SpanCapture) -> None:
    library = wrap_tools(Library())
    assert await library.wait("a") == "a"
    assert [word async for word in library.later()] == ["a"]
    assert tools_of(captured_spans) == ["wait", "later"]


def test_all_else_is_the_objects_own(captured_spans: SpanCapture) -> None:
    inner = Library()
    library = wrap_tools(inner)
    assert isinstance(library, Library)
    assert library.place == "cellar"
    assert library.helper is len
    assert library.shelves == 3
    assert len(library) == 7
    assert library == inner
    library.asked = 5
    assert inner.asked == 5
    with library as entered:
        assert entered == "entered"
    assert library._clean("a") == "A"
    assert captured_spans.spans == []


def test_what_a_method_calls_on_itself_is_not_traced_again(captured_spans: SpanCapture) -> None:
    assert wrap_tools(Library()).look_up_twice("a") == "AA"
    assert tools_of(captured_spans) == ["look_up_twice"]


def test_a_method_that_is_a_tool_already_is_one_tool(captured_spans: SpanCapture) -> None:
    assert wrap_tools(Library()).known() == 1
    assert tools_of(captured_spans) == ["known"]


def test_a_method_that_is_replaced_is_the_new_one(captured_spans: SpanCapture) -> None:
    library = wrap_tools(Library())
    assert library.look_up("a") == "A"
    library.look_up = lambda word: "new"  # type: ignore[method-assign]  # what this is about
    assert library.look_up("a") == "new"
    assert len(captured_spans.spans) == 2


def test_a_method_of_the_proxy_is_the_same_each_time() -> None:
    """Frameworks compare and hash what they register."""
    library = wrap_tools(Library())
    assert library.look_up is library.look_up


def test_an_object_that_can_be_called_is_a_tool_of_its_own(captured_spans: SpanCapture) -> None:
    class Search:
        def __call__(self, word: str) -> str:
            return word.upper()

    search = wrap(Search(), name="search")
    assert search("a") == "A"
    assert tools_of(captured_spans) == ["search"]


def test_a_function_is_wrapped_as_one_tool(captured_spans: SpanCapture) -> None:
    assert wrap(len, name="count", category="maths")([1, 2]) == 2
    assert wrap(functools.partial(max, 3))(4) == 4
    assert tools_of(captured_spans) == ["count", "max"]


def test_the_tools_of_a_named_object_have_its_name_in_front(captured_spans: SpanCapture) -> None:
    assert wrap(Library(), name="library").look_up("a") == "A"
    assert tools_of(captured_spans) == ["library.look_up"]


def test_what_a_tool_of_an_object_raises_is_left_as_it_is(captured_spans: SpanCapture) -> None:
    with pytest.raises(TypeError):
        wrap_tools(Library()).add(1)  # type: ignore[call-arg]  # what must not work
    assert captured_spans.spans[0]["attributes"][semconv.ERROR_TYPE] == "TypeError"
