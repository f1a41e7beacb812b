"""Rules that are made while agents run: as text for the store, and over those of the file. Pure."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spanledger.config import ConfigError, Document
from spanledger.guard._rule_tables import READERS, Entry, Rule
from spanledger.guard.policy import KINDS, Policy

__all__ = ["define", "merged", "read_definition"]

_FORM = '{"kind": …, "rule": {…}}'


def define(kind: str, table: Mapping[str, object]) -> str:
    """A rule as the store keeps it: canonical JSON, the same text for the same rule.

    `kind` is a table of the policy file (``budgets``, ``rate_limits``, …), `table` what would
    stand in it. Raises `ConfigError` if the file could not hold it either.
    """
    text = json.dumps(
        {"kind": kind, "rule": dict(table)},
        default=_plain,
        ensure_ascii=False,
        separators=(",", ":"),
        sort_keys=True,
    )
    read_definition(str(table.get("name", "")), text)
    return text


def read_definition(name: str, text: str) -> Rule:
    """The rule that `text` defines. Raises `ConfigError`, as for a rule of the file."""
    return _read(name, text)[1]


def merged(policy: Policy, definitions: Mapping[str, str]) -> Policy:
    """`policy` with the rules made at run time; they win over those of the same name.

    Raises `ConfigError` for the first definition that can't be used.
    """
    made = {name: _read(name, text) for name, text in definitions.items()}
    tables: dict[str, Any] = {kind: _with(kind, policy, made) for kind in KINDS}
    return replace(policy, runtime=frozenset(made), **tables)


def _with(kind: str, policy: Policy, made: Mapping[str, tuple[str, Rule]]) -> tuple[Rule, ...]:
    """The rules of one kind: those of the file that nothing overrides, then the others by name."""
    kept = [rule for rule in getattr(policy, kind) if rule.name not in made]
    return (*kept, *(rule for _name, (of, rule) in sorted(made.items()) if of == kind))


def _read(name: str, text: str) -> tuple[str, Rule]:
    document = Document(source=f"rule {name!r} made at run time")
    kind, table = _parts(text, document.source)
    if table.setdefault("name", name) != name:
        raise _error(document.source, "name", "is another than the rule's", table["name"], name)
    return kind, READERS[kind](Entry(kind, table, document))


def _parts(text: str, source: str) -> tuple[str, dict[str, Any]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _error(source, "(syntax)", f"not valid JSON: {error}", text, _FORM) from None
    kind, table = (found.get("kind"), found.get("rule")) if isinstance(found, dict) else (0, 0)
    if not isinstance(table, dict):
        raise _error(source, "rule", "is no table", found, _FORM)
    if kind not in KINDS:
        raise _error(source, "kind", "no such kind of rules", kind, ", ".join(KINDS))
    return str(kind), table


def _error(source: str, key: str, problem: str, found: object, allowed: str) -> ConfigError:
    return ConfigError(problem, key=key, found=found, allowed=allowed, source=source)


def _plain(value: object) -> object:
    """Values of code as a file would write them: exact amounts as text, sets in order."""
    from decimal import Decimal  # an agent only reads rules

    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} can't stand in a rule")
