"""From the messages that stay to a conversation that the provider accepts. Pure.

OpenAI takes any order of roles. Anthropic's turns alternate and begin with the user: two messages
of the user in a row become one, and where the user's message between two of the assistant's was
left out, a marker stands for it. (Two of the assistant's are not made one: thinking blocks must
stay at the beginning of theirs.)
"""

from collections.abc import Sequence
from typing import Any, Final

from spanledger.context._messages import SYSTEM_ROLES, Dialect, Message, as_blocks

MARKER: Final[dict[str, Any]] = {"role": "user", "content": "(Earlier messages were left out.)"}


def assemble(messages: Sequence[Message], dialect: Dialect) -> list[dict[str, Any]]:
    """The messages as they are to be sent. Those that need no change are passed on as they are."""
    if dialect == "openai":
        return [_plain(message) for message in messages]
    turns: list[dict[str, Any]] = []
    last = ""
    for message in messages:
        role = message["role"]
        if role in SYSTEM_ROLES:
            turns.append(_plain(message))
            continue
        if role == last == "user":
            place = max(i for i, turn in enumerate(turns) if turn["role"] == "user")
            turns[place] = _joined(turns[place], message)
            continue
        if role == "assistant" and last != "user":
            turns.append(dict(MARKER))
        turns.append(_plain(message))
        last = role
    return turns


def _plain(message: Message) -> dict[str, Any]:
    return message if isinstance(message, dict) else dict(message)


def _joined(first: Message, second: Message) -> dict[str, Any]:
    """Results of tools come first: the provider wants them right behind their calls."""
    blocks = [*as_blocks(first["content"]), *as_blocks(second["content"])]
    blocks.sort(key=lambda block: block.get("type") != "tool_result")
    return {**first, "content": blocks}
