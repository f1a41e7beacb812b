"""Arguments and results of tools: never, unless content is wanted; then bounded and redacted."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from spanledger import semconv, track
from spanledger.testing.spans import SpanCapture
from spanledger.track import Capture, tool, tool_call, use_capture


@pytest.fixture
def _content() -> Iterator[None]:
    use_capture(Capture(wanted=True, limit_chars=60))
    yield
    use_capture(Capture())


@tool
def search(words: str, top: int = 3, **extra: Any) -> dict[str, Any]:
    return {"words": words, "top": top}


def _of(capture: SpanCapture) -> dict[str, Any]:
    return dict(capture.spans[0]["attributes"])


def test_by_default_only_a_hash_is_recorded(captured_spans: SpanCapture) -> None:
    search("tides")
    assert not {semconv.TOOL_ARGUMENTS, semconv.TOOL_RESULT} & _of(captured_spans).keys()


@pytest.mark.usefixtures("_content")
def test_where_it_is_wanted_arguments_stand_by_their_names(captured_spans: SpanCapture) -> None:
    search("tides", top=2)
    found = _of(captured_spans)
    assert json.loads(found[semconv.TOOL_ARGUMENTS]) == {"words": "tides", "top": 2}
    assert json.loads(found[semconv.TOOL_RESULT]) == {"words": "tides", "top": 2}
    assert semconv.TRUNCATED not in found


@pytest.mark.usefixtures("_content")
def test_what_is_too_long_is_cut_and_says_so(captured_spans: SpanCapture) -> None:
    search("x" * 500)
    found = _of(captured_spans)
    assert len(found[semconv.TOOL_ARGUMENTS]) == len(found[semconv.TOOL_RESULT]) == 61
    assert found[semconv.TRUNCATED] is True


@pytest.mark.usefixtures("_content")
def test_what_a_name_calls_a_secret_is_hidden(captured_spans: SpanCapture) -> None:
    search("x", api_key="not-a-real-one")
    assert "not-a-real-one" not in _of(captured_spans)[semconv.TOOL_ARGUMENTS]


@pytest.mark.usefixtures("_content")
def test_what_a_generator_gives_is_recorded_also_if_it_is_left_early(
    captured_spans: SpanCapture,
) -> None:
    @tool
    def words() -> Iterator[str]:
        yield from "abc"

    for word in words():
        if word == "b":
            break
    assert _of(captured_spans)[semconv.TOOL_RESULT] == '["a","b"]'


@pytest.mark.usefixtures("_content")
def test_a_tool_that_is_called_wrongly_raises_its_own_error(captured_spans: SpanCapture) -> None:
    with pytest.raises(TypeError, match="search"):
        search()  # type: ignore[call-arg]  # what must not work
    assert _of(captured_spans)[semconv.ERROR_TYPE] == "TypeError"


@pytest.mark.usefixtures("_content")
async def test_a_tool_that_runs_elsewhere_says_what_came_of_it(captured_spans: SpanCapture) -> None:
    with track.agent("planner"):
        async with tool_call("remote", {"q": "x"}, category="mcp") as call:
            assert track.current_scope().tool == "remote"
            call.returned(["nothing"])
            call.failed("tool_error")
    [span] = captured_spans.named("execute_tool remote")
    found: dict[str, Any] = dict(span["attributes"])
    assert json.loads(found[semconv.TOOL_ARGUMENTS]) == {"q": "x"}
    assert found[semconv.TOOL_CATEGORY] == "mcp"
    assert found[semconv.ERROR_TYPE] == "tool_error"
    assert span["status"] == "error"
