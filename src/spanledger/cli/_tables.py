"""Plain tables: the first columns are words, the others numbers."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from spanledger.cli._format import harmless

NONE = "–"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> Table:
    """Rows of texts under their headings; the first `words` columns stand left."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for number, heading in enumerate(headings):
        if number < words:
            found.add_column(heading, overflow="fold", min_width=10)
        else:
            found.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        found.add_row(*(_word(cell) for cell in row[:words]), *row[words:])
    return found


def _word(cell: str) -> Text:
    return Text(harmless(cell)) if cell else Text("(none)", style="dim")


def percent(share: float | None) -> str:
    """``12.3 %``."""
    return NONE if share is None else f"{share * 100:.1f} %"


def bar(amount: float, most: float, width: int = 24) -> str:
    """A bar of blocks; the smallest amount above 0 is seen."""
    if amount <= 0 or most <= 0:
        return ""
    eighths = max(1, round(amount / most * width * 8))
    whole, rest = divmod(eighths, 8)
    return "█" * whole + " ▏▎▍▌▋▊▉"[rest].strip()
