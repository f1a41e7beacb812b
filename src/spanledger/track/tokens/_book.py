"""Tokens by session, tool and operation, in bounded memory. Pure: the caller locks and has a clock.

Every operation is added to the counters above it at once, so that a question reads one counter.
"""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

from spanledger.track.tokens._counts import Counts, Stats

Source = Literal["tracked", "call"]
Level = Literal["global", "session", "tool", "operation"]

#: What stands for all that there is no room for.
OTHER = "(other)"
NONE = "(none)"
#: Names that are told apart on each level; leaves within one session.
_MOST_SESSIONS, _MOST_TOOLS, _MOST_OPERATIONS = 256, 256, 128
_MOST_IN_SESSION, _MOST_SERIES = 64, 1024
_LONGEST_NAME = 200


class Key(NamedTuple):
    """Where an operation counts."""

    session: str
    tool: str
    operation: str
    source: Source


class Series(NamedTuple):
    """What one series of the metric is of: sessions would be too many."""

    tool: str
    operation: str
    source: Source


class Crossed(NamedTuple):
    """A threshold that was reached."""

    level: Level
    name: str
    tokens: int
    """What the level has used."""
    limit_tokens: int


class _Session:
    __slots__ = ("counts", "leaves")

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self.leaves: dict[Key, Counts] = {}


class Book:
    """All counters of a tracker."""

    def __init__(self) -> None:
        self.marks: dict[Level, list[int]] = {}
        self.total = Counts(("global", ""))
        self.tools: dict[str, Counts] = {}
        self.operations: dict[str, Counts] = {}
        self.series: dict[Series, Counts] = {}
        self._sessions: dict[str, _Session] = {}
        self._paths: dict[Key, tuple[Counts, ...]] = {}

    # --- counting ---------------------------------------------------------------------------

    def add(
        self, key: Key, input_tokens: int, output_tokens: int, duration_s: float, now_s: float
    ) -> list[Counts] | None:
        """Count one operation; the counters that have reached a threshold by it, if any."""
        reached = None
        for counts in self._paths.get(key) or self._path(key, now_s):
            counts.operations += 1
            counts.input_tokens += input_tokens
            counts.output_tokens += output_tokens
            counts.duration_s += duration_s
            counts.last_s = now_s
            if counts.input_tokens + counts.output_tokens >= counts.mark:
                reached = [*(reached or ()), counts]
        return reached

    def _path(self, key: Key, now_s: float) -> tuple[Counts, ...]:
        """The counters above an operation; remembered where they are its very own."""
        tool = self._named(self.tools, "tool", key.tool, _MOST_TOOLS)
        operation = self._named(self.operations, "operation", key.operation, _MOST_OPERATIONS)
        session = self._session(key.session)
        series = self._of_series(Series(tool.name[1], operation.name[1], key.source))
        leaf, own = self._leaf(session, key)
        path = (self.total, session.counts, tool, operation, series, leaf)
        for counts in path:
            counts.first_s = min(counts.first_s, now_s)
        if own:
            self._paths[key] = path
        return path

    def _named(self, of: dict[str, Counts], level: Level, name: str, most: int) -> Counts:
        name = name[:_LONGEST_NAME]
        if name not in of and len(of) >= most:
            name = OTHER
        if name not in of:
            of[name] = Counts((level, name), self._first_mark(level))
        return of[name]

    def _session(self, name: str) -> _Session:
        name = name[:_LONGEST_NAME]
        found = self._sessions.get(name)
        if found is None:
            if len(self._sessions) >= _MOST_SESSIONS:
                self._forget_oldest()
            counts = Counts(("session", name), self._first_mark("session"))
            found = self._sessions[name] = _Session(counts)
        return found

    def _forget_oldest(self) -> None:
        """What it used stays counted everywhere else."""
        oldest = min(self._sessions, key=lambda name: self._sessions[name].counts.last_s)
        for key in self._sessions.pop(oldest).leaves:
            self._paths.pop(key, None)

    def _of_series(self, series: Series) -> Counts:
        if series not in self.series and len(self.series) >= _MOST_SERIES:
            series = Series(OTHER, OTHER, series.source)
        if series not in self.series:
            self.series[series] = Counts(("series", ""))
        return self.series[series]

    def _leaf(self, session: _Session, key: Key) -> tuple[Counts, bool]:
        own = max(map(len, key)) <= _LONGEST_NAME
        short = Key(
            key.session[:_LONGEST_NAME],
            key.tool[:_LONGEST_NAME],
            key.operation[:_LONGEST_NAME],
            key.source,
        )
        if short not in session.leaves and len(session.leaves) >= _MOST_IN_SESSION:
            short, own = Key(short.session, OTHER, OTHER, key.source), False
        if short not in session.leaves:
            session.leaves[short] = Counts(("leaf", ""))
        return session.leaves[short], own

    # --- thresholds -------------------------------------------------------------------------

    def set_marks(self, level: Level, limits_tokens: list[int]) -> None:
        """The thresholds of a level; those that are passed already are not told."""
        self.marks[level] = sorted(limits_tokens)
        for counts in self._of_level(level):
            counts.mark = self._next_mark(level, counts.total_tokens)

    def passed(self, counts: Counts) -> list[Crossed]:
        """The thresholds that a counter has passed since it was last asked."""
        level: Level = counts.name[0]  # type: ignore[assignment]  # only those have marks
        now = counts.total_tokens
        over = [m for m in self.marks.get(level, ()) if counts.mark <= m <= now]
        counts.mark = self._next_mark(level, now)
        return [Crossed(level, counts.name[1], now, mark) for mark in over]

    def _next_mark(self, level: Level, tokens: int) -> float:
        return next((m for m in self.marks.get(level, ()) if m > tokens), math.inf)

    def _first_mark(self, level: Level) -> float:
        return next(iter(self.marks.get(level, ())), math.inf)

    def _of_level(self, level: Level) -> Iterator[Counts]:
        if level == "global":
            yield self.total
        elif level == "session":
            yield from (session.counts for session in self._sessions.values())
        else:
            yield from (self.tools if level == "tool" else self.operations).values()

    # --- questions --------------------------------------------------------------------------

    def sessions(self) -> dict[str, Counts]:
        """The sessions that are remembered, by name."""
        return {name: session.counts for name, session in self._sessions.items()}

    def leaves(self, session: str) -> dict[Key, Counts]:
        """What one session used, as finely as it is known."""
        found = self._sessions.get(session[:_LONGEST_NAME])
        return {} if found is None else found.leaves

    def take_in(self, key: Key, stats: Stats) -> None:
        """Add what was counted elsewhere to a leaf and its session."""
        session = self._session(key.session)
        session.counts.add(stats)
        self._leaf(session, key)[0].add(stats)

    def take_in_named(self, level: Level, name: str, stats: Stats) -> None:
        """Add what was counted elsewhere to a level."""
        if level == "global":
            self.total.add(stats)
        elif level == "tool":
            self._named(self.tools, level, name, _MOST_TOOLS).add(stats)
        else:
            self._named(self.operations, level, name, _MOST_OPERATIONS).add(stats)
