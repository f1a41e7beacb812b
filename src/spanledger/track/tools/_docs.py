"""What a docstring says of a function and its parameters, in Google's form. Pure."""

import inspect
import re
from collections.abc import Callable
from typing import Any

_SECTION = re.compile(r"^(Args|Arguments|Parameters):\s*$")
_ANY_SECTION = re.compile(r"^[A-Z][A-Za-z ]+:\s*$")
_PARAMETER = re.compile(r"^(\s+)\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")


def description(function: Callable[..., Any]) -> str:
    """The first paragraph, on one line."""
    first = (inspect.getdoc(function) or "").split("\n\n", 1)[0]
    return " ".join(first.split())


def parameters(function: Callable[..., Any]) -> dict[str, str]:
    """What the section ``Args`` says, by parameter."""
    lines = (inspect.getdoc(function) or "").splitlines()
    starts = [number for number, line in enumerate(lines) if _SECTION.match(line)]
    return _section(lines[starts[0] + 1 :]) if starts else {}


def _section(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name, depth = "", 0
    for line in lines:
        if _ANY_SECTION.match(line):
            break
        named = _PARAMETER.match(line)
        if named and (not name or len(named[1]) <= depth):
            name, depth = named[2], len(named[1])
            found[name] = named[3].strip()
        elif name and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found
