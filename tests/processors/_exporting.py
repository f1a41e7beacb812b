"""Exporters, spans and records for tests."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from spanledger.processors import Books, Exporter, ExportOptions
from spanledger.processors.clean import Cleaner
from spanledger.processors.records import Record
from spanledger.processors.redaction import AllowList, redactor
from spanledger.processors.transport import transport_to

SECRET = "key-0123456789"
FAST = ExportOptions(interval_s=0.01, timeout_s=2.0, shutdown_timeout_s=2.0)
_RESOURCE = Resource({"service.name": "app"})
_ids = count(1)


def span(name: str = "chat", **attributes: Any) -> ReadableSpan:
    """A finished, sampled span."""
    number = next(_ids)
    # Of this process: those of others have their own, and forked children go on counting.
    trace_id, sampled = os.getpid() << 64 | number, TraceFlags(1)
    context = SpanContext(trace_id, number, is_remote=False, trace_flags=sampled)
    return ReadableSpan(
        name, context, attributes=attributes, start_time=1, end_time=2, resource=_RESOURCE
    )


def record(body: str = "refused") -> Record:
    """A log record of a decision."""
    return Record(1, "spanledger.guard.decision", body, True, {"spanledger.guard.rule": "r"})


def exporter_to(endpoint: str, options: ExportOptions = FAST, **environ: str) -> Exporter:
    """An exporter as the boot makes it."""
    return Exporter(
        lambda: transport_to(endpoint, environ),
        Cleaner(AllowList(), redactor([SECRET])),
        options,
        lambda: {"service.name": "app"},
    )


@contextmanager
def exporting(endpoint: str, options: ExportOptions = FAST) -> Iterator[Exporter]:
    """An exporter that is shut down at the end, and whose books must be right then."""
    exporter = exporter_to(endpoint, options)
    try:
        yield exporter
    finally:
        exporter.shutdown()
        assert_law(exporter.books())


def assert_law(books: Books) -> None:
    """Nothing is lost without being counted."""
    assert books.accepted == books.delivered + books.spooled + books.dropped
    assert books.dropped == sum(books.dropped_by_reason.values())
    assert min(books.accepted, books.delivered, books.spooled, books.dropped) >= 0
