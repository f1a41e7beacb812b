"""`event`: something that happened, on the span in which it happened."""

from typing import Any

from spanledger import semconv
from spanledger.track._marks import as_json, open_span
from spanledger.track._reporting import reporter
from spanledger.track.plain import Limits, cut_text, plain

_LONGEST_NAME = 200
_MOST_ATTRIBUTES = 32
_LIMITS = Limits(depth=4, items=30, text_chars=2000, values=200, chars=8000)


def event(name: str, /, **attributes: object) -> None:
    """Note that something happened: an event on the span that is open.

    Texts, numbers and truth values stay what they are, anything else becomes JSON; both bounded
    and without secrets. They are recorded as ``spanledger.event.<name>``.

    >>> event("plan changed", steps=4, reason="the index is missing")

    Raises `TypeError` if `name` is not a text, `ValueError` if it is empty.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of an event must be a text, not {type(name).__name__}")
    if not name:
        raise ValueError("the name of an event must not be empty")
    with open_span(name) as (span, _own):
        if span.is_recording():
            redact = reporter().redact
            span.add_event(cut_text(name, redact, _LONGEST_NAME), _attributes(attributes))


def _attributes(given: dict[str, object]) -> dict[str, Any]:
    redact = reporter().redact
    shown = list(given.items())[:_MOST_ATTRIBUTES]
    return {
        semconv.EVENT_ATTRIBUTE_PREFIX + name: _value(plain(value, redact, _LIMITS, name=name))
        for name, value in shown
    }


def _value(copy: Any) -> str | bool | int | float:
    if isinstance(copy, (bool, int, float)):
        return copy
    return copy if isinstance(copy, str) else as_json(copy)
