"""The report as Markdown. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from spanledger.analytics import UsageRow
from spanledger.cli._format import harmless, show_about, show_count
from spanledger.cli._report_facts import ReportFacts
from spanledger.cli._report_words import headline, notes, outlook, period_of
from spanledger.cli._tables import percent
from spanledger.cli._usage import seconds, step


def report_markdown(facts: ReportFacts) -> str:
    """A page with tables."""
    return "\n".join(_lines(facts)) + "\n"


def _lines(facts: ReportFacts) -> Iterator[str]:
    yield from ("# What the agents cost", "", period_of(facts), "", f"**{headline(facts)}**", "")
    for note in notes(facts):
        yield f"- {_cell(note)}"
    if text := outlook(facts):
        yield f"- {text}"
    yield from _usage("agent", facts.agents)
    yield from _usage("model", facts.models)
    steps = [[step(facts.window, row), show_count(row.calls), show_about(row.cost_usd)]
             for row in facts.steps]  # fmt: skip
    yield from _section(f"By {facts.window}", [facts.window, "calls", "cost"], steps)
    sessions = [
        [row.session_id, row.agent, show_count(row.calls), show_about(row.cost_usd)]
        for row in facts.sessions
    ]
    yield from _section("Dearest sessions", ["session", "agent", "calls", "cost"], sessions)
    found = [[f"{row.at:%Y-%m-%d %H:%M}", row.reason] for row in facts.anomalies]
    yield from _section("What stands out", ["when", "what"], found)


def _usage(by: str, rows: Sequence[UsageRow]) -> Iterator[str]:
    headings = [by, "calls", "success", "tokens in", "tokens out", "cost", "p90"]
    yield from _section(f"By {by}", headings, [_usage_cells(row) for row in rows])


def _usage_cells(row: UsageRow) -> list[str]:
    return [
        row.name or "(none)",
        show_count(row.calls),
        percent(row.success_rate),
        show_count(row.input_tokens),
        show_count(row.output_tokens),
        show_about(row.cost_usd),
        seconds(row.p90_s),
    ]


def _section(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    if lines:
        yield from ("", f"## {title}", "", f"| {' | '.join(headings)} |")
        yield f"|{' --- |' * len(headings)}"
        yield from lines


def _cell(text: str) -> str:
    """Names come from anywhere: none may become a column, a link or HTML."""
    found = harmless(text)
    for mark in "\\|<>[]`*_":
        found = found.replace(mark, "\\" + mark)
    return found
