"""What the host's sampler drops of model and tool calls is recorded all the same."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, TraceIdRatioBased

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
