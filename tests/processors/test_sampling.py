"""What the host's sampler drops of model and tool calls is recorded all the same."""

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_ON,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from spanledger import semconv, track
from spanledger.processors import RecordCallsSampler
from spanledger.processors.providers import record_calls
from spanledger.testing.spans import SpanCapture, capture_spans


@pytest.fixture
def off() -> Iterator[SpanCapture]:
    """Spans under a sampler that drops all of them."""
    sampler = RecordCallsSampler(ALWAYS_OFF)
    with capture_spans(sampler=sampler, include_unsampled=True, as_global=True) as capture:
        yield capture


@pytest.mark.parametrize(
    "attributes",
    [
        {semconv.OPERATION_NAME: "chat"},
        {semconv.OPERATION_NAME: "execute_tool"},
        {semconv.SPAN_KIND: "session"},
        {"openinference.span.kind": "LLM"},
        {"llm.request.type": "chat"},
    ],
)
def test_calls_are_recorded_and_not_sampled(off: SpanCapture, attributes: dict[str, str]) -> None:
    """So the host's exporters don't send them, and ours knows them."""
    span = off.tracer().start_span("call", attributes=attributes)
    assert span.is_recording()
    assert not span.get_span_context().trace_flags.sampled
    span.end()
    assert [found["sampled"] for found in off.spans] == [False]


def test_other_spans_stay_dropped(off: SpanCapture) -> None:
    """The sampler is the host's decision."""
    assert not off.tracer().start_span("http", attributes={"http.method": "GET"}).is_recording()
    assert not off.tracer().start_span("bare").is_recording()


def test_spans_of_ours_are_recorded_with_their_parents(off: SpanCapture) -> None:
    """A record-only tree is still a tree."""
    with track.session("s"), track.agent("planner"):
        pass
    assert off.tree() == "session\n└── invoke_agent planner"


def test_what_the_host_samples_stays_sampled() -> None:
    """Nothing is taken away."""
    with capture_spans(sampler=RecordCallsSampler(ALWAYS_ON)) as capture:
        capture.tracer().start_span("x", attributes={semconv.OPERATION_NAME: "chat"}).end()
    assert [span["sampled"] for span in capture.spans] == [True]


def test_a_providers_sampler_is_wrapped_once() -> None:
    """And says what it wraps."""
    provider = TracerProvider(sampler=TraceIdRatioBased(0.25), shutdown_on_exit=False)
    record_calls(provider)
    record_calls(provider)
    assert provider.sampler.get_description() == "RecordCalls{TraceIdRatioBased{0.25}}"


def _answer(result: SamplingResult) -> tuple[object, ...]:
    return result.decision, dict(result.attributes), result.trace_state


@pytest.mark.parametrize("sampled", [True, False])
@pytest.mark.parametrize("remote", [True, False])
@pytest.mark.parametrize("trace_id", [0, 7], ids=["no-parent", "parent"])
@pytest.mark.parametrize("attributes", [None, {"http.method": "GET"}])
def test_the_short_way_answers_as_the_sampler_of_the_sdk_does(
    trace_id: int, remote: bool, sampled: bool, attributes: dict[str, str] | None
) -> None:
    flags, state = TraceFlags(int(sampled)), TraceState([("vendor", "x")])
    parent = NonRecordingSpan(SpanContext(trace_id, 8, remote, flags, state))
    for context in (Context(), trace.set_span_in_context(parent, Context())):
        asked = (context, 1, "span", None, attributes, None, None)
        ours = RecordCallsSampler(DEFAULT_ON).should_sample(*asked)
        assert _answer(ours) == _answer(DEFAULT_ON.should_sample(*asked))
