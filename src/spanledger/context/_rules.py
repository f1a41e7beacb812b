"""What a provider would refuse about a conversation. Pure."""

from collections.abc import Sequence

from spanledger.context._messages import SYSTEM_ROLES, Dialect, View
from spanledger.context._units import units


def problems(seen: Sequence[View], dialect: Dialect) -> list[str]:
    """One sentence for each place; empty: nothing is wrong that can be seen."""
    found = [
        f"message {unit.indexes[0]} holds tool calls without results, or results without calls"
        for unit in units(seen, dialect)
        if unit.kind == "broken"
    ]
    return found + (_turns(seen) if dialect == "anthropic" else [])


def _turns(seen: Sequence[View]) -> list[str]:
    found, last = [], ""
    for index, message in enumerate(seen):
        if message.role in SYSTEM_ROLES:
            continue
        if not last and message.role != "user":
            found.append(f"message {index} is the first and not the user's")
        if message.role == last:
            found.append(f"messages {index - 1} and {index} are both of the {last}")
        last = message.role
    return found
