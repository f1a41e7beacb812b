"""The waterfall on the terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from spanledger.analytics import RefusalRow, SpanNode
from spanledger.cli._waterfall import BAR_WIDTH, Line, failures, lines, refusal

_MIN_BAR = 8
_OTHER_COLUMNS = 88
#: Where there is less room, names and money are wanted more than bars, and than tokens.
_WITH_BARS, _WITH_TOKENS = 90, 56
_PADDING = 2
_STYLES = {"session": "bold", "agent": "bold cyan", "tool": "magenta", "call": "green"}


def waterfall(
    trace_id: str, roots: Sequence[SpanNode], refused: Sequence[RefusalRow], screen_width: int
) -> RenderableType:
    """A trace for people: its tree with times, tokens and cost, and what went wrong."""
    # What the tree needs comes first; the bars get what is left.
    bar_width = max(_MIN_BAR, min(BAR_WIDTH, screen_width - _OTHER_COLUMNS))
    drawn = lines(roots, bar_width)
    wide, numbers = screen_width >= _WITH_BARS, _numbers(drawn, screen_width)
    room = screen_width - sum(max(map(len, column)) + _PADDING for column in numbers) - _PADDING
    table = Table(title=f"trace {trace_id}", title_justify="left", title_style="bold", box=None)
    table.add_column("span", overflow="fold", ratio=1)
    if wide:
        table.add_column("time", no_wrap=True)
    for name, *_ in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for line, *cells in zip(drawn, *(column[1:] for column in numbers), strict=True):
        table.add_row(*([_label(line), _bar(line)] if wide else [_cut(_label(line), room)]), *cells)
    return Group(
        table,
        *_section("what went wrong", failures(roots), "red"),
        *_section("what the guard refused", [refusal(row) for row in refused], "yellow"),
    )


def _numbers(drawn: Sequence[Line], screen_width: int) -> list[list[str]]:
    """The columns right of the tree and its bars, each with its heading."""
    time = "" if screen_width >= _WITH_BARS else "time"
    columns = [[time, *(line.duration for line in drawn)], ["cost", *(line.cost for line in drawn)]]
    if screen_width >= _WITH_TOKENS:
        columns.insert(1, ["tokens", *(line.tokens for line in drawn)])
    return columns


def _bar(line: Line) -> Text:
    return Text(line.bar, style="red" if line.failed else "yellow" if line.refused else "blue")


def _cut(label: Text, room: int) -> Text:
    """On one line, so that the tree keeps its shape; what went wrong is told below as well."""
    label.truncate(max(1, room), overflow="ellipsis")
    return label


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
