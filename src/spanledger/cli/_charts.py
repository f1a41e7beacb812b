"""Charts as inline SVG: no script, no font, nothing to load. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 760, 220
_LEFT, _BOTTOM, _TOP = 64, 24, 10
_LABELS = 8


@dataclass(frozen=True, slots=True)
class Bar:
    """One step of time."""

    label: str
    amount: float
    shown: str
    """The amount in words."""
    low: float | None = None
    high: float | None = None
    """Of an expected amount: its band."""

    @property
    def expected(self) -> bool:
        """Whether it is still to come."""
        return self.high is not None


def time_chart(bars: Sequence[Bar], title: str, axis: Sequence[tuple[float, str]]) -> str:
    """Bars over time; what is expected is pale, with its band. `axis`: amounts with their words."""
    most = max([bar.high or bar.amount for bar in bars] + [amount for amount, _ in axis])
    width = (_WIDTH - _LEFT) / max(len(bars), 1)
    parts = [_line(amount / most, text) for amount, text in axis] if most else []
    every = max(1, -(-len(bars) // _LABELS))
    for number, bar in enumerate(bars):
        parts.append(_bar(bar, _LEFT + number * width, width, most or 1))
        if number % every == 0:
            parts.append(_label(_LEFT + (number + 0.5) * width, bar.label))
    return _svg(title, _HEIGHT, parts)


def share_chart(rows: Sequence[tuple[str, float, str]], title: str) -> str:
    """One bar a name: name, amount, the amount in words."""
    most = max((amount for _, amount, _ in rows), default=0) or 1
    parts = []
    for number, (name, amount, shown) in enumerate(rows):
        y = number * 28 + 4
        width = max(amount / most * (_WIDTH - 360), 1 if amount else 0)
        parts.append(
            f'<text x="200" y="{y + 15}" text-anchor="end">{escape(_short(name))}</text>'
            f'<rect class="bar" x="210" y="{y}" width="{width:.1f}" height="20" rx="2"/>'
            f'<text x="{218 + width:.1f}" y="{y + 15}">{escape(shown)}</text>'
        )
    return _svg(title, len(rows) * 28 + 8, parts)


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _y(share: float) -> float:
    return _TOP + (1 - share) * (_HEIGHT - _BOTTOM - _TOP)


def _line(share: float, text: str) -> str:
    y = _y(share)
    place = f'x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end"'
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="small" {place}>{escape(text)}</text>'
    )


def _bar(bar: Bar, x: float, width: float, most: float) -> str:
    y = _y(bar.amount / most)
    kind = "bar expected" if bar.expected else "bar"
    text = f"{bar.label}: {bar.shown}"
    drawn = (
        f'<rect class="{kind}" x="{x + width * 0.1:.1f}" y="{y:.1f}" width="{width * 0.8:.1f}" '
        f'height="{max(_y(0) - y, 0):.1f}"><title>{escape(text)}</title></rect>'
    )
    if bar.low is None or bar.high is None:
        return drawn
    middle = x + width / 2
    return drawn + (
        f'<line class="band" x1="{middle:.1f}" x2="{middle:.1f}" '
        f'y1="{_y(bar.low / most):.1f}" y2="{_y(bar.high / most):.1f}"/>'
    )


def _label(x: float, text: str) -> str:
    y = _HEIGHT - 6
    return f'<text class="small" x="{x:.1f}" y="{y}" text-anchor="middle">{escape(text)}</text>'


def _short(name: str) -> str:
    return name if len(name) <= 28 else name[:27] + "…"
