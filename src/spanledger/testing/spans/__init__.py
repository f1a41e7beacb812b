"""Finished spans as plain dictionaries, and as a tree of text. Needs the OpenTelemetry SDK."""

from spanledger.testing.spans._capture import SequentialIdGenerator, SpanCapture, capture_spans
from spanledger.testing.spans._plain import EventDict, SpanDict, tree

__all__ = [
    "EventDict",
    "SequentialIdGenerator",
    "SpanCapture",
    "SpanDict",
    "capture_spans",
    "tree",
]
