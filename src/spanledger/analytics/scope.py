"""Whom a question is about. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

ScopeKind = Literal[
    "all", "service", "agent", "operation", "provider", "model", "session", "user", "tool"
]
SCOPE_KINDS: tuple[ScopeKind, ...] = get_args(ScopeKind)

#: Names are what programs call things; what is longer is a mistake, and would be quoted at length.
LONGEST_NAME = 1000
_SHOWN = 60


class UnknownName(ValueError):
    """Nothing of this name is recorded."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One agent, session, model …; by default everything.

    Raises:
        ValueError: there is no such kind, the name is missing or too long.
    """

    by: ScopeKind = "all"
    name: str = ""

    def __post_init__(self) -> None:
        if self.by not in SCOPE_KINDS:
            raise ValueError(
                f"there is no scope {shown(self.by)}; choose one of {', '.join(SCOPE_KINDS)}"
            )
        if len(self.name) > LONGEST_NAME:
            raise ValueError(
                f"a name of {len(self.name):,} characters is no {self.by}; give one of at most "
                f"{LONGEST_NAME:,}"
            )
        if self.by == "all" and self.name:
            raise ValueError(f"say what {shown(self.name)} is: an agent, a session, a model …")

    def __str__(self) -> str:
        if self.by == "all":
            return "everything"
        return f"{self.by} {shown(self.name)}"


def shown(name: str) -> str:
    """A name as an error message quotes it."""
    return repr(name if len(name) <= _SHOWN else name[:_SHOWN] + "…")


def lists(names: Mapping[ScopeKind, list[str]]) -> dict[str, list[str]]:
    """As the SQL files name them: ``agents``, ``models`` …; empty: all."""
    return {f"{kind}s": names.get(kind, []) for kind in SCOPE_KINDS if kind != "all"}


def refuse_others(names: Iterable[ScopeKind], possible: Iterable[ScopeKind], question: str) -> None:
    """Raises `ValueError`: `question` knows nothing of one of these kinds."""
    known = tuple(possible)
    for kind in names:
        if kind not in known:
            raise ValueError(f"{question} can't be narrowed to a {kind}, only to {_either(known)}")


def _either(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def names_by_kind(scopes: Iterable[Scope]) -> Mapping[ScopeKind, list[str]]:
    """The names of each kind; those of one kind are alternatives."""
    found: dict[ScopeKind, list[str]] = {}
    for scope in scopes:
        if scope.by != "all":
            found.setdefault(scope.by, []).append(scope.name)
    return found
