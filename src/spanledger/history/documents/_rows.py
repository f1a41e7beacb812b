"""What the documents have in common: the rows of a chain. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spanledger.history.action import Action
from spanledger.history.chain import Link
from spanledger.history.texts import Texts, duration, money

COLUMNS = ("when", "action", "status", "took", "agent", "cost_column", "arguments", "result")


@dataclass(frozen=True, slots=True)
class Row:
    """One action, in words."""

    depth: int
    action: Action
    cells: tuple[str, ...]
    """One for each of `COLUMNS`."""


def rows(roots: Iterable[Link], texts: Texts) -> Iterator[Row]:
    """The actions of the chains in their order."""
    for root in roots:
        for depth, action in root.walk():
            yield Row(depth, action, _cells(action, texts))


def commands(roots: Iterable[Link]) -> list[str]:
    """What was wanted, each once, in their order."""
    found = (action.command for root in roots for _, action in root.walk())
    return list(dict.fromkeys(command for command in found if command))


def headings(texts: Texts) -> list[str]:
    return [texts.say(name) for name in COLUMNS]


def why(action: Action) -> str:
    """What went wrong, in short; empty if nothing did."""
    if action.reason:
        return f"{action.reason} ({action.rule})" if action.rule else action.reason
    return action.error_type or action.message if action.failed else ""


def _cells(action: Action, texts: Texts) -> tuple[str, ...]:
    wrong = why(action)
    status = texts.status(action.status)
    cost = "" if action.cost_nano_usd is None else money(action.cost_nano_usd)
    return (
        f"{action.started_at:%Y-%m-%d %H:%M:%S}",
        f"{texts.kind(action.kind)} {action.name}".strip(),
        f"{status}: {wrong}" if wrong else status,
        duration(action.duration_s),
        action.agent,
        cost,
        action.arguments or "",
        action.result or "",
    )
