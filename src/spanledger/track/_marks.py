"""The span that something is noted on: the one that is open, or a short one of its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind

from spanledger import semconv
from spanledger.track._scope import SCOPE_NAME


@contextmanager
def open_span(name: str) -> Iterator[tuple[Span, bool]]:
    """The current span, if it records; else one called `name` that ends with the block.

    And whether it is the latter.
    """
    current = trace.get_current_span()
    if current.is_recording():
        yield current, False
        return
    span = trace.get_tracer(SCOPE_NAME).start_span(
        name, kind=SpanKind.INTERNAL, attributes={semconv.SPAN_KIND: "event"}
    )
    try:
        yield span, True
    finally:
        span.end()


def as_json(value: Any) -> str:
    """A plain value as a text that any exporter can encode."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()
