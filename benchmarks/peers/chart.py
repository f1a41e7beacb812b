"""A horizontal bar chart as SVG that reads on light and dark pages alike."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 760, 250, 80, 26, 40


class Bar(NamedTuple):
    """One bar of the chart."""

    label: str
    value: float
    marked: bool


def _line(number: int, bar: Bar, largest: float) -> str:
    y = _TOP + number * _ROW
    length = max(1.0, (_WIDTH - _LEFT - _RIGHT) * max(0.0, bar.value) / largest)
    colour = "#e8590c" if bar.marked else "#868e96"
    shown = f"{bar.value:.2f}" if largest < 100 else f"{bar.value:.0f}"
    return (
        f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(bar.label)}</text>'
        f'<rect x="{_LEFT}" y="{y + 2}" width="{length:.1f}" height="16" rx="2" fill="{colour}"/>'
        f'<text x="{_LEFT + length + 6:.1f}" y="{y + 14}">{shown}</text>'
    )


def bars(title: str, rows: Sequence[Bar]) -> str:
    """The chart of `rows`, in their order."""
    largest = max((bar.value for bar in rows), default=1.0) or 1.0
    height = _TOP + _ROW * len(rows) + 8
    body = "\n".join(_line(number, bar, largest) for number, bar in enumerate(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'role="img" aria-label="{escape(title)}">\n'
        "<style>text{font:13px system-ui,sans-serif;fill:#495057}"
        "@media(prefers-color-scheme:dark){text{fill:#ced4da}}</style>\n"
        f'<text x="8" y="22" font-weight="600">{escape(title)}</text>\n{body}\n</svg>\n'
    )
