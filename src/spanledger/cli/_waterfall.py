"""A trace as rows of a waterfall. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from spanledger.analytics import RefusalRow, SpanNode, SpanRow
from spanledger.cli._format import harmless, show_cost, show_count, show_duration, show_usd

BAR_WIDTH = 28
_LONGEST_REASON = 300
_NANO = Decimal(10) ** -9
_FULL, _EMPTY = "█", "·"
_WHOLE = frozenset({"", "complete", "completed"})


@dataclass(frozen=True, slots=True)
class Line:
    """One span, in words."""

    guide: str
    """The lines that draw the tree."""
    kind: str
    label: str
    note: str
    """What went wrong, if anything did."""
    bar: str
    duration: str
    tokens: str
    cost: str
    failed: bool
    refused: bool


def lines(roots: Sequence[SpanNode], width: int = BAR_WIDTH) -> list[Line]:
    """The rows of all trees of a trace."""
    spans = [node.span for root in roots for _, node in root.walk()]
    begin = min(span.start_ns for span in spans)
    total = max(span.start_ns + span.duration_ns for span in spans) - begin
    return [
        _line(node, guide, bar(node.span.start_ns - begin, node.span.duration_ns, total, width))
        for root in roots
        for guide, node in _guided(root)
    ]


def bar(start_ns: int, duration_ns: int, total_ns: int, width: int) -> str:
    """A bar of `width` characters, at least one of them full."""
    if total_ns <= 0:
        return _FULL * width
    first = min(width - 1, start_ns * width // total_ns)
    last = min(width, max(first + 1, -(-(start_ns + duration_ns) * width // total_ns)))
    return _EMPTY * first + _FULL * (last - first) + _EMPTY * (width - last)


def _guided(root: SpanNode) -> Iterator[tuple[str, SpanNode]]:
    pending: list[tuple[str, str, SpanNode]] = [("", "", root)]
    while pending:
        guide, below, node = pending.pop()
        yield guide, node
        for child in reversed(node.children):
            last = child is node.children[-1]
            pending.append(
                (below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "), child)
            )


def _line(node: SpanNode, guide: str, drawn: str) -> Line:
    span = node.span
    refused = span.is_refused
    return Line(
        guide=guide,
        kind=span.what,
        label=label(span),
        note=_note(span),
        bar=drawn,
        duration=show_duration(span.duration_ns / 1e9),
        tokens=show_count(node.tokens) if node.calls else "",
        cost=_cost(node),
        failed=span.failed,
        refused=refused,
    )


def label(span: SpanRow) -> str:
    """What the span stands for, in a word or two."""
    named = {
        "session": f"session {span.session_id}",
        "agent": f"agent {span.agent}",
        "tool": f"tool {span.tool}",
        "call": f"{span.operation} {span.model}",
    }
    return harmless(named.get(span.what, span.name))


def _note(span: SpanRow) -> str:
    if span.is_refused:
        return harmless(f"refused by {span.rule or span.reason or 'the guard'}")
    if span.failed:
        return harmless(span.error_type or "error")
    return "" if span.stream_outcome in _WHOLE else f"stream {span.stream_outcome}"


def _cost(node: SpanNode) -> str:
    if node.span.is_refused:
        return "not sent"
    if not node.calls:
        return ""
    partly = 0 < node.unpriced_calls < node.calls
    return show_cost(node.cost_usd, node.unpriced_calls if partly else 0)


def failures(roots: Sequence[SpanNode]) -> list[str]:
    """A sentence for every span in which something went wrong first: the deepest of each chain."""
    found = []
    for root in roots:
        for _, node in root.walk():
            span = node.span
            below = any(child.span.failed for child in node.children)
            if span.failed and not span.is_refused and not below:
                found.append(f"{label(span)}: {harmless(_reason(span))[:_LONGEST_REASON]}")
    return found


def _reason(span: SpanRow) -> str:
    if span.status_message and span.error_type and span.error_type not in span.status_message:
        return f"{span.error_type}: {span.status_message}"
    return span.status_message or span.error_type or "failed"


def refusal(row: RefusalRow) -> str:
    """One refusal in a sentence."""
    if row.limit_amount is None:
        return harmless(f"{row.rule or 'the guard'}: {row.reason}")
    numbers = ", ".join(
        f"{name} {_amount(row.metric, amount)}"
        for name, amount in (
            ("limit", row.limit_amount),
            ("spent", row.spent_amount),
            ("reserved", row.reserved_amount),
            ("asked", row.asked_amount),
        )
        if amount
    )
    scope = f"{row.scope}, {row.budget_window}"
    return harmless(f"{row.rule}: {row.reason} ({scope}): {numbers}")


def _amount(metric: str, amount: Decimal) -> str:
    """Nano-USD as dollars, everything else with its unit."""
    return show_usd(amount * _NANO) if metric == "cost" else f"{amount:f} {metric}"
