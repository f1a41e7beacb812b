"""What one level has used: one mutable counter, and the frozen copy that people are given. Pure."""

import math
from typing import NamedTuple

#: Rates of a level that is younger than this are those of this time: seconds.
_SHORTEST_S = 1.0


class Stats(NamedTuple):
    """What one level used: all of it, a session, a tool, an operation."""

    operations: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    duration_s: float = 0.0
    """Seconds that its operations took, of those that said so."""
    first_s: float = 0.0
    """Seconds since 1970."""
    last_s: float = 0.0
    tokens_per_minute: float = 0.0
    """From its first operation until now."""

    @property
    def total_tokens(self) -> int:
        """Input and output."""
        return self.input_tokens + self.output_tokens

    @property
    def tokens_per_operation(self) -> float:
        """The mean; 0 if there was none."""
        return self.total_tokens / self.operations if self.operations else 0.0


class Counts:
    """A counter of one level. Its owner holds the lock."""

    __slots__ = (
        "duration_s",
        "first_s",
        "input_tokens",
        "last_s",
        "mark",
        "name",
        "operations",
        "output_tokens",
    )

    def __init__(self, name: tuple[str, str], mark: float = math.inf) -> None:
        self.name = name
        """Level and name of it."""
        self.mark = mark
        """The next threshold, in tokens."""
        self.operations = self.input_tokens = self.output_tokens = 0
        self.duration_s = self.last_s = 0.0
        self.first_s = math.inf

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def add(self, other: Stats) -> None:
        """Take in what another process, or an earlier one, has counted."""
        if not other.operations:
            return
        self.operations += other.operations
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.duration_s += other.duration_s
        self.first_s = min(self.first_s, other.first_s)
        self.last_s = max(self.last_s, other.last_s)

    def stats(self, now_s: float) -> Stats:
        """A copy of it as it is now."""
        if not self.operations:
            return Stats()
        total = self.input_tokens + self.output_tokens
        age_s = now_s - self.first_s
        rate = total * 60.0 / (age_s if age_s > _SHORTEST_S else _SHORTEST_S)
        return Stats(
            self.operations,
            self.input_tokens,
            self.output_tokens,
            self.duration_s,
            self.first_s,
            self.last_s,
            rate,
        )
