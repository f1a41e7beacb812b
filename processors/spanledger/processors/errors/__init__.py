"""The context of an error, on the span that failed: what a person needs to understand it."""

from spanledger.processors.errors.pace import Pace
from spanledger.processors.errors.recorder import ErrorOptions, ErrorRecorder
from spanledger.processors.errors.watching import call_fails, span_fails, unwatch, use, watch

__all__ = [
    "ErrorOptions",
    "ErrorRecorder",
    "Pace",
    "call_fails",
    "span_fails",
    "unwatch",
    "use",
    "watch",
]
