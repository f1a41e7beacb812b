"""The messages of a conversation with what is known about them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spanledger.context._compression import Compression
from spanledger.context._messages import Dialect, Message, compact
from spanledger.context._summary import PREFIX, summary_message

#: A summary matters more than most of what it was made of, and may be summarised again.
_SUMMARY_PRIORITY = 0.8


@dataclass(frozen=True, slots=True)
class Entry:
    """One message and what its caller said about it."""

    message: Mapping[str, Any]
    tokens: int
    priority: float | None = None
    """Importance from 0 to 1; None: computed."""
    pinned: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_summary(self) -> bool:
        """Whether it stands for messages that are gone."""
        content = self.message.get("content")
        return isinstance(content, str) and content.startswith(PREFIX)


def pins(entries: Sequence[Entry]) -> list[int]:
    return [i for i, entry in enumerate(entries) if entry.pinned]


def priorities(entries: Sequence[Entry]) -> dict[int, float]:
    return {i: e.priority for i, e in enumerate(entries) if e.priority is not None}


def after(entries: Sequence[Entry], done: Compression, summary_tokens: int) -> list[Entry]:
    """The entries that a compression leaves, with its summary in its place."""
    staying = [entries[i] for i in done.kept]
    if done.summary is not None and done.summary_at is not None:
        place = sum(1 for i in done.kept if i < done.summary_at)
        message = summary_message(done.summary)
        staying.insert(place, Entry(message, summary_tokens, _SUMMARY_PRIORITY))
    return staying


def as_message(given: Message | object) -> dict[str, Any]:
    """A message as a dict; a client's own answer (a pydantic model) is made one.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(given, Mapping):
        return dict(given)
    dump = getattr(given, "model_dump", None)
    if callable(dump):
        made: dict[str, Any] = dump(exclude_none=True)
        return {key: made[key] for key in ("role", "content", "tool_calls", "name") if key in made}
    raise TypeError(
        f"a {type(given).__name__} is no message; give a dict with role and content, "
        "or what the client answered (a message with model_dump())"
    )


def tool_call(dialect: Dialect, call_id: str, name: str, arguments: Mapping[str, Any]) -> Message:
    """The assistant's message that asks for a tool."""
    if dialect == "anthropic":
        block = {"type": "tool_use", "id": call_id, "name": name, "input": dict(arguments)}
        return {"role": "assistant", "content": [block]}
    function = {"name": name, "arguments": compact(dict(arguments))}
    call = {"id": call_id, "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def tool_result(dialect: Dialect, call_id: str, value: object, *, failed: bool = False) -> Message:
    """The message with what a tool gave."""
    text = value if isinstance(value, str) else compact(value)
    if dialect == "openai":
        return {"role": "tool", "tool_call_id": call_id, "content": text}
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id, "content": text}
    if failed:
        block["is_error"] = True
    return {"role": "user", "content": [block]}
