"""What is written past the SDK's checks is what the SDK itself would have written."""

from typing import Any

import pytest
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.trace import INVALID_SPAN

from spanledger.processors.writing import write

BEFORE: dict[str, Any] = {"a": 1, "b": "two"}
MORE: dict[str, Any] = {
    "b": "three",
    "c": 1.5,
    "d": True,
    "reasons": ("stop", "length"),
    "long": "x" * 40,
}

LIMITS = [
    SpanLimits(),
    SpanLimits(max_span_attributes=3),
    SpanLimits(max_span_attributes=6),
    SpanLimits(max_span_attributes=0),
    SpanLimits(max_span_attribute_length=10),
]


def _span(limits: SpanLimits) -> Any:
    provider = TracerProvider(span_limits=limits, shutdown_on_exit=False)
    return provider.get_tracer("t").start_span("s", attributes=BEFORE)


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_a_span_holds_what_the_sdk_would_have_set(limits: SpanLimits) -> None:
    ours, theirs = _span(limits), _span(limits)
    write(ours, MORE)
    theirs.set_attributes(MORE)
    assert dict(ours.attributes) == dict(theirs.attributes)
    assert ours.dropped_attributes == theirs.dropped_attributes


def test_a_span_that_has_ended_is_left_as_it_was() -> None:
    span = _span(SpanLimits())
    span.end()
    write(span, MORE)
    assert dict(span.attributes) == BEFORE


def test_a_span_that_is_not_recorded_takes_it_silently() -> None:
    write(INVALID_SPAN, MORE)


def test_who_wraps_the_sdks_method_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    plain = SdkSpan.set_attributes

    def watched(self: SdkSpan, attributes: Any) -> None:
        seen.append(attributes)
        plain(self, attributes)

    monkeypatch.setattr(SdkSpan, "set_attributes", watched)
    span = _span(SpanLimits())
    write(span, MORE)
    assert seen == [MORE]
    assert dict(span.attributes) == BEFORE | MORE
