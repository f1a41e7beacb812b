"""What changed between two plain values, as a list of operations with JSON pointers. Pure."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

MOST_CHANGES = 100
_MISSING = object()


class Differences(NamedTuple):
    """`changes`: at most `MOST_CHANGES`, in the order of the values. `more`: there are others.

    A change is ``{"op": "add" | "remove" | "replace", "path": "/plan/0"}``, with `value` (what
    is there now) and `old` (what was there).
    """

    changes: list[dict[str, Any]]
    more: bool


def differences(before: object, after: object, *, most: int = MOST_CHANGES) -> Differences:
    """The changes from `before` to `after`, both made of JSON's kinds."""
    found = list(islice(_walk("", before, after), most + 1))
    return Differences(found[:most], len(found) > most)


def _walk(path: str, before: Any, after: Any) -> Iterator[dict[str, Any]]:
    if type(before) is dict and type(after) is dict:
        # The names in their order, each once.
        for name in {**before, **after}:
            yield from _walk(
                f"{path}/{_escaped(name)}", before.get(name, _MISSING), after.get(name, _MISSING)
            )
    elif type(before) is list and type(after) is list:
        for i in range(max(len(before), len(after))):
            yield from _walk(f"{path}/{i}", _item(before, i), _item(after, i))
    elif before is _MISSING:
        yield {"op": "add", "path": path, "value": after}
    elif after is _MISSING:
        yield {"op": "remove", "path": path, "old": before}
    # 1 == True == 1.0, and yet one for the other is a change.
    elif type(before) is not type(after) or before != after:
        yield {"op": "replace", "path": path, "old": before, "value": after}


def _item(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else _MISSING


def _escaped(name: str) -> str:
    """A name as a part of a pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
