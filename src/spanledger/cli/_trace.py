"""The waterfall on the terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from spanledger.analytics import RefusalRow, SpanNode
from spanledger.cli._waterfall import BAR_WIDTH, Line, failures, lines, refusal

_MIN_BAR = 8
_OTHER_COLUMNS = 88
_STYLES = {"session": "bold", "agent": "bold cyan", "tool": "magenta", "call": "green"}


def waterfall(
    trace_id: str, roots: Sequence[SpanNode], refused: Sequence[RefusalRow], screen_width: int
) -> RenderableType:
    """A trace for people: its tree with times, tokens and cost, and what went wrong."""
    # What the tree needs comes first; the bars get what is left.
    bar_width = max(_MIN_BAR, min(BAR_WIDTH, screen_width - _OTHER_COLUMNS))
    table = Table(title=f"trace {trace_id}", title_justify="left", title_style="bold", box=None)
    table.add_column("span", overflow="fold", ratio=1)
    table.add_column("time", no_wrap=True)
    for name in ("", "tokens", "cost"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines(roots, bar_width):
        style = "red" if line.failed else "yellow" if line.refused else "blue"
        table.add_row(
            _label(line), Text(line.bar, style=style), line.duration, line.tokens, line.cost
        )
    return Group(
        table,
        *_section("what went wrong", failures(roots), "red"),
        *_section("what the guard refused", [refusal(row) for row in refused], "yellow"),
    )


def _section(title: str, sentences: Sequence[str], style: str) -> list[Text]:
    if not sentences:
        return []
    lines = [Text(f"  {sentence}", style=style) for sentence in sentences]
    return [Text(f"\n{title}", style="bold"), *lines]


def _label(line: Line) -> Text:
    text = Text(line.guide, style="dim")
    text.append(line.label, style=f"not dim {_STYLES.get(line.kind, '')}".strip())
    if line.note:
        mark = "⊘" if line.refused else "✗"
        text.append(
            f" {mark} {line.note}", style="not dim yellow" if line.refused else "not dim red"
        )
    return text
