"""Cutting the parts of an error's context to their bytes, so that what is left is whole. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Sizes(NamedTuple):
    """The most UTF-8 bytes of each part. With the names they stay below 32 KB."""

    chain: int = 5000
    frames: int = 9000
    locals: int = 8500
    path: int = 4000
    snapshots: int = 3000
    details: int = 1500

    def at_most(self, limit: int | None) -> "Sizes":
        """The same where the SDK cuts attributes at `limit` characters: half a JSON is none."""
        if limit is None:
            return self
        return Sizes(*(min(size, limit) for size in self))


def encoded(value: Any) -> str:
    """A plain value as JSON that any exporter can encode."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()


def size_of(text: str) -> int:
    """Bytes of a text on the wire."""
    return len(text.encode("utf-8", "replace"))


def fitting(items: Sequence[Any], most: int) -> str:
    """A JSON list of the first items that fit, with a note on how many do not."""
    texts: list[str] = []
    left = most - 30  # brackets, and the note
    for item in items:
        text = encoded(item)
        left -= size_of(text) + 1
        if left < 0:
            texts.append(encoded({"left_out": len(items) - len(texts)}))
            break
        texts.append(text)
    return f"[{','.join(texts)}]"


def fitting_names(names: Mapping[str, Any], most: int) -> dict[str, Any]:
    """The entries of a mapping that fit; what is too large itself is left out and said to be."""
    kept: dict[str, Any] = {}
    left = most
    for name, value in names.items():
        cost = size_of(encoded({name: value}))
        if cost > left:
            value, cost = "…", len(name) + 10  # noqa: PLW2901 - this value does not fit
        if cost > left:
            break
        left -= cost
        kept[name] = value
    return kept
