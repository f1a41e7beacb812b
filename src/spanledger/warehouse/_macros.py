"""Pieces of SQL that several migrations have in common. Pure.

A source of macros holds any number of

    -- macro NAME PARAMETER PARAMETER
    … ${PARAMETER} …
    -- end

and a migration says ``${NAME: first | second}``, which stands for the text between the two lines.
A migration is what it says after that: its checksum covers the macros that it uses.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from spanledger.warehouse.errors import InvalidStatement

_MACRO = re.compile(
    r"^-- macro (?P<name>\w+)(?P<parameters>(?: \w+)*)\n(?P<text>.*?)^-- end$", re.M | re.S
)
_USE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<arguments>[^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Macro:
    """A piece of SQL, and the names in it that each use fills in."""

    parameters: tuple[str, ...]
    text: str


def macros_of(source: str) -> dict[str, Macro]:
    """The macros of a source, by their names."""
    return {
        found["name"]: Macro(tuple(found["parameters"].split()), found["text"].rstrip("\n"))
        for found in _MACRO.finditer(source)
    }


def expand(sql: str, macros: Mapping[str, Macro]) -> str:
    """The SQL with the text of each macro in place of its use.

    Raises:
        InvalidStatement: a use has more or fewer arguments than its macro has parameters.
    """

    def fill(use: re.Match[str]) -> str:
        macro = macros.get(use["name"])
        return use[0] if macro is None else _filled(use["name"], macro, use["arguments"])

    return _USE.sub(fill, sql)


def _filled(name: str, macro: Macro, arguments: str | None) -> str:
    given = [text.strip() for text in arguments.split("|")] if arguments else []
    if len(given) != len(macro.parameters):
        raise InvalidStatement(
            f"the macro {name} takes {len(macro.parameters)} arguments "
            f"({' | '.join(macro.parameters)}), not {len(given)}"
        )
    text = macro.text
    for parameter, argument in zip(macro.parameters, given, strict=True):
        text = text.replace(f"${{{parameter}}}", argument)
    return text
