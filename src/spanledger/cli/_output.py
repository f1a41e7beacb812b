"""What commands print: tables for people, JSON for programs, progress on stderr."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console

#: Where nobody's window limits it: wide enough for a trace.
_PLAIN_WIDTH = 120


def console() -> Console:
    """The console for people's output, on stdout."""
    return Console(
        width=None if sys.stdout.isatty() else _PLAIN_WIDTH,
        highlight=False,
        markup=False,  # names of agents and paths are no markup
        emoji=False,
    )


def print_json(value: object) -> None:
    """One JSON document on stdout. Money is an exact decimal in a text, unknown is null."""
    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")


def plain(value: object) -> Any:
    """`value` with dataclasses, money, times and paths as what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, date):  # a datetime is one, too
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


@contextmanager
def progress(what: str, *, lines: bool = True) -> Iterator[Callable[[str], None]]:
    """A spinner on stderr while something takes its time; call what it gives to change the text.

    Where stderr is not a terminal, each step is a line, if `lines`.
    """
    screen = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if not screen.is_terminal:
        yield lambda step: screen.print(f"… {step}", soft_wrap=True) if lines else None
        return
    with screen.status(what) as status:
        yield status.update
