"""Who takes errors in: by default only the span; once Spanledger is installed, its collector.

Rooms below may not import the collector, so it is handed in, as the guard's store is.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from opentelemetry.trace import Span

from spanledger.track._ids import new_error_id


class Reporter(Protocol):
    """Takes in errors. Neither method raises."""

    def handled(self, span: Span, error: BaseException, details: Mapping[str, Any]) -> str:
        """Record `error`, which the program has caught, on `span`; its id."""

    def redact(self, text: str) -> str:
        """`text` without secrets."""


class SpanOnly:
    """The reporter of a program in which Spanledger is not installed."""

    def handled(self, span: Span, error: BaseException, details: Mapping[str, Any]) -> str:
        with suppress(Exception):
            span.record_exception(error)
        return new_error_id()

    def redact(self, text: str) -> str:
        return text


_reporter: Reporter = SpanOnly()


def reporter() -> Reporter:
    """Who takes errors in now."""
    return _reporter


def use_reporter(reporter: Reporter | None) -> None:
    """Have errors taken in by `reporter`; None: by the span alone."""
    global _reporter
    _reporter = SpanOnly() if reporter is None else reporter
