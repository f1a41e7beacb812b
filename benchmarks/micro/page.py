"""The results as a table for the terminal, and as a page of the documentation."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from benchmarks.micro.plan import BY_NAME
from benchmarks.micro.rounds import Result
from benchmarks.micro.worker import ROOT
from benchmarks.peers.page import table

PAGE = ROOT / "docs" / "benchmarks-micro.md"
#: What stands before and after the tables, written by hand.
FRAME = ROOT / "benchmarks" / "micro" / "page.md"


def number(value: float) -> str:
    """Three digits that matter, without a power of ten."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def _spread(result: Result) -> str:
    return "" if result.rounds == 1 else f"{number(result.low)} … {number(result.high)}"


def _mark(result: Result) -> str:
    return "✓" if result.met else "✗"


def _target(result: Result) -> str:
    return f"{result.target:,g}{'' if result.required else ' *'}"


def _line(result: Result) -> list[str]:
    return [
        result.name,
        number(result.median),
        _spread(result),
        _target(result),
        result.unit,
        result.how,
        _mark(result),
    ]


_HEAD = ("", "measured", "quartiles", "target", "unit", "of what", "")


def _by_part(results: Sequence[Result]) -> Iterable[tuple[str, list[Result]]]:
    for part, rows in groupby(results, lambda result: result.part):
        yield BY_NAME[part].title, list(rows)


def as_text(results: Sequence[Result]) -> str:
    """For the terminal."""
    lines = []
    for title, rows in _by_part(results):
        lines.append(title)
        for row in rows:
            name, measured, spread, target, unit, how, mark = _line(row)
            shown = f"{measured:>9} {spread:>17}  ≤ {target:<8} {unit:5} {how}"
            lines.append(f"  {mark} {name:44} {shown}")
    return "\n".join([*lines, "", summary(results)])


def summary(results: Sequence[Result]) -> str:
    """How many targets are met, and the names of the rest."""
    missed = [result for result in results if not result.met]
    met = f"{len(results) - len(missed)} of {len(results)} targets met"
    return ". ".join([met, *(f"Missed: {named(result)}" for result in missed)]) + "."


def named(result: Result) -> str:
    """A result in one line."""
    measured = f"{number(result.median)} {result.unit}, target {_target(result)}"
    return f"{BY_NAME[result.part].title}, {result.name}: {measured}"


def _tables(results: Sequence[Result]) -> str:
    parts = (
        f"### {title}\n\n{table(_HEAD, map(_line, rows))}\n" for title, rows in _by_part(results)
    )
    return "\n".join(parts).rstrip()


def _missed(results: Sequence[Result]) -> str:
    lines = [f"- {named(result)}" for result in results if not result.met]
    return "\n".join(lines) or "None in this run."


def _about(about: dict[str, Any]) -> str:
    load = f"a load of {about['load']:.1f} in the quarter of an hour before and during it"
    return f"{about['date']}, {about['machine']}; up to {about['rounds']} rounds, {load}."


def made(about: dict[str, Any], results: Sequence[Result]) -> str:
    """The page."""
    parts = {
        "about": _about(about),
        "missed": _missed(results),
        "tables": _tables(results),
        "versions": table(("", "version"), about["versions"].items()),
    }
    text = FRAME.read_text()
    for name, part in parts.items():
        text = text.replace(f"<!-- {name} -->", part)
    return text
