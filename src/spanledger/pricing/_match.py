"""Which model of a provider a name means. Pure; compiled from the generated file."""

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

Predicate = Callable[[str], bool]

_COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")


def predicate(clause: Sequence[Any]) -> Predicate:
    """A test on a lower-case model name. Raises ``ValueError`` for an unknown clause."""
    kind, value = clause
    match kind:
        case "equals":
            return lambda text: text == value
        case "starts_with":
            return lambda text: text.startswith(value)
        case "ends_with":
            return lambda text: text.endswith(value)
        case "contains":
            return lambda text: value in text
        case "regex":
            return _regex(value)
        case "or" | "and":
            return _combined(kind, [predicate(inner) for inner in value])
    raise ValueError(f"unknown match clause {kind!r} in the price file; regenerate it")


def _regex(pattern: str) -> Predicate:
    search = re.compile(pattern).search
    return lambda text: search(text) is not None


def _combined(kind: str, parts: list[Predicate]) -> Predicate:
    fold = any if kind == "or" else all
    return lambda text: fold(part(text) for part in parts)


class Matcher:
    """The first of an ordered list of clauses that holds for a name.

    Nearly all clauses are lists of exact names: those go into one dict, so that a provider
    with a thousand models costs one look-up and the few clauses that really need a test.
    """

    def __init__(self, clauses: Sequence[Sequence[Any]]) -> None:
        self._exact: dict[str, int] = {}
        self._tests: list[tuple[int, Predicate]] = []
        for index, clause in enumerate(clauses):
            for part in clause[1] if clause[0] == "or" else (clause,):
                if part[0] == "equals":
                    self._exact.setdefault(part[1], index)
                else:
                    self._tests.append((index, predicate(part)))

    def first(self, name: str) -> int | None:
        """The index of the first clause that holds for a lower-case ``name``, or ``None``."""
        exact = self._exact.get(name)
        for index, test in self._tests:
            if exact is not None and index > exact:
                break
            if test(name):
                return index
        return exact


def dashed_dates(name: str) -> str:
    """``gpt-5.2-20251211`` → ``gpt-5.2-2025-12-11``, as routers and lists of models write it.

    Tried only after the name itself found nothing. What is no day of the calendar stays.
    """
    return _COMPACT_DATE.sub(_dashed, name)


def _dashed(found: re.Match[str]) -> str:
    year, month, day = found.groups()
    try:
        return f"-{date(int(year), int(month), int(day)).isoformat()}"
    except ValueError:
        return found.group(0)
