"""The report as tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from spanledger.analytics import CostRow, Totals
from spanledger.cli._format import counted, harmless, show_cost, show_count


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of counts; those that are not always there are left out when they are all 0."""

    name: str
    count: Callable[[CostRow], int]
    always: bool = True
    style: str = ""


_COLUMNS = (
    _Column("calls", attrgetter("calls")),
    _Column("failed", attrgetter("failed_calls"), always=False, style="red"),
    _Column("refused", attrgetter("refused_calls"), always=False, style="yellow"),
    _Column("tokens in", attrgetter("input_tokens")),
    _Column("cached", attrgetter("cache_read_tokens"), always=False),
    _Column("tokens out", attrgetter("output_tokens")),
)


def report(rows: Mapping[str, Sequence[CostRow]], total: Totals) -> RenderableType:
    """One table for each dimension, and a sentence with the totals."""
    return Group(*(part for by, group in rows.items() for part in (_table(by, group), "")),
                 _summary(total))  # fmt: skip


def _table(by: str, rows: Sequence[CostRow]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(f"by {by}", overflow="fold", min_width=18)
    columns = [c for c in _COLUMNS if c.always or any(c.count(row) for row in rows)]
    for column in columns:
        table.add_column(column.name, justify="right", no_wrap=True, style=column.style)
    table.add_column("cost", justify="right")
    for row in rows:
        name = Text(harmless(row.name)) if row.name else Text("(none)", style="dim")
        cost = show_cost(row.cost_usd, row.unpriced_calls) if row.calls else "–"
        table.add_row(name, *(show_count(column.count(row)) for column in columns), cost)
    return table


def _summary(total: Totals) -> Text:
    text = Text("total ", style="bold")
    text.append(show_cost(total.cost_usd, total.unpriced_calls))
    text.append(
        f"  {counted(total.calls, 'call')} ({total.failed_calls:,} failed), "
        f"{total.refused_calls:,} refused by the guard, "
        f"{counted(total.tool_calls, 'tool call')} ({total.failed_tool_calls:,} failed), "
        f"{counted(total.sessions, 'session')}, {total.input_tokens:,} tokens in "
        f"({total.cache_read_tokens:,} cached), {total.output_tokens:,} out",
        style="not bold",
    )
    if total.estimated_calls:
        text.append(f"; {total.estimated_calls:,} costs are estimates", style="not bold")
    return text
