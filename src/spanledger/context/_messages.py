"""What a message says, whichever of the two dialects it is written in. Pure.

OpenAI's chat messages (``role`` of system, developer, user, assistant, tool; ``tool_calls``) and
Anthropic's (content blocks; ``tool_use`` and ``tool_result``). A message is never changed here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from spanledger.context.errors import InvalidMessage
from spanledger.usage.media import Media

Dialect = Literal["openai", "anthropic"]
Message = Mapping[str, Any]

SYSTEM_ROLES: Final = frozenset({"system", "developer"})
RESULT_ROLES: Final = frozenset({"tool", "function"})
_ROLES: Final = SYSTEM_ROLES | RESULT_ROLES | {"user", "assistant"}
_ANTHROPIC_BLOCKS: Final = frozenset(
    {"tool_use", "tool_result", "image", "document", "thinking", "redacted_thinking"}
)
_OPENAI_BLOCKS: Final = frozenset({"image_url", "input_audio", "file", "refusal"})


class View(NamedTuple):
    """One message, read."""

    role: str
    texts: tuple[str, ...]
    media: tuple[Media, ...] = ()
    calls: tuple[str, ...] = ()
    """Ids of the tool calls that it asks for."""
    answers: tuple[str, ...] = ()
    """Ids of the tool calls that it gives the results of."""
    other: bool = False
    """It holds something beside results of tools."""

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def view(message: Message, index: int = 0) -> View:
    """Read a message.

    Raises:
        InvalidMessage: it is no mapping, its role or its content is of no known kind.
    """
    role = message.get("role") if isinstance(message, Mapping) else None
    if role not in _ROLES:
        raise InvalidMessage(
            f"message {index} has the role {role!r}; a message is a dict with a role of "
            f"{', '.join(sorted(_ROLES))}"
        )
    texts: list[str] = []
    media: list[Media] = []
    calls = [*_openai_calls(message, texts)]
    answers = [_answered(message)] if role in RESULT_ROLES else []
    if name := message.get("name"):
        texts.append(str(name))
    other = False
    for block in _blocks(message.get("content"), index):
        kind = block.get("type")
        other = other or kind != "tool_result"
        if kind == "tool_use":
            calls.append(str(block.get("id")))
        elif kind == "tool_result":
            answers.append(str(block.get("tool_use_id")))
        _read_block(block, kind, texts, media, index)
    return View(str(role), tuple(texts), tuple(media), tuple(calls), tuple(answers), other)


def views(messages: Sequence[Message]) -> list[View]:
    """Read all of them."""
    return [view(message, index) for index, message in enumerate(messages)]


def dialect_of(messages: Sequence[Message], model: str = "") -> Dialect:
    """Which of the two a conversation is written in; where it may be either, the model decides."""
    for message in messages:
        if message.get("role") in RESULT_ROLES | SYSTEM_ROLES or message.get("tool_calls"):
            return "openai"
        content = message.get("content")
        if isinstance(content, list):
            kinds = {block.get("type") for block in content if isinstance(block, Mapping)}
            if kinds & _ANTHROPIC_BLOCKS:
                return "anthropic"
            if kinds & _OPENAI_BLOCKS:
                return "openai"
    return "anthropic" if "claude" in model.lower() else "openai"


def system_texts(system: str | Sequence[Mapping[str, Any]] | None) -> tuple[str, ...]:
    """The texts of a system prompt that is sent beside the messages, as Anthropic has it."""
    if system is None:
        return ()
    if isinstance(system, str):
        return (system,)
    return tuple(str(block.get("text", "")) for block in system)


def as_blocks(content: Any) -> list[dict[str, Any]]:
    """The content of a message as a list of blocks."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(content or ())


def transcript(messages: Sequence[Message]) -> list[str]:
    """Each message as a line or more that a reader (or a summariser) understands."""
    return [f"{_speaker(seen)}: {seen.text}".strip() for seen in views(messages)]


def _speaker(seen: View) -> str:
    if seen.answers:
        return "tool result"
    return f"{seen.role} (calls tools)" if seen.calls else seen.role


def _blocks(content: Any, index: int) -> Iterator[Mapping[str, Any]]:
    if content is None:
        return
    if isinstance(content, str):
        if content:
            yield {"type": "text", "text": content}
        return
    if not isinstance(content, Sequence):
        raise InvalidMessage(
            f"the content of message {index} is of {type(content).__name__}; "
            "it must be a text, or a list of content blocks"
        )
    for block in content:
        if isinstance(block, str):
            yield {"type": "text", "text": block}
        elif isinstance(block, Mapping):
            yield block
        else:
            raise InvalidMessage(
                f"message {index} holds a block of {type(block).__name__}; "
                "a content block is a dict with a type"
            )


def _read_block(
    block: Mapping[str, Any], kind: Any, texts: list[str], media: list[Media], index: int
) -> None:
    if kind in {"text", "input_text", "output_text"}:
        texts.append(str(block.get("text") or ""))
    elif kind == "tool_use":
        texts += [str(block.get("name") or ""), compact(block.get("input"))]
    elif kind == "tool_result":
        for inner in _blocks(block.get("content"), index):
            _read_block(inner, inner.get("type"), texts, media, index)
    elif kind == "thinking":
        texts.append(str(block.get("thinking") or ""))
    elif kind in {"image", "image_url"}:
        media.append(Media("image", _size(block)))
    elif kind in {"input_audio", "audio"}:
        media.append(Media("audio", _size(block)))
    elif kind in {"file", "document"}:
        media.append(Media("file", _size(block)))
    else:
        texts.append(compact({key: value for key, value in block.items() if key != "type"}))


def _size(block: Mapping[str, Any]) -> int:
    """The length of what is sent in place (base64); 0 for an address or a file's id."""
    for key in ("source", "input_audio", "file", "audio"):
        inner = block.get(key)
        if isinstance(inner, Mapping):
            data = inner.get("data") or inner.get("file_data") or ""
            return len(data) if isinstance(data, str) else 0
    return 0


def _openai_calls(message: Message, texts: list[str]) -> Iterator[str]:
    for call in message.get("tool_calls") or ():
        function = call.get("function") or call.get("custom") or {}
        arguments = function.get("arguments", function.get("input"))
        texts.append(str(function.get("name") or ""))
        texts.append(arguments if isinstance(arguments, str) else compact(arguments))
        yield str(call.get("id"))
    if legacy := message.get("function_call"):
        texts += [str(legacy.get("name") or ""), str(legacy.get("arguments") or "")]
        yield f"function:{legacy.get('name')}"


def _answered(message: Message) -> str:
    if message["role"] == "function":
        return f"function:{message.get('name')}"
    return str(message.get("tool_call_id"))


def compact(value: Any) -> str:
    """A value as the JSON that would be sent."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
