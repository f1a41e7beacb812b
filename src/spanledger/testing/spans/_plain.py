"""Spans as plain values, and a tree of them as text. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict


class EventDict(TypedDict):
    """One event of a span."""

    name: str
    attributes: dict[str, object]


class SpanDict(TypedDict):
    """One finished span; ids are hexadecimal, ``parent`` is the parent's name if it is known."""

    name: str
    kind: str
    """``internal``, ``client``, ``server``, ``producer`` or ``consumer``."""
    parent: str | None
    attributes: dict[str, object]
    status: str
    """``unset``, ``ok`` or ``error``."""
    status_description: str | None
    events: list[EventDict]
    trace_id: str
    span_id: str
    parent_id: str | None
    start_ns: int
    end_ns: int
    scope: str
    sampled: bool
    resource: dict[str, object]


def tree(spans: Iterable[SpanDict], *, attributes: Sequence[str] = ()) -> str:
    """The spans as an indented text, one line each, children in the order given.

    A line is the name, then ``attributes`` (those that are set) as ``name=value``, then the
    error, if any. A span whose parent is not among the spans stands at the root.
    """
    listed = list(spans)
    known = {span["span_id"] for span in listed}
    children: dict[str | None, list[SpanDict]] = {}
    for span in listed:
        parent = span["parent_id"] if span["parent_id"] in known else None
        children.setdefault(parent, []).append(span)
    lines: list[str] = []
    for root in children.get(None, []):
        lines.append(_line(root, attributes))
        _grow(lines, root, children, attributes, indent="")
    return "\n".join(lines)


def plain_attributes(attributes: Mapping[str, object] | None) -> dict[str, object]:
    """A copy with lists for tuples, so that it compares equal to what a test writes."""
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in (attributes or {}).items()
    }


def _grow(
    lines: list[str],
    span: SpanDict,
    children: Mapping[str | None, list[SpanDict]],
    attributes: Sequence[str],
    indent: str,
) -> None:
    below = children.get(span["span_id"], [])
    for child in below:
        last = child is below[-1]
        lines.append(f"{indent}{'└── ' if last else '├── '}{_line(child, attributes)}")
        _grow(lines, child, children, attributes, indent + ("    " if last else "│   "))


def _line(span: SpanDict, attributes: Sequence[str]) -> str:
    shown = [f"{n}={span['attributes'][n]}" for n in attributes if n in span["attributes"]]
    error = span["status_description"] or "" if span["status"] == "error" else None
    failed = [] if error is None else [f"ERROR: {error}" if error else "ERROR"]
    return "  ".join([span["name"], *shown, *failed])
