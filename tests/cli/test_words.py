"""Amounts, periods and waterfalls as words: the pure parts of the command line."""

import io
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from spanledger.analytics import CostRow, SpanRow, Totals, build_trees
from spanledger.cli._format import counted, harmless, show_cost, show_count, show_duration, show_usd
from spanledger.cli._output import plain
from spanledger.cli._report import report
from spanledger.cli._since import parse_since
from spanledger.cli._waterfall import bar, failures, lines

_NOW = datetime(2026, 5, 17, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "unpriced"),
        (Decimal(0), "$0.00"),
        (Decimal("0.000000001"), "$0.000000001"),
        (Decimal("12.500000000"), "$12.50"),
        (Decimal("1E+3"), "$1000.00"),
    ],
)
def test_money_is_shown_to_the_last_digit(amount: Decimal | None, text: str) -> None:
    assert show_usd(amount) == text


@given(st.integers(min_value=0, max_value=10**18))
def test_no_digit_of_an_amount_is_lost(nano_usd: int) -> None:
    amount = Decimal(nano_usd) * Decimal(10) ** -9
    assert Decimal(show_usd(amount).removeprefix("$")) == amount
    assert Decimal(plain(amount)) == amount


def test_calls_without_a_price_stand_beside_the_cost_and_never_as_zero() -> None:
    assert show_cost(Decimal("0.5"), 2) == "$0.50 + 2 unpriced"
    assert show_cost(None, 2) == "unpriced"
    assert show_cost(Decimal(0), 0) == "$0.00"


def test_counts_and_durations_are_readable() -> None:
    assert [show_count(0), show_count(12345), counted(1, "call"), counted(2, "call")] == [
        "–",
        "12,345",
        "1 call",
        "2 calls",
    ]
    assert [show_duration(s) for s in (0.0000123, 0.0123, 4.56, 187)] == [
        "12 µs",
        "12.3 ms",
        "4.56 s",
        "3 min 07 s",
    ]


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30m", timedelta(minutes=30)),
        ("24h", timedelta(hours=24)),
        (" 7D ", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_a_period_reaches_back_from_now(text: str, ago: timedelta) -> None:
    assert parse_since(text, _NOW) == _NOW - ago


def test_a_date_without_a_zone_is_utc_and_all_is_everything() -> None:
    assert parse_since("2026-05-01", _NOW) == datetime(2026, 5, 1, tzinfo=UTC)
    assert parse_since("2026-05-01T12:00+02:00", _NOW) == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert parse_since("all", _NOW) is None


@given(st.text(max_size=30))
def test_any_text_is_a_period_or_a_value_error(text: str) -> None:
    try:
        moment = parse_since(text, _NOW)
    except ValueError as error:
        message = str(error)
    else:
        message = repr(text)
        assert moment is None or moment.tzinfo is UTC
    assert repr(text) in message


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12), st.integers(1, 60))
def test_a_bar_has_its_width_and_shows_something(
    start: int, duration: int, rest: int, width: int
) -> None:
    drawn = bar(start, duration, start + duration + rest, width)
    assert len(drawn) == width
    assert "█" in drawn


def span(span_id: str, parent: str = "", *, start: int = 0, **more: Any) -> SpanRow:
    """A span that tells nothing but what is given."""
    texts = ("service", "status_message", "error_type", "kind", "operation", "agent", "tool",
             "provider", "model", "session_id", "billing", "decision", "reason", "rule",
             "provenance", "stream_outcome")  # fmt: skip
    numbers = ("input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens",
               "cost_nano_usd")  # fmt: skip
    values: dict[str, Any] = {
        "span_id": span_id,
        "parent_span_id": parent,
        "name": span_id,
        "start_ns": start,
        "duration_ns": 10,
        "status": "Unset",
        **dict.fromkeys(texts, ""),
        **dict.fromkeys(numbers),
    }
    return SpanRow(**(values | more))


def call(span_id: str, parent: str, cost: int | None, **more: Any) -> SpanRow:
    """A billed model call of 3 tokens."""
    told: dict[str, Any] = {"operation": "chat", "model": "m", "billing": "call"}
    numbers = {"input_tokens": 1, "output_tokens": 2, "cost_nano_usd": cost}
    return span(span_id, parent, **(told | numbers | more))


def test_totals_go_up_the_tree_and_each_call_counts_once() -> None:
    (root,) = build_trees(
        [
            span("a", kind="session", session_id="s"),
            span("b", "a", start=1, operation="invoke_agent", agent="planner"),
            call("c", "b", 5, start=2),
            call("d", "c", 5, start=3, billing="shadow"),
            call("e", "b", 7, start=4, billing="attempt"),
            call("f", "a", None, start=5, billing="refused"),
        ]
    )
    assert (root.calls, root.tokens, root.cost_nano_usd, root.refused_calls) == (2, 6, 12, 1)
    assert [node.span.span_id for _, node in root.walk()] == ["a", "b", "c", "d", "e", "f"]


def test_a_subtree_without_any_price_is_unpriced_and_not_free() -> None:
    (root,) = build_trees([span("a"), call("b", "a", None, provenance="unpriced")])
    assert root.cost_usd is None
    assert [line.cost for line in lines([root])] == ["unpriced", "unpriced"]


def test_a_subtree_with_some_prices_says_how_many_calls_have_none() -> None:
    (root,) = build_trees([span("a"), call("b", "a", None, start=1), call("c", "a", 5, start=2)])
    assert [line.cost for line in lines([root])] == [
        "$0.000000005 + 1 unpriced",
        "unpriced",
        "$0.000000005",
    ]


def test_a_span_whose_parent_never_came_is_a_root_of_its_own() -> None:
    roots = build_trees([span("b", "lost", start=1), span("a")])
    assert [root.span.span_id for root in roots] == ["a", "b"]


def test_a_trace_deeper_than_the_stack_of_python_is_drawn() -> None:
    spans = [span(f"{i:05}", f"{i - 1:05}" if i else "", start=i) for i in range(3000)]
    (root,) = build_trees(spans)
    assert len(lines([root])) == 3000


def test_only_the_span_in_which_an_error_began_is_named_with_it() -> None:
    failed: dict[str, Any] = {
        "status": "Error",
        "error_type": "TimeoutError",
        "status_message": "no answer",
    }
    (root,) = build_trees(
        [span("a", **failed), span("b", "a", start=1, operation="execute_tool", tool="t", **failed)]
    )
    assert failures([root]) == ["tool t: TimeoutError: no answer"]


def _row(name: str, **more: Any) -> CostRow:
    counts = dict.fromkeys(
        ("failed_calls", "unpriced_calls", "estimated_calls", "refused_calls", "input_tokens",
         "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"), 0
    )  # fmt: skip
    values: dict[str, Any] = {"name": name, "calls": 1, **counts, "cost_usd": Decimal("0.5")}
    return CostRow(**(values | more))


def _drawn(*rows: CostRow, width: int = 80) -> str:
    """The report as it stands on a screen of `width` columns."""
    amounts: dict[str, Any] = dict.fromkeys((f.name for f in fields(Totals)), 0)
    amounts["cost_usd"] = Decimal(1)
    screen = Console(width=width, file=io.StringIO(), markup=False)
    screen.print(report({"agent": rows}, Totals(**amounts)))
    return str(screen.file.getvalue())  # type: ignore[attr-defined]  # it is the StringIO above


def test_a_report_never_shows_a_missing_price_as_zero() -> None:
    text = _drawn(_row("a", cost_usd=None, unpriced_calls=1), _row("b", unpriced_calls=3))
    lines = {line.split()[0]: line for line in text.splitlines() if line}
    assert lines["a"].rstrip().endswith("unpriced")
    assert "$0.50 + 3 unpriced" in lines["b"]
    assert "$0.00" not in lines["a"] + lines["b"]


def test_columns_that_hold_only_zeros_are_left_out() -> None:
    assert "refused" not in _drawn(_row("a")).splitlines()[0]
    assert "refused" in _drawn(_row("a", refused_calls=1)).splitlines()[0]


def test_a_report_fits_eighty_columns_with_every_column_filled() -> None:
    row = _row("researcher", refused_calls=12, failed_calls=3, input_tokens=1_234_567)
    drawn = _drawn(replace(row, cache_read_tokens=999_999, output_tokens=123_456))
    assert max(map(len, drawn.splitlines())) <= 80
    assert "researcher" in drawn


@pytest.mark.parametrize("name", ["[bold]", "[/x]", ":smile:", "a\x1b[31mb", "a\nb"])
def test_names_can_not_command_the_terminal(name: str) -> None:
    drawn = _drawn(_row(name))
    assert "\x1b" not in drawn
    assert harmless(name) in drawn
    (root,) = build_trees([span("x", kind="session", session_id=name)])
    assert lines([root])[0].label == f"session {harmless(name)}"
