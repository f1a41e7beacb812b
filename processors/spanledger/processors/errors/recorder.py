"""Takes in errors: collects what is known of one, once, and writes it on the span that failed.

An exception that passes through several spans is collected at the innermost; the others carry
its id. The id hangs on the exception itself, so no table has to be kept, and it travels with the
exception through futures and pickles.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.trace import Span

from spanledger import semconv
from spanledger.guard import SpanledgerRefusal
from spanledger.processors.errors.chain import links_of, type_name
from spanledger.processors.errors.collect import Collector, head_sites
from spanledger.processors.errors.fingerprints import fingerprint
from spanledger.processors.errors.pace import Pace
from spanledger.processors.nodes import Node, node_of
from spanledger.track import new_error_id

_log = logging.getLogger("spanledger.errors")

#: Under this name an exception carries the id of its context, and of the trace that has it.
_MARK = "__spanledger_error__"
#: Ways to leave that are no errors of a program: an id, and nothing is collected.
_NO_ERRORS = (
    SpanledgerRefusal,
    asyncio.CancelledError,
    GeneratorExit,
    KeyboardInterrupt,
    StopAsyncIteration,
    StopIteration,
    SystemExit,
)
#: Contexts on one span; what a loop records beyond them has an id only.
_MOST_EVENTS = 8


class ErrorOptions(NamedTuple):
    """What is collected."""

    locals: bool = True
    source: bool = True
    content: bool = False
    """Variables that hold prompts and answers are told in full, not in kind and size only."""


class ErrorRecorder:
    """The collector of a process; a `track.Reporter`. No method raises."""

    def __init__(
        self,
        redact: Callable[[str], str] = str,
        options: ErrorOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        pace: Pace | None = None,
    ) -> None:
        self._redact = redact
        self._clock = clock
        self._pace = pace or Pace()
        self._collector = Collector(redact, options or ErrorOptions(), os.getcwd)

    def redact(self, text: str) -> str:
        """`text` without secrets; nothing of it if that can't be done."""
        try:
            return self._redact(text)
        except Exception:  # noqa: BLE001 - a text that can't be cleaned must not be shown
            return "[redacted]"

    def handled(self, span: Span, error: BaseException, details: Mapping[str, Any]) -> str:
        """An exception that the program has caught and reports."""
        error_id = self.exception(span, error, details=details, handled=True)
        try:
            span.record_exception(error)
        except Exception:  # noqa: BLE001 - its text can't be had
            _log.debug("an exception could not be written on its span")
        return error_id

    def exception(
        self,
        span: Span,
        error: BaseException,
        *,
        details: Mapping[str, Any] | None = None,
        handled: bool = False,
    ) -> str:
        """An exception that ended `span`, or was recorded on it; its id."""
        trace_id = span.get_span_context().trace_id
        if (known := _known_id(error, trace_id)) is not None:
            _refer(span, known)
            return known
        error_id = new_error_id()
        _mark(error, error_id, trace_id)
        try:
            self._write(span, error, error_id, details or {}, handled)
        except Exception as failure:  # noqa: BLE001 - the host is in trouble already
            _refer(span, error_id)
            _log.debug("the context of error %s is not whole: %s", error_id, type(failure))
        return error_id

    def failure(self, span: SdkSpan, node: Node) -> str:
        """A span that failed without an exception (a tool that answers `isError`); its id."""
        error_id = new_error_id()
        try:
            kind = str((span.attributes or {}).get(semconv.ERROR_TYPE, "error"))
            print_ = fingerprint([kind], [(node.label, span.name)])
            _refer(span, error_id, print_)
            if self._pace.allows(self._clock()):
                found = self._collector.around(span, node)
                _add_event(span, error_id, print_, found, handled=False)
        except Exception as failure:  # noqa: BLE001 - as above
            _log.debug("the context of error %s is not whole: %s", error_id, type(failure))
        return error_id

    def _write(
        self,
        span: Span,
        error: BaseException,
        error_id: str,
        details: Mapping[str, Any],
        handled: bool,
    ) -> None:
        links = links_of(error)
        sites = head_sites(error)
        functions = [(s.module, s.code.co_qualname) for s in sites if s.is_application]
        print_ = fingerprint([type_name(link.error) for link in links], functions)
        _refer(span, error_id, print_)
        _announce(error_id, print_, error, sites[-1].place(os.getcwd()) if sites else "")
        if issubclass(type(error), _NO_ERRORS) or not self._wants_more(span):
            return
        found = self._collector.exception(span, node_of(span), links, sites, details)
        _add_event(span, error_id, print_, found, handled=handled)

    def _wants_more(self, span: Span) -> bool:
        if not span.is_recording():
            return False
        events = getattr(span, "events", ())
        there = sum(event.name == semconv.ERROR_EVENT_NAME for event in events)
        return there < _MOST_EVENTS and self._pace.allows(self._clock())


def _known_id(error: BaseException, trace_id: int) -> str | None:
    mark = _own_names(error).get(_MARK)
    if type(mark) is tuple and len(mark) == 2 and mark[1] == trace_id:
        return str(mark[0])
    return None


def _mark(error: BaseException, error_id: str, trace_id: int) -> None:
    _own_names(error)[_MARK] = (error_id, trace_id)


def _own_names(error: BaseException) -> dict[str, Any]:
    """An exception's own table: its type may forbid to set attributes (frozen dataclasses do)."""
    names = BaseException.__dict__["__dict__"].__get__(error)
    return names if type(names) is dict else {}


def _refer(span: Span, error_id: str, print_: str | None = None) -> None:
    if not span.is_recording():
        return
    if (node := node_of(span)) is not None:
        node.failure = True
    span.set_attribute(semconv.ERROR_ID, error_id)
    if print_ is not None:
        span.set_attribute(semconv.ERROR_FINGERPRINT, print_)


def _add_event(
    span: Span, error_id: str, print_: str, found: Mapping[str, str], *, handled: bool
) -> None:
    attributes: dict[str, Any] = {
        semconv.ERROR_ID: error_id,
        semconv.ERROR_FINGERPRINT: print_,
        **found,
    }
    if handled:
        attributes[semconv.ERROR_HANDLED] = True
    span.add_event(semconv.ERROR_EVENT_NAME, attributes)


def _announce(error_id: str, print_: str, error: BaseException, place: str) -> None:
    """One line for whoever reads the log: the id leads to the rest. Never the message."""
    _log.info("error %s: %s at %s (fingerprint %s)", error_id, type_name(error), place, print_)
