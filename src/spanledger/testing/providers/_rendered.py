"""A rendered reply: status, headers and the parts of the body, with how to send them. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Ending = Literal["complete", "cut", "reset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One reply on the wire. ``parts`` is one body, or one part per event of a stream."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[bytes, ...] = ()
    stream: bool = False
    ending: Ending = "complete"
    full_length: int | None = None
    """Bytes that a cut body without a stream announces and does not send."""
    delay_s: float = 0.0
    part_delay_s: float = 0.0
    hang_s: float | None = None
    """Say nothing at all for so long, then end."""


# Made once: `json.dumps` makes a new encoder for every call with options of its own.
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def json_bytes(value: Any) -> bytes:
    # A request may smuggle in half a surrogate pair, which UTF-8 cannot carry.
    return _ENCODER.encode(value).encode("utf-8", "replace")


def data_event(value: Any) -> bytes:
    """A server-sent event without a name, as OpenAI's chat streams send it."""
    return b"data: " + json_bytes(value) + b"\n\n"


def named_event(name: str, value: Mapping[str, Any]) -> bytes:
    """A server-sent event whose name is repeated as ``type`` in its data."""
    return b"event: %s\n" % name.encode() + data_event({"type": name, **value})


DONE = b"data: [DONE]\n\n"
