"""Finding a rule by its name, and saying where it stands. Pure."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches

from spanledger.config import Document
from spanledger.guard.policy import Policy, Rule
from spanledger.guard.standing import Source

#: Tables of the file, and what a rule of each is called.
SAID: Mapping[str, str] = {
    "budgets": "budget",
    "rate_limits": "rate limit",
    "breakers": "breaker rule",
    "loops": "loop rule",
    "ceilings": "ceiling",
    "drifts": "drift rule",
}
_SHORTCUT = "environment-"


class AdminError(ValueError):
    """A verb that can't be done; the text says why, and what to do."""


def rule_named(policy: Policy, kind: str, name: str) -> Rule:
    """The rule of this name. Raises `AdminError` if there is none, or if it is of another kind."""
    if (found := find(policy, name)) is None:
        names = [rule.name for of, rule in policy.rules() if of == kind]
        raise AdminError(no_such(SAID[kind], name, names))
    if found[0] != kind:
        raise AdminError(f"{name!r} is a {SAID[found[0]]} and no {SAID[kind]}")
    return found[1]


def find(policy: Policy, name: str) -> tuple[str, Rule] | None:
    """The kind and the rule of this name, if there is one."""
    return next((each for each in policy.rules() if each[1].name == name), None)


def no_such(said: str, name: str, names: Collection[str]) -> str:
    """Nothing has this name; what has a name near to it, else all that there is."""
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f"there is no {said} {name!r}; did you mean {' or '.join(map(repr, near))}?"
    known = f"there is {', '.join(map(repr, names))}" if names else "there is none at all"
    return f"there is no {said} {name!r}; {known}"


def source_of(name: str, holding: Policy, document: Document) -> Source:
    """Where a rule comes from."""
    if name in holding.runtime:
        return "run time"
    if name.startswith(_SHORTCUT) and "budget" not in document.data:
        return "environment"
    return "file" if holding.source else "code"


def where(kind: str, name: str, policy: Policy, document: Document) -> str:
    """Where a rule that was not made at run time stands, and how it is taken out there."""
    source = source_of(name, policy, document)
    if source == "environment":
        return "it comes from the environment (SPANLEDGER_BUDGET_…): unset that variable"
    if source == "code":
        return "the program itself gives it: change it there"
    line = _line(kind, name, document)
    return f"it stands in {policy.source}{f', line {line}' if line else ''}: take it out there"


def _line(kind: str, name: str, document: Document) -> int | None:
    if name.startswith(_SHORTCUT):
        return document.line_of("budget")
    names = [table.get("name") for table in document.data.get(kind, [])]
    return document.line_of(kind, "name", names.index(name)) if name in names else None
