"""The gate ends its own spans past the wrapper of `Span.end`, unless somebody else has a part."""

from collections.abc import Iterator
from typing import Any

import pytest
import wrapt
from opentelemetry.sdk.trace import Span

from spanledger.processors import history, span_end
from spanledger.processors.nodes import Node, attach
from spanledger.testing.spans import SpanCapture, capture_spans


@pytest.fixture
def spans() -> Iterator[SpanCapture]:
    span_end.install()
    with capture_spans() as capture:
        yield capture


def _complete(spans: SpanCapture) -> tuple[Any, Node]:
    span: Any = spans.tracer().start_span("call")
    node = Node(None, "inference", "call", "chat")
    attach(span, node)
    node.complete = True
    return span, node


def test_a_complete_span_ends_once(spans: SpanCapture) -> None:
    span, node = _complete(spans)
    span_end.end_call(span, node)
    assert [each["name"] for each in spans.spans] == ["call"]
    assert not span.is_recording()


def test_a_span_without_a_node_ends(spans: SpanCapture) -> None:
    span, _ = _complete(spans)
    span_end.end_call(span, None)
    assert not span.is_recording()


def test_who_wraps_the_end_of_spans_after_us_is_asked(spans: SpanCapture) -> None:
    ended: list[str] = []
    ours = Span.__dict__["end"]

    def theirs(wrapped: Any, span: Any, args: Any, kwargs: Any) -> Any:
        ended.append(span.name)
        return wrapped(*args, **kwargs)

    wrapt.wrap_function_wrapper(Span, "end", theirs)
    try:
        span_end.end_call(*_complete(spans))
    finally:
        Span.end = ours  # type: ignore[method-assign]  # undoing the wrap
    assert ended == ["call"]
    assert [each["name"] for each in spans.spans] == ["call"]


def test_a_vendors_kind_of_span_ends_in_its_own_way(spans: SpanCapture) -> None:
    ended: list[str] = []
    span, node = _complete(spans)

    class Theirs(type(span)):  # type: ignore[misc]  # the class of the SDK has no public name
        def end(self, end_time: int | None = None) -> None:
            ended.append(self.name)
            super().end(end_time)

    span.__class__ = Theirs
    span_end.end_call(span, node)
    assert ended == ["call"]
    assert [each["name"] for each in spans.spans] == ["call"]


def test_a_note_that_fails_keeps_no_span_open(
    spans: SpanCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no memory of it")

    monkeypatch.setattr(history, "span_ends", broken)
    span, node = _complete(spans)
    span_end.end_call(span, node)
    assert not span.is_recording()
