"""Rows of use as JSON and as tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich.table import Table

from spanledger.analytics import UsageDimension, UsageRow, UsageWindow
from spanledger.cli._format import show_cost, show_count, show_duration, show_usd
from spanledger.cli._output import plain
from spanledger.cli._tables import NONE, bar, percent, table

_MICRO = Decimal(10) ** -6
_AVERAGES = (
    "tokens", "average_cost_usd", "average_tokens", "average_duration_s", "success_rate",
)  # fmt: skip


def facts(row: UsageRow) -> dict[str, Any]:
    """A row for programs, with its averages."""
    return {**plain(row), **{name: plain(getattr(row, name)) for name in _AVERAGES}}


def short_usd(amount: Decimal | None) -> str:
    """An average, to the micro-dollar."""
    return NONE if amount is None else show_usd(amount.quantize(_MICRO))


def seconds(duration_s: float | None) -> str:
    """A duration that may not be known."""
    return NONE if duration_s is None else show_duration(duration_s)


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    show: Callable[[UsageRow], str]
    of_models: bool = False
    """Calls of tools have none."""


_COLUMNS = (
    _Column("calls", lambda row: show_count(row.calls)),
    _Column("success", lambda row: percent(row.success_rate)),
    _Column("tokens in", lambda row: show_count(row.input_tokens), of_models=True),
    _Column("cached", lambda row: show_count(row.cache_read_tokens), of_models=True),
    _Column("tokens out", lambda row: show_count(row.output_tokens), of_models=True),
    _Column("cost", lambda row: show_cost(row.cost_usd, row.unpriced_calls), of_models=True),
    _Column("a call", lambda row: short_usd(row.average_cost_usd), of_models=True),
    _Column("p50", lambda row: seconds(row.p50_s)),
    _Column("p90", lambda row: seconds(row.p90_s)),
    _Column("p99", lambda row: seconds(row.p99_s)),
)


def usage_table(by: UsageDimension, window: UsageWindow, rows: Sequence[UsageRow]) -> Table:
    """Rows of use, with a column of time if there are steps."""
    columns = [column for column in _COLUMNS if by != "tool" or not column.of_models]
    words: list[str] = [name for name in (by, window) if name not in ("all", "total")]
    return table(
        [*(words or ["total"]), *(column.name for column in columns)],
        [
            [*(_words(by, window, row) or ["all calls"]), *(column.show(row) for column in columns)]
            for row in rows
        ],
        words=max(1, len(words)),
    )


def _words(by: UsageDimension, window: UsageWindow, row: UsageRow) -> list[str]:
    return ([] if by == "all" else [row.name]) + ([] if row.start is None else [step(window, row)])


def step(window: UsageWindow, row: UsageRow) -> str:
    """The beginning of a step, as exact as its window."""
    if row.start is None:
        return ""
    forms = {"hour": "%Y-%m-%d %H:00", "month": "%Y-%m"}
    return row.start.strftime(forms.get(window, "%Y-%m-%d"))


def chart(window: UsageWindow, rows: Sequence[UsageRow], amount: Callable[[UsageRow], float],
          show: Callable[[UsageRow], str], heading: str) -> Table:  # fmt: skip
    """One bar a step."""
    most = max((amount(row) for row in rows), default=0.0)
    named = any(row.name for row in rows)
    return table(
        [*(["name"] if named else []), window, "", heading, "calls"],
        [
            [
                *([row.name] if named else []),
                step(window, row),
                bar(amount(row), most) or " ",
                show(row),
                show_count(row.calls),
            ]
            for row in rows
        ],
        words=3 if named else 2,
    )
