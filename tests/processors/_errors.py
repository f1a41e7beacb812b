"""Collecting errors in tests, and reading what was collected."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from spanledger import semconv, track
from spanledger.processors import AttributionProcessor, errors, span_end
from spanledger.testing.spans import SpanCapture, SpanDict, capture_spans

SECRET = "key-" + "0123456789"
MOST_BYTES = 32 * 1024


def redact(text: str) -> str:
    return text.replace(SECRET, "[redacted:test]")


def recorder_with(**options: bool) -> errors.ErrorRecorder:
    return errors.ErrorRecorder(redact, errors.ErrorOptions(**options))


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    recorder = recorder_with()
    span_end.install()
    errors.use(recorder)
    track.use_reporter(recorder)
    try:
        yield
    finally:
        track.use_reporter(None)
        errors.use(None)
        span_end.uninstall()


@pytest.fixture
def spans() -> Iterator[SpanCapture]:
    with capture_spans(AttributionProcessor(), as_global=True) as capture:
        yield capture


def fail(function: Callable[[], object], name: str = "work") -> BaseException:
    """What `function` raises within an operation."""
    with pytest.raises(BaseException) as caught, track.operation(name):  # noqa: PT011 - any
        function()
    return caught.value


def contexts(span: SpanDict) -> list[dict[str, Any]]:
    """The error events of a span, with their JSON read."""
    return [
        {name.removeprefix("spanledger.error."): _read(v) for name, v in e["attributes"].items()}
        for e in span["events"]
        if e["name"] == semconv.ERROR_EVENT_NAME
    ]


def _read(value: object) -> Any:
    return json.loads(value) if isinstance(value, str) and value[:1] in "[{" else value


def context_of(spans: SpanCapture, function: Callable[[], object]) -> dict[str, Any]:
    fail(function)
    [found] = contexts(spans.named("work")[-1])
    return found


def sizes(span: SpanDict) -> list[int]:
    """Bytes of each error event, names included."""
    return [
        sum(len(f"{name}{value}".encode()) for name, value in event["attributes"].items())
        for event in span["events"]
        if event["name"] == semconv.ERROR_EVENT_NAME
    ]
