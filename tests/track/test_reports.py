"""What a program reports by hand: errors it has dealt with, events, how a session went."""

import json
from typing import Any

import pytest

from spanledger import semconv, track
from spanledger.testing.spans import SpanCapture


def test_an_error_by_hand_is_on_the_span_that_is_open(captured_spans: SpanCapture) -> None:
    """Which goes on as it was: the error was dealt with."""
    with track.operation("work"):
        found = track.error(ValueError("odd"))
    [span] = captured_spans.spans
    assert span["status"] == "unset"
    assert [event["name"] for event in span["events"]] == ["exception"]
    assert len(found) == 16
    int(found, 16)


def test_an_error_outside_of_any_span_has_one_of_its_own(captured_spans: SpanCapture) -> None:
    track.error(ValueError("odd"))
    [span] = captured_spans.spans
    assert (span["name"], span["status"]) == ("error ValueError", "error")


def test_without_an_sdk_an_error_has_an_id_all_the_same() -> None:
    assert len(track.error(ValueError("odd"))) == 16


def test_what_is_no_exception_is_refused() -> None:
    with pytest.raises(TypeError, match=r"track.error\(\) takes an exception, not str"):
        track.error("odd")  # type: ignore[arg-type]  # the point


def test_an_event_stands_on_the_span_with_its_attributes(captured_spans: SpanCapture) -> None:
    with track.operation("work"):
        track.event(
            "plan changed", steps=4, ratio=0.5, ok=True, why="late", api_key="x", rows=[{"a": 1}]
        )
    [event] = captured_spans.spans[0]["events"]
    assert event["name"] == "plan changed"
    assert event["attributes"] == {
        "spanledger.event.steps": 4,
        "spanledger.event.ratio": 0.5,
        "spanledger.event.ok": True,
        "spanledger.event.why": "late",
        "spanledger.event.api_key": "[redacted]",
        "spanledger.event.rows": '[{"a":1}]',
    }


def test_an_event_may_have_any_attribute_name(captured_spans: SpanCapture) -> None:
    """Also that of the parameter."""
    track.event("x", name="y", **{"not an identifier": 1})
    attributes = captured_spans.spans[0]["events"][0]["attributes"]
    assert attributes == {"spanledger.event.name": "y", "spanledger.event.not an identifier": 1}


def test_an_event_is_bounded(captured_spans: SpanCapture) -> None:
    track.event("n" * 1000, **{f"a{i}": "x" * 100_000 for i in range(100)})
    [event] = captured_spans.spans[0]["events"]
    assert len(event["attributes"]) == 32
    assert len(json.dumps(event)) < 80_000
    assert len(event["name"]) < 250


@pytest.mark.parametrize(("name", "error"), [("", ValueError), (None, TypeError)])
def test_an_event_without_a_name_is_refused(name: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="name of an event"):
        track.event(name)


def test_an_event_outside_of_any_span_has_one_of_its_own(captured_spans: SpanCapture) -> None:
    track.event("started")
    assert [span["name"] for span in captured_spans.spans] == ["started"]


@pytest.mark.parametrize("status", ["success", "error", "completed", "incomplete", "partial"])
def test_a_session_says_how_it_went(
    status: track.SessionStatus, captured_spans: SpanCapture
) -> None:
    with track.session("s") as run:
        run.end(status)
    [span] = captured_spans.spans
    assert span["attributes"][semconv.SESSION_STATUS] == status
    assert span["status"] == ("error" if status == "error" else "unset")


def test_a_session_that_says_nothing_is_completed_or_failed(captured_spans: SpanCapture) -> None:
    with track.session("good"):
        pass
    with pytest.raises(KeyError), track.session("bad"):
        raise KeyError("x")
    found = [span["attributes"][semconv.SESSION_STATUS] for span in captured_spans.spans]
    assert found == ["completed", "error"]


def test_a_session_may_be_started_and_ended_by_hand(captured_spans: SpanCapture) -> None:
    run = track.session("s").start()
    assert track.current_scope().session == "s"
    with track.operation("work"):
        pass
    run.end("success")
    run.end("error")
    assert track.current_scope().session is None
    assert captured_spans.tree() == "session\n└── work"
    assert captured_spans.spans[0]["attributes"][semconv.SESSION_STATUS] == "success"


def test_a_session_that_was_ended_may_be_used_again(captured_spans: SpanCapture) -> None:
    run = track.session("s")
    for _ in range(2):
        with run:
            run.end("partial")
    assert len(captured_spans.spans) == 2


def test_a_status_that_is_none_is_an_error_and_ends_nothing(captured_spans: SpanCapture) -> None:
    with track.session("s") as run:
        with pytest.raises(ValueError, match="allowed: success, error, completed"):
            run.end("done")  # type: ignore[arg-type]  # the point
        assert captured_spans.open_spans == ["session"]


def test_an_error_whose_text_cannot_be_had_does_not_replace_itself(
    captured_spans: SpanCapture,
) -> None:
    class Unreadable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("str was called")

    with pytest.raises(Unreadable), track.operation("work"):
        raise Unreadable
    assert captured_spans.spans[0]["status"] == "error"
