"""What others see of a call's span when it starts, whichever way its attributes come to it."""

from typing import Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor
from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from spanledger import semconv
from spanledger.instrumentation import _spans
from spanledger.processors import RecordCallsSampler
from spanledger.testing.providers import Reply, UsageSpec
from tests.gate._apis import CHAT
from tests.gate._gate import Gate

ASKED = {semconv.OPERATION_NAME: "chat", semconv.REQUEST_MODEL: CHAT.model}


class Host(SpanProcessor):
    """A processor of the host's: notes what a span has when it starts, and when it ends."""

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.started.append(dict(span.attributes or {}))

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


@pytest.fixture
def host(gate: Gate) -> Host:
    host = Host()
    gate.capture.provider.add_span_processor(host)
    return host


def call(gate: Gate) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=UsageSpec(input_tokens=10, output_tokens=5)))
    CHAT.create(CHAT.client(gate.provider))


def use_sampler(gate: Gate, sampler: Sampler) -> None:
    """As if the host had made its provider with it."""
    gate.capture.provider.sampler = sampler
    _spans._Tracers.provider = None


def assert_seen(host: Host) -> None:
    (started,) = host.started
    assert ASKED.items() <= started.items()
    (ended,) = host.ended
    assert ASKED.items() <= dict(ended.attributes or {}).items()


def test_a_processor_of_the_host_sees_what_was_asked_when_the_span_starts(
    gate: Gate, host: Host
) -> None:
    sampler = getattr(gate.capture.provider, "sampler", None)
    assert isinstance(sampler, RecordCallsSampler)
    assert sampler.is_usual
    call(gate)
    assert_seen(host)


def test_a_sampler_of_the_host_sees_it_too(gate: Gate, host: Host) -> None:
    seen: list[Any] = []

    class Curious(Sampler):
        def should_sample(
            self,
            parent_context: Context | None,
            trace_id: int,
            name: str,
            kind: Any = None,
            attributes: Any = None,
            links: Any = None,
            trace_state: Any = None,
        ) -> SamplingResult:
            seen.append(attributes)
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

        def get_description(self) -> str:
            return "Curious"

    for sampler in (Curious(), ParentBased(Curious())):
        use_sampler(gate, RecordCallsSampler(sampler))
        call(gate)
    assert len(seen) == 2
    assert all(ASKED.items() <= attributes.items() for attributes in seen)
    assert all(ASKED.items() <= started.items() for started in host.started)


def test_without_our_processors_the_attributes_are_there_all_the_same(
    gate: Gate, host: Host
) -> None:
    multi: Any = gate.capture.provider._active_span_processor
    multi._span_processors = (host,)
    call(gate)
    (ended,) = host.ended
    assert ASKED.items() <= dict(ended.attributes or {}).items()


@pytest.mark.parametrize("flags", [TraceFlags.DEFAULT, TraceFlags.SAMPLED])
@pytest.mark.parametrize("remote", [True, False])
def test_a_call_below_another_span_has_its_attributes(
    gate: Gate, host: Host, remote: bool, flags: int
) -> None:
    """Also where the trace is not sampled: then the span is recorded for us alone."""
    parent = NonRecordingSpan(SpanContext(7, 8, remote, TraceFlags(flags)))
    token = otel_context.attach(trace.set_span_in_context(parent))
    try:
        call(gate)
    finally:
        otel_context.detach(token)
    assert_seen(host)
    (ended,) = host.ended
    assert ended.context.trace_flags == flags
    assert ended.parent == parent.get_span_context()


def test_limits_of_attributes_hold_for_what_was_asked(gate: Gate, host: Host) -> None:
    tracer: Any = _spans._tracer()
    tracer._span_limits = SpanLimits(max_attribute_length=3)
    call(gate)
    (started,) = host.started
    assert started[semconv.OPERATION_NAME] == "cha"
