"""The few changes to a conversation that recovery makes by itself. Pure: copies are changed.

Messages are those of OpenAI's and Anthropic's chat APIs: dictionaries with a role and content.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]

_SYSTEM = frozenset({"system", "developer"})


def said_to_the_model(messages: Sequence[Message], text: str) -> list[Message]:
    """The messages with a text of the user's at the end.

    Laid onto the last message if that is the user's: some providers want roles to alternate.
    """
    if messages and messages[-1].get("role") == "user":
        last = messages[-1]
        return [*messages[:-1], {**last, "content": _longer(last.get("content"), text)}]
    return [*messages, {"role": "user", "content": text}]


def _longer(content: Any, text: str) -> Any:
    if isinstance(content, str):
        return f"{content}\n\n{text}" if content else text
    if not isinstance(content, Sequence):
        return text
    kind = "input_text" if any(_type(part) == "input_text" for part in content) else "text"
    return [*content, {"type": kind, "text": text}]


def _type(part: Any) -> str:
    return str(part.get("type", "")) if isinstance(part, Mapping) else ""


def drop_oldest(messages: Sequence[Message], keep: float) -> list[Message]:
    """The messages without the oldest turns, until about `keep` (0 to 1) of the text is left.

    What the system says and the last turn stay. A turn begins with words of the user and holds
    all that follows, so that calls of tools stay with their results.
    """
    head = [m for m in messages if m.get("role") in _SYSTEM]
    turns = _turns([m for m in messages if m.get("role") not in _SYSTEM])
    sizes = [sum(_size(m) for m in turn) for turn in turns]
    room = keep * sum(sizes)
    kept = len(turns)
    while kept > 1 and sum(sizes[-kept:]) > room:
        kept -= 1
    return [*head, *(m for turn in turns[len(turns) - kept :] for m in turn)]


def _turns(messages: Sequence[Message]) -> list[list[Message]]:
    turns: list[list[Message]] = []
    for message in messages:
        if not turns or _begins_a_turn(message):
            turns.append([])
        turns[-1].append(message)
    return turns


def _begins_a_turn(message: Message) -> bool:
    content = message.get("content")
    if message.get("role") != "user":
        return False
    parts = content if isinstance(content, Sequence) and not isinstance(content, str) else ()
    return not any(_type(part) == "tool_result" for part in parts)


def _size(message: Message) -> int:
    return len(str(message.get("content") or "")) + len(str(message.get("tool_calls") or ""))
