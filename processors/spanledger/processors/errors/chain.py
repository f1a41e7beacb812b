"""The exceptions behind an exception: causes, contexts, members of groups. Pure."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from spanledger.track.plain import Redact, cut_text

MOST_LINKS = 10
_MOST_MEMBERS = 5
_MOST_NOTES = 5
_MESSAGE_CHARS = 1000
_NOTE_CHARS = 300
_SOURCE_CHARS = 300


class Link(NamedTuple):
    """One exception of a chain. Holds the exception itself: for the moment, not to be kept."""

    error: BaseException
    relation: str
    """``""`` of the first, else how it belongs to an earlier one: ``cause``, ``context``,
    ``member 1 of 3``."""


def links_of(error: BaseException) -> list[Link]:
    """The exception and those behind it, as Python itself would print them; at most ten."""
    found: list[Link] = []
    waiting = [Link(error, "")]
    seen: set[int] = set()
    while waiting and len(found) < MOST_LINKS:
        link = waiting.pop(0)
        if id(link.error) not in seen:
            seen.add(id(link.error))
            found.append(link)
            waiting = [*_behind(link.error), *waiting]
    return found


def _behind(error: BaseException) -> Iterator[Link]:
    if error.__cause__ is not None:
        yield Link(error.__cause__, "cause")
    elif error.__context__ is not None and not error.__suppress_context__:
        yield Link(error.__context__, "context")
    if issubclass(type(error), BaseExceptionGroup):
        members: tuple[BaseException, ...] = BaseExceptionGroup.exceptions.__get__(error)
        for number, member in enumerate(members[:_MOST_MEMBERS], 1):
            yield Link(member, f"member {number} of {len(members)}")


def type_name(error: BaseException) -> str:
    """Module and name of an exception's type, without the module if it is built in."""
    kind = type(error)
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def message_of(error: BaseException) -> str:
    """What an exception says. Its `__str__` is foreign code, so it may fail."""
    try:
        text = str(error)
    except Exception as failure:  # noqa: BLE001 - that is what a person has to know then
        return f"<its text can't be had: {type(failure).__qualname__}>"
    return text if issubclass(type(text), str) else ""


def link_entry(link: Link, redact: Redact, raised_at: str | None) -> dict[str, Any]:
    """One exception as plain values."""
    error = link.error
    entry: dict[str, Any] = {"type": type_name(error)}
    if link.relation:
        entry["relation"] = link.relation
    entry["message"] = cut_text(message_of(error), redact, _MESSAGE_CHARS)
    if raised_at:
        entry["raised_at"] = raised_at
    if notes := _notes(error, redact):
        entry["notes"] = notes
    if issubclass(type(error), SyntaxError):
        entry["source"] = _source_of(error, redact)
    return entry


def _notes(error: BaseException, redact: Redact) -> list[str]:
    notes = getattr(error, "__notes__", None)
    if type(notes) is not list:
        return []
    texts = (note for note in notes if issubclass(type(note), str))
    return [cut_text(note, redact, _NOTE_CHARS) for note in islice(texts, _MOST_NOTES)]


def _source_of(error: Any, redact: Redact) -> dict[str, Any]:
    """Where the text stands that Python could not read: no frame ever ran it."""
    found: dict[str, Any] = {"file": error.filename, "line": error.lineno}
    if isinstance(error.text, str):
        found["text"] = cut_text(error.text.rstrip(), redact, _SOURCE_CHARS)
    return {k: v for k, v in found.items() if isinstance(v, (str, int))}
