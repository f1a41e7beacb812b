"""`snapshot`: a state of the program, and what has changed in it since the last time."""

import threading
import time
from collections import OrderedDict
from typing import Any, NamedTuple

from opentelemetry import trace

from spanledger import semconv
from spanledger.track._marks import as_json, open_span
from spanledger.track._reporting import reporter
from spanledger.track._scope import current_scope
from spanledger.track.differences import Differences, differences
from spanledger.track.plain import STATE, cut_text, plain

_LONGEST_LABEL = 100
_LONGEST_JSON_CHARS = 16_000
#: Sessions whose states are remembered, and labels of each.
_MOST_SESSIONS, _MOST_LABELS = 64, 16


class Snapshot(NamedTuple):
    """A state as it was recorded: a bounded copy without secrets, made of JSON's kinds."""

    label: str
    at_s: float
    """Seconds since 1970."""
    state: Any
    changes: tuple[dict[str, Any], ...] = ()
    """What changed since the last snapshot of this label in this session."""
    first: bool = True
    """There was none to compare with."""
    more_changes: bool = False
    """`changes` is not all."""


class _Memory:
    """The last snapshot of each label, of the sessions that took one last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, OrderedDict[str, Snapshot]] = OrderedDict()

    def of(self, session: str) -> list[Snapshot]:
        with self._lock:
            return list(self._sessions.get(session, {}).values())

    def put(self, session: str, label: str, at_s: float, state: Any) -> Snapshot:
        with self._lock:
            labels = self._sessions.setdefault(session, OrderedDict())
            made = _compared(label, at_s, state, labels.pop(label, None))
            labels[label] = made
            self._sessions.move_to_end(session)
            _trim(labels, _MOST_LABELS)
            _trim(self._sessions, _MOST_SESSIONS)
            return made


def _trim(table: OrderedDict[str, Any], most: int) -> None:
    while len(table) > most:
        table.popitem(last=False)


def _compared(label: str, at_s: float, state: Any, last: Snapshot | None) -> Snapshot:
    if last is None:
        return Snapshot(label, at_s, state)
    found: Differences = differences(last.state, state)
    return Snapshot(label, at_s, state, tuple(found.changes), False, found.more)


_memory = _Memory()


def snapshot(label: str, state: object) -> Snapshot:
    """Record a state of the program; take it again later to see what changed in between.

    A bounded copy is made at once, without secrets and without running any code of the objects
    in it; it is compared with the last one of the same label in the same session (or trace).
    Both go to the span that is open, and to the context of an error that comes later.

    >>> taken = snapshot("plan", {"steps": ["search"], "done": 0})
    >>> again = snapshot("plan", {"steps": ["search", "write"], "done": 1})
    >>> [change["path"] for change in again.changes]
    ['/steps/1', '/done']

    Raises `TypeError` if `label` is not a text, `ValueError` if it is empty.
    """
    if not isinstance(label, str):
        raise TypeError(f"the label of a snapshot must be a text, not {type(label).__name__}")
    if not label:
        raise ValueError("the label of a snapshot must not be empty")
    redact = reporter().redact
    label = cut_text(label, redact, _LONGEST_LABEL)
    with open_span(f"snapshot {label}") as (span, _own):
        copy = plain(state, redact, STATE)
        taken = _memory.put(_session(span), label, time.time(), copy)
        if span.is_recording():
            span.add_event(semconv.SNAPSHOT_EVENT_NAME, _attributes(taken))
    return taken


def recent_snapshots(span: trace.Span) -> list[Snapshot]:
    """The last snapshot of each label in the session, or the trace, of `span`; oldest first."""
    return _memory.of(_session(span))


def _session(span: trace.Span) -> str:
    session = current_scope().session
    if session is not None:
        return session
    trace_id = span.get_span_context().trace_id
    # Without session and trace there is still the program.
    return f"trace {trace_id:032x}" if trace_id else ""


def _attributes(taken: Snapshot) -> dict[str, str]:
    attributes = {
        semconv.SNAPSHOT_LABEL: taken.label,
        semconv.SNAPSHOT_STATE: _json(taken.state),
    }
    if not taken.first:
        attributes[semconv.SNAPSHOT_CHANGES] = _json(list(taken.changes))
    return attributes


def _json(value: Any) -> str:
    """JSON of a bounded length; what is longer is said to be so, for half of it would be none."""
    text = as_json(value)
    if len(text) <= _LONGEST_JSON_CHARS:
        return text
    return as_json(f"<{len(text)} characters of JSON, more than are recorded>")
