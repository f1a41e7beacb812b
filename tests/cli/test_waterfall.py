"""The waterfall of a trace on terminals of any width."""

import io
from dataclasses import fields
from typing import Any

import pytest
from rich.console import Console

from spanledger.analytics import SpanRow, build_trees
from spanledger.cli._trace import waterfall

_S = 1_000_000_000
_NUMBERS = {"start_ns": 0, "duration_ns": _S}


def _span(span_id: str, parent: str, **told: Any) -> SpanRow:
    empty: dict[str, Any] = {
        field.name: None if "None" in str(field.type) else "" for field in fields(SpanRow)
    }
    given = {"span_id": span_id, "parent_span_id": parent, "name": span_id, **told}
    return SpanRow(**{**empty, **_NUMBERS, **given})


def _told(width: int) -> list[str]:
    spans = [
        _span("1", "", kind="session", session_id="support-1234", duration_ns=5 * _S),
        _span("2", "1", operation="invoke_agent", agent="planner", duration_ns=4 * _S),
        _span(
            "3", "2", operation="chat", model="gpt-4.1-mini", input_tokens=1200, output_tokens=80,
            cost_nano_usd=608_000,
        ),
        _span(
            "4", "2", operation="execute_tool", tool="track_parcel", status="Error",
            error_type="TimeoutError", status_message="no answer", start_ns=3 * _S,
        ),
        _span(
            "5", "1", operation="chat", model="claude", billing="refused", rule="session-cost",
            start_ns=4 * _S,
        ),
    ]  # fmt: skip
    screen = Console(width=width, file=io.StringIO(), highlight=False, markup=False, emoji=False)
    screen.print(waterfall("a" * 32, build_trees(spans), [], width))
    text: str = screen.file.getvalue()  # type: ignore[attr-defined]  # a StringIO, see above
    return text.splitlines()


@pytest.mark.parametrize("width", [40, 50, 56, 60, 80, 89, 90, 100, 120, 200])
def test_the_tree_keeps_its_shape_and_the_lines_their_width(width: int) -> None:
    lines = _told(width)
    assert max(map(len, lines)) <= width
    for start in ("session support", "├─ agent pl", "│  ├─ chat g", "│  └─ tool t", "└─ chat c"):
        assert any(line.strip().startswith(start) for line in lines), start
    assert any("$0.000608" in line and "│  ├─ chat" in line for line in lines)


def test_bars_and_then_tokens_give_way_to_names_and_money() -> None:
    assert "█" in "".join(_told(120))
    medium = "\n".join(_told(80))
    assert "█" not in medium
    assert "✗ TimeoutError" in medium
    assert "1,280" in medium
    assert "1,280" not in "\n".join(_told(40))


def test_what_went_wrong_is_told_below_at_every_width() -> None:
    for width in (40, 80, 120):
        text = " ".join("\n".join(_told(width)).split())
        assert "track_parcel: TimeoutError: no answer" in text
