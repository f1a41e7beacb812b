"""What of a conversation can only stay or go as one. Pure.

A tool call and its results are one unit: a provider refuses either without the other.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from spanledger.context._messages import RESULT_ROLES, SYSTEM_ROLES, Dialect, View

Kind = Literal["system", "turn", "tools", "open", "broken"]


class Unit(NamedTuple):
    """Messages that stay or go together."""

    indexes: tuple[int, ...]
    kind: Kind
    """``open``: calls at the end whose results are still to come; ``broken``: a call without its
    result, or a result without its call, which no provider accepts."""
    first_role: str
    last_role: str


def units(seen: Sequence[View], dialect: Dialect) -> list[Unit]:
    """The units of a conversation, in its order; every message is in exactly one."""
    found: list[Unit] = []
    start = 0
    while start < len(seen):
        end = _end(seen, start, dialect)
        indexes = tuple(range(start, end))
        kind = _kind(seen, start, end)
        found.append(Unit(indexes, kind, _role(seen[start]), _role(seen[end - 1])))
        start = end
    return found


def _role(message: View) -> str:
    """Whose turn it is: results of tools are the user's."""
    return "user" if message.role in RESULT_ROLES else message.role


def _end(seen: Sequence[View], start: int, dialect: Dialect) -> int:
    end = start + 1
    if not seen[start].calls or seen[start].role != "assistant":
        return end
    while end < len(seen) and _is_result(seen[end], dialect):
        end += 1
    return end


def _is_result(message: View, dialect: Dialect) -> bool:
    if dialect == "openai":
        return message.role in RESULT_ROLES
    return message.role == "user" and bool(message.answers)


def _kind(seen: Sequence[View], start: int, end: int) -> Kind:
    head = seen[start]
    if head.role in SYSTEM_ROLES:
        return "system"
    if head.answers or (head.calls and head.role != "assistant"):
        return "broken"
    if not head.calls:
        return "turn"
    answers = [answer for message in seen[start + 1 : end] for answer in message.answers]
    return _pairing(head.calls, answers, at_end=end == len(seen))


def _pairing(calls: Sequence[str], answers: Sequence[str], *, at_end: bool) -> Kind:
    """Whether each call has its one result."""
    asked, given = set(calls), set(answers)
    if len(asked) < len(calls) or len(given) < len(answers) or given - asked:
        return "broken"
    if asked - given:
        return "open" if at_end else "broken"
    return "tools"
