"""The report as one HTML file that needs nothing else. Pure."""

from collections.abc import Iterable, Sequence
from html import escape

from spanledger.analytics import UsageRow
from spanledger.cli._charts import Bar, share_chart, time_chart
from spanledger.cli._forecast import show_amount
from spanledger.cli._format import harmless, show_about, show_count
from spanledger.cli._report_facts import ReportFacts
from spanledger.cli._report_words import headline, notes, outlook, period_of
from spanledger.cli._tables import NONE, percent
from spanledger.cli._usage import seconds

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --paper: #fff; --soft: #667085; --line: #e4e7ec;
  --accent: #2563eb; --card: #f8fafc; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --paper: #12161f; --soft: #98a2b3;
  --line: #2a3140; --accent: #6d9bff; --card: #1a2030; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 820px; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin: 2.2rem 0 .6rem; font-size: 1.15rem; }
.soft { color: var(--soft); } .lead { font-size: 1.15rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .8rem;
  margin: 1.4rem 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: .7rem .9rem; } .card b { display: block; font-size: 1.3rem; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; color: var(--soft); }
th, td { padding: .3rem .5rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
td.number, th.number { text-align: right; white-space: nowrap; }
svg { width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 13px; }
svg .small { fill: var(--soft); font-size: 11px; } svg .bar { fill: var(--accent); }
svg .expected { opacity: .35; } svg .grid { stroke: var(--line); }
svg .band { stroke: var(--accent); stroke-width: 2; }
footer { margin: 3rem 0 1rem; font-size: .85rem; }
@media print { body { max-width: none; margin: 0; } }
"""


def report_html(facts: ReportFacts) -> str:
    """One page: what was spent, on whom, what is to come and what stands out."""
    body = "".join(
        [
            "<h1>What the agents cost</h1>",
            f'<p class="soft">{escape(period_of(facts))}</p>',
            f'<p class="lead">{_text(headline(facts))}</p>',
            _cards(facts),
            _over_time(facts),
            _by("agent", "Who spent it", facts.agents),
            _by("model", "On which models", facts.models),
            _list("What else to know", notes(facts)),
            _stands_out(facts),
            _sessions(facts),
            _footer(),
        ]
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Nothing in the page may load or run anything, whatever a name holds.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>What the agents cost</title><style>{_STYLE}</style></head>"
        f"<body>{body}</body></html>\n"
    )


def _text(text: str) -> str:
    return escape(harmless(text))


def _cards(facts: ReportFacts) -> str:
    total, each = facts.total, facts.outcomes.cost_per_successful_session_usd
    success = 1 - total.failed_calls / total.calls if total.calls else None
    refused = sum(row.refused for row in facts.refused)
    cards = [
        ("spent", show_about(total.cost_usd)),
        ("calls of models", show_count(total.calls)),
        ("calls that went well", percent(success)),
        ("a successful session", NONE if each is None else show_about(each)),
        ("refused by budgets", show_count(refused)),
    ]
    inner = "".join(
        f'<div class="card"><b>{escape(amount)}</b><span class="soft">{name}</span></div>'
        for name, amount in cards
    )
    return f'<div class="cards">{inner}</div>'


def _over_time(facts: ReportFacts) -> str:
    """What was, and in days also what is to come."""
    short = {"hour": "%H:00", "day": "%d %b"}[facts.window]
    bars = [
        Bar(row.start.strftime(short), float(row.cost_usd or 0), show_about(row.cost_usd))
        for row in facts.steps
        if row.start is not None
    ]
    text = ""
    if facts.window == "day" and facts.forecast.points:
        bars += [
            Bar(
                f"{day.day:%d %b}",
                day.expected,
                f"{show_amount('cost', day.expected)} expected",
                day.low,
                day.high,
            )
            for day in facts.forecast.points[1:]
        ]
        text = f'<p>{_text(outlook(facts))} <span class="soft">Pale: expected; four days of ' \
               "five lie within the line.</span></p>"  # fmt: skip
    if not bars:
        return ""
    most = max(bar.high or bar.amount for bar in bars)
    axis = [(amount, show_amount("cost", amount)) for amount in (0.0, most / 2, most)]
    return f"<h2>Cost by {facts.window}</h2>{time_chart(bars, 'Cost over time', axis)}{text}"


def _by(by: str, title: str, rows: Sequence[UsageRow]) -> str:
    if not rows:
        return ""
    shares = [
        (harmless(row.name) or "(none)", float(row.cost_usd or 0), show_about(row.cost_usd))
        for row in rows
    ]
    headings = [by, "calls", "success", "tokens in", "tokens out", "cost", "90 % within"]
    cells = [
        [
            row.name or "(none)",
            show_count(row.calls),
            percent(row.success_rate),
            show_count(row.input_tokens),
            show_count(row.output_tokens),
            show_about(row.cost_usd),
            seconds(row.p90_s),
        ]
        for row in rows
    ]
    return f"<h2>{title}</h2>{share_chart(shares, f'Cost by {by}')}{_table(headings, cells)}"


def _list(title: str, texts: Iterable[str]) -> str:
    items = "".join(f"<li>{_text(text)}</li>" for text in texts)
    return f"<h2>{title}</h2><ul>{items}</ul>" if items else ""


def _stands_out(facts: ReportFacts) -> str:
    return _list(
        "What stands out", (f"{row.at:%d %B, %H:%M}: {row.reason}" for row in facts.anomalies)
    )


def _sessions(facts: ReportFacts) -> str:
    rows = [
        [row.session_id, row.agent, show_count(row.calls), show_about(row.cost_usd)]
        for row in facts.sessions
    ]
    if not rows:
        return ""
    table = _table(["session", "agent", "calls", "cost"], rows, words=2)
    return f"<h2>Dearest sessions</h2>{table}"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    def cells(kind: str, texts: Sequence[str]) -> str:
        return "".join(
            f"<{kind}{' class=number' if number >= words else ''}>{_text(text)}</{kind}>"
            for number, text in enumerate(texts)
        )

    lines = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', headings)}</tr></thead><tbody>{lines}</tbody></table>"


def _footer() -> str:
    return (
        '<footer class="soft">Made by Spanledger out of recorded calls. Times are UTC. A call '
        "whose price is not known is never counted as $0: it is listed as unpriced.</footer>"
    )
