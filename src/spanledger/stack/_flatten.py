"""What the flattening of all three signals shares. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from spanledger.stack._columns import Column, Numbers

_MAX_NS: Final = (1 << 63) - 1


@dataclass(slots=True)
class Table:
    """The rows of one request for one table, and what could not be stored."""

    name: str
    columns: Mapping[str, Column]
    rows: int = 0


@dataclass(slots=True)
class Flattened:
    """A request as tables. ``rejected`` counts what no row could be made of, ``reasons`` say
    why, one line a kind."""

    tables: list[Table]
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def reject(self, reason: str) -> None:
        """Count one record that can't be stored."""
        self.rejected += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1


def timestamps() -> Numbers:
    """A column of nanosecond timestamps."""
    return Numbers("DateTime64(9)", "q")


def storable_ns(value: int) -> bool:
    """Whether a timestamp fits ClickHouse's DateTime64(9), which ends in the year 2262."""
    return value <= _MAX_NS


def clamp_ns(value: int) -> int:
    """*value*, at most the last timestamp that can be stored."""
    return min(value, _MAX_NS)
