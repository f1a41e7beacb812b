"""Roughly what a span takes in memory. Pure, and quick: the host's threads wait for it."""

from typing import Any

#: A span without any text: objects, numbers, ids.
_LEAST = 1000


def weigh(item: Any) -> int:
    """Bytes of a span or a record, by the lengths of its texts."""
    weight = _LEAST + _texts(getattr(item, "_attributes", None) or item.attributes)
    for event in getattr(item, "_events", ()):
        weight += _LEAST + _texts(event.attributes)
    return weight


def _texts(attributes: Any) -> int:
    if not attributes:
        return 0
    # The SDK's own dictionary inside its mapping is three times as quick to look through.
    weight = 0
    for value in getattr(attributes, "_dict", attributes).values():
        if value.__class__ is str or value.__class__ is bytes:
            weight += len(value)
        elif value.__class__ is tuple or value.__class__ is list:
            weight += sum(len(one) if one.__class__ is str else 8 for one in value)
        elif value.__class__ is dict:
            weight += _texts(value)
    return weight
