"""What was used, for people and programs: reports, and the snapshot that can be read back. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from spanledger.track.tokens._book import Book, Key, Level
from spanledger.track.tokens._counts import Counts, Stats

_VERSION = 1
_FIELDS = ("operations", "input_tokens", "output_tokens", "duration_s", "first_s", "last_s")


class Report(NamedTuple):
    """What everything used, by tool and by operation."""

    total: Stats
    tools: Mapping[str, Stats]
    operations: Mapping[str, Stats]
    sessions: int
    """How many sessions are remembered."""

    def text(self) -> str:
        """As a table, the largest first."""
        rows = (*_rows("tool", self.tools), *_rows("operation", self.operations))
        return _table((("all", self.total), *rows))


class ToolUse(NamedTuple):
    """What one tool used within a session."""

    total: Stats
    operations: Mapping[str, Stats]


class SessionReport(NamedTuple):
    """What one session used, by tool, and each tool by operation."""

    session: str
    total: Stats
    tools: Mapping[str, ToolUse]

    def text(self) -> str:
        """As a table, the largest first."""
        tools = {name: use.total for name, use in self.tools.items()}
        return _table(((f"session {self.session}", self.total), *_rows("tool", tools)))


def report_of(book: Book, now_s: float) -> Report:
    """All levels above the sessions."""
    return Report(
        book.total.stats(now_s),
        {name: counts.stats(now_s) for name, counts in book.tools.items()},
        {name: counts.stats(now_s) for name, counts in book.operations.items()},
        len(book.sessions()),
    )


def session_report_of(book: Book, session: str, now_s: float) -> SessionReport:
    """One session; all of it is 0 if nothing is remembered."""
    tools: dict[str, dict[str, Counts]] = {}
    for key, counts in book.leaves(session).items():
        operations = tools.setdefault(key.tool, {})
        of_name = operations.setdefault(key.operation, Counts(("leaf", "")))
        of_name.add(counts.stats(now_s))
    found = book.sessions().get(session)
    total = Stats() if found is None else found.stats(now_s)
    return SessionReport(session, total, {t: _tool_use(ops, now_s) for t, ops in tools.items()})


def _tool_use(operations: Mapping[str, Counts], now_s: float) -> ToolUse:
    total = Counts(("leaf", ""))
    for counts in operations.values():
        total.add(counts.stats(now_s))
    return ToolUse(total.stats(now_s), {name: c.stats(now_s) for name, c in operations.items()})


def _rows(what: str, stats: Mapping[str, Stats]) -> list[tuple[str, Stats]]:
    ordered = sorted(stats.items(), key=lambda item: -item[1].total_tokens)
    return [(f"{what} {name}", found) for name, found in ordered]


def _table(rows: Iterable[tuple[str, Stats]]) -> str:
    head = f"{'':32} {'operations':>10} {'input':>10} {'output':>10} {'tokens/min':>11}"
    lines = [
        f"{name[:32]:32} {s.operations:>10} {s.input_tokens:>10} {s.output_tokens:>10} "
        f"{s.tokens_per_minute:>11.0f}"
        for name, s in rows
    ]
    return "\n".join((head, *lines))


# --- snapshots ------------------------------------------------------------------------------


def snapshot_of(book: Book, now_s: float) -> dict[str, Any]:
    """All counters, of JSON's kinds."""
    return {
        "version": _VERSION,
        "at_s": now_s,
        "total": _numbers(book.total),
        "tools": {name: _numbers(counts) for name, counts in book.tools.items()},
        "operations": {name: _numbers(counts) for name, counts in book.operations.items()},
        "sessions": [
            [*key, _numbers(counts)]
            for session in book.sessions()
            for key, counts in book.leaves(session).items()
        ],
    }


def _numbers(counts: Counts) -> list[float]:
    first_s = counts.first_s if counts.operations else 0.0
    return [
        counts.operations, counts.input_tokens, counts.output_tokens, counts.duration_s, first_s,
        counts.last_s,
    ]  # fmt: skip


class Snapshot(NamedTuple):
    """A snapshot as it was read: checked, and not counted yet."""

    named: tuple[tuple[Level, str, Stats], ...]
    leaves: tuple[tuple[Key, Stats], ...]

    def put_into(self, book: Book) -> None:
        """Add it to what `book` has."""
        for level, name, stats in self.named:
            book.take_in_named(level, name, stats)
        for key, stats in self.leaves:
            book.take_in(key, stats)


def read_snapshot(text: str) -> Snapshot:
    """What `snapshot_of` gave, as JSON text. Raises `ValueError` for anything else."""
    try:
        found = json.loads(text)
        if found["version"] != _VERSION:
            raise ValueError(f"version {found['version']!r} is not known here ({_VERSION} is)")
        return Snapshot(tuple(_named(found)), tuple(_leaf(*row) for row in found["sessions"]))
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ValueError(f"this is no snapshot of tokens that can be read: {error!r}") from None


def _named(found: Mapping[str, Any]) -> Iterable[tuple[Level, str, Stats]]:
    yield "global", "", _stats(found["total"])
    levels: tuple[tuple[Level, str], ...] = (("tool", "tools"), ("operation", "operations"))
    for level, name in levels:
        yield from ((level, _text(one), _stats(numbers)) for one, numbers in found[name].items())


def _leaf(session: object, tool: object, operation: object, source: object, numbers: Any) -> Any:
    if source not in {"tracked", "call"}:
        raise ValueError(f"{source!r} is no source of tokens")
    key = Key(_text(session), _text(tool), _text(operation), source)
    return key, _stats(numbers)


def _stats(numbers: Any) -> Stats:
    if len(numbers) != len(_FIELDS):
        raise ValueError(f"{len(_FIELDS)} numbers are wanted ({', '.join(_FIELDS)})")
    counts, times = numbers[:3], numbers[3:]
    if not all(type(number) is int and number >= 0 for number in counts):
        raise ValueError(f"{counts} are not whole numbers from 0 on")
    if not all(type(number) in {int, float} and 0 <= number < 1e12 for number in times):
        raise ValueError(f"{times} are not seconds from 0 on")
    return Stats(*counts, *(float(number) for number in times))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
