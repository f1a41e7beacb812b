"""Whom a span belongs to, and which span of a call is the one that is billed."""

from collections.abc import Iterator

import pytest
from opentelemetry.context import get_current
from opentelemetry.trace import Span, set_span_in_context

from spanledger import semconv, track
from spanledger.processors import AttributionProcessor
from spanledger.processors.attribution import gated, is_inference
from spanledger.testing.spans import SpanCapture, capture_spans

CHAT = {semconv.OPERATION_NAME: "chat"}


@pytest.fixture
def spans() -> Iterator[SpanCapture]:
    """Captured spans that went through the processor."""
    with capture_spans(AttributionProcessor(), as_global=True) as capture:
        yield capture


def _attribute(spans: SpanCapture, span: str, name: str) -> object:
    return spans.named(span)[0]["attributes"].get(name)


def test_a_span_that_somebody_else_starts_belongs_to_session_agent_and_user(
    spans: SpanCapture,
) -> None:
    """Whatever library starts it."""
    with (
        track.session("s", user="ada"),
        track.agent("planner"),
        track.agent("writer"),
        spans.tracer("some.library").start_as_current_span("their span"),
    ):
        pass
    assert spans.named("their span")[0]["attributes"] == {
        semconv.CONVERSATION_ID: "s",
        semconv.SESSION_ID: "s",
        semconv.AGENT_NAME: "writer",
        semconv.USER_ID: "ada",
    }


def test_what_a_library_says_about_its_own_span_stays(spans: SpanCapture) -> None:
    """An agent framework knows its agents better than the code around it."""
    theirs = {semconv.AGENT_NAME: "researcher", semconv.CONVERSATION_ID: "thread-1"}
    with (
        track.session("s"),
        track.agent("planner"),
        spans.tracer().start_as_current_span("theirs", attributes=theirs),
    ):
        pass
    attributes = spans.named("theirs")[0]["attributes"]
    assert attributes[semconv.AGENT_NAME] == "researcher"
    assert attributes[semconv.CONVERSATION_ID] == "thread-1"
    assert attributes[semconv.SESSION_ID] == "s"


def test_a_span_of_nobody_gets_nothing(spans: SpanCapture) -> None:
    """No empty attributes."""
    with spans.tracer().start_as_current_span("alone"):
        pass
    assert spans.spans[0]["attributes"] == {}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (CHAT, True),
        ({semconv.OPERATION_NAME: "embeddings"}, True),
        ({semconv.OPERATION_NAME: "execute_tool"}, False),
        ({"openinference.span.kind": "LLM"}, True),
        ({"openinference.span.kind": "CHAIN"}, False),
        ({"llm.request.type": "chat"}, True),
        ({"http.method": "POST"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_inference_spans_are_known_in_every_dialect(attributes: object, expected: bool) -> None:
    """The conventions', OpenInference's, OpenLLMetry's."""
    assert is_inference(attributes) is expected


def test_an_inference_span_below_the_gate_is_a_shadow(spans: SpanCapture) -> None:
    """The same provider call, seen a second time."""
    tracer = spans.tracer()
    tracer.start_span("shadow", context=gated(get_current()), attributes=CHAT).end()
    tracer.start_span("http", context=gated(get_current())).end()
    assert _attribute(spans, "shadow", semconv.BILLING) == "shadow"
    assert _attribute(spans, "http", semconv.BILLING) is None


def test_an_inference_span_around_another_one_is_a_container(spans: SpanCapture) -> None:
    """LangChain's span around the client's: the inner one is the call."""
    with (
        spans.tracer().start_as_current_span("outer", attributes=CHAT),
        spans.tracer().start_as_current_span("inner", attributes=CHAT),
    ):
        pass
    assert _attribute(spans, "outer", semconv.BILLING) == "container"
    assert _attribute(spans, "inner", semconv.BILLING) is None


def test_a_shadow_makes_no_container_of_the_billed_span(spans: SpanCapture) -> None:
    """The gate's own span is the call, also if another library's span is inside of it."""
    with spans.tracer().start_as_current_span("billed", attributes=CHAT) as billed:
        below = gated(set_span_in_context(billed))
        spans.tracer().start_span("shadow", context=below, attributes=CHAT).end()
    assert _attribute(spans, "billed", semconv.BILLING) is None


def test_a_span_that_says_how_it_counts_is_left_as_it_is(spans: SpanCapture) -> None:
    """The gate's own spans say it at once."""
    attributes = {**CHAT, semconv.BILLING: "call"}
    spans.tracer().start_span("own", context=gated(get_current()), attributes=attributes).end()
    assert _attribute(spans, "own", semconv.BILLING) == "call"


def test_an_error_of_ours_does_not_reach_the_program(
    spans: SpanCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception in `on_start` would leave `start_span`."""

    def broken(*_: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("spanledger.processors.attribution.current_scope", broken)
    span: Span = spans.tracer().start_span("host")
    span.end()
    assert len(spans.named("host")) == 1
