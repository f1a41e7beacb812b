"""What is told of an exception that leaves a span."""

from collections.abc import Callable

import pytest

from spanledger.testing.spans import SpanCapture
from tests.processors import _failing
from tests.processors._errors import collecting, context_of, contexts, fail, spans

__all__ = ["collecting", "spans"]


def test_a_failure_is_told_with_its_lines_and_variables(spans: SpanCapture) -> None:
    found = context_of(spans, _failing.plain)
    assert [(e["type"], e["message"]) for e in found["chain"]] == [
        ("LookupError", "nothing for bern, 3 tries, 400 tokens")
    ]
    assert found["chain"][0]["raised_at"].endswith("_failing.py:66 in plain")
    frame = found["frames"][0]
    assert (frame["function"], frame["line"]) == ("plain", 66)
    assert frame["source"][4] == (
        '>   66     raise LookupError(f"nothing for {word}, {limit} tries, {max_tokens} tokens")'
    )
    assert found["locals"][0] == {
        "frame": 0,
        "variables": {"word": "bern", "max_tokens": 400, "limit": 3},
    }


@pytest.mark.parametrize(
    ("function", "chain"),
    [
        (_failing.caused, [("TimeoutError", None), ("LookupError", "cause")]),
        (_failing.in_context, [("TimeoutError", None), ("LookupError", "context")]),
        (_failing.suppressed, [("TimeoutError", None)]),
        (
            _failing.grouped,
            [
                ("ExceptionGroup", None),
                ("LookupError", "member 1 of 2"),
                ("TimeoutError", "member 2 of 2"),
                ("LookupError", "cause"),
            ],
        ),
    ],
)
def test_the_chain_is_the_one_that_python_would_print(
    spans: SpanCapture, function: Callable[[], object], chain: list[tuple[str, str | None]]
) -> None:
    found = context_of(spans, function)
    assert [(e["type"], e.get("relation")) for e in found["chain"]] == chain


def test_a_chain_that_runs_in_a_circle_ends(spans: SpanCapture) -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one

    def circle() -> None:
        raise one

    assert [e["message"] for e in context_of(spans, circle)["chain"]] == ["one", "two"]


def test_notes_are_told(spans: SpanCapture) -> None:
    assert context_of(spans, _failing.noted)["chain"][0]["notes"] == ["seen while reading page 7"]


def test_a_text_that_python_cannot_read_is_told_with_its_place(spans: SpanCapture) -> None:
    """No frame ever ran it, and there is no file of that name."""
    entry = context_of(spans, _failing.unparsable)["chain"][0]
    assert entry["source"] == {"file": "made_up.py", "line": 1, "text": "def broken(:"}


def test_code_without_a_file_has_variables_and_no_source(spans: SpanCapture) -> None:
    found = context_of(spans, _failing.from_nowhere)
    assert found["frames"][0]["file"] == "gone.py"
    assert "source" not in found["frames"][0]
    assert found["locals"][0]["variables"] == {"x": 1}


def test_frames_of_libraries_show_neither_source_nor_variables(spans: SpanCapture) -> None:
    found = context_of(spans, _failing.library)
    assert found["chain"][0]["raised_at"].endswith("in JSONDecoder.raw_decode")
    assert {frame["function"] for frame in found["frames"]} == {"library", "fail"}


def test_a_recursion_is_told_once_with_its_depth(spans: SpanCapture) -> None:
    found = context_of(spans, _failing.recursive)
    first = found["frames"][0]
    assert first["function"] == "recursive"
    assert first["repeated"] > 500
    assert found["locals"][0]["variables"]["depth"] > 500


def test_an_exception_whose_text_cannot_be_had_replaces_nothing(spans: SpanCapture) -> None:
    error = fail(_failing.unreadable)
    assert isinstance(error, _failing.UnreadableError)
    [found] = contexts(spans.named("work")[0])
    assert found["chain"][0]["message"] == "<its text can't be had: RuntimeError>"
