"""The results as a page of the documentation, with charts, and as text."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.peers import chart
from benchmarks.peers.candidates import BY_NAME, REFERENCES
from benchmarks.peers.parts import STEPS
from benchmarks.peers.rounds import CHUNK
from benchmarks.peers.venvs import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "pictures"
README = ROOT / "README.md"
#: What stands before and after the tables, written by hand.
FRAME = ROOT / "benchmarks" / "peers" / "page.md"
TITLES = {
    "sync": "Synchronous call",
    "async": "Asynchronous call",
    "large": "Synchronous call with 20 KB of prompt",
    "stream50": "Stream of 50 chunks",
    "stream250": "Stream of 250 chunks",
    CHUNK: "Each chunk of a stream",
}
OURS = "spanledger"


def title_of(name: str) -> str:
    return BY_NAME[name].title


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all but the first column to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rows_of(result: dict[str, Any], scenario: str) -> list[dict[str, Any]]:
    """Of one scenario; bare clients first, then by what is added."""
    rows = [row for row in result["calls_us"] if row["scenario"] == scenario]
    return sorted(rows, key=lambda row: (row["of_bare"] is not None, row["median_us"]))


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _figure(row: dict[str, Any]) -> str:
    sign = "" if row["of_bare"] is None else "+"
    digits = 2 if row["scenario"] == CHUNK else 0
    return f"{row['median_us']:{sign}.{digits}f}"


def _call_line(row: dict[str, Any]) -> list[str]:
    digits = 2 if row["scenario"] == CHUNK else 0
    spread = f"{row['low_us']:.{digits}f} … {row['high_us']:.{digits}f}"
    name = title_of(row["candidate"])
    shown = f"**{name}**" if row["candidate"].startswith(OURS) else name
    return [shown, _figure(row), spread, _ratio(row["of_bare"]), _ratio(row["of_official"])]


_CALL_HEAD = ("", "µs", "quartiles", "× bare call", "÷ official")


def _calls(result: dict[str, Any]) -> str:
    parts = []
    for scenario, title in TITLES.items():
        rows = _rows_of(result, scenario)
        parts.append(f"### {title}\n")
        parts.append(f"![{title}](pictures/benchmarks-{scenario}.svg)\n")
        parts.append(table(_CALL_HEAD, map(_call_line, rows)) + "\n")
    return "\n".join(parts)


def _starts(result: dict[str, Any]) -> str:
    rows = (
        [title_of(row["candidate"]), f"{row['cpu_ms']:.0f}", f"{row['rss_mib']:.1f}"]
        for row in result["starts"]
    )
    return table(("", "CPU, ms", "memory, MiB"), rows)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _spans(result: dict[str, Any]) -> str:
    head = (
        "",
        "spans a call",
        "tokens right, of 7",
        "cost right, of 7",
        "cached",
        "reasoning",
        "unknown model",
        "stream left",
        "HTTP status",
        "provider's code",
    )
    rows = (
        [
            title_of(row["candidate"]),
            str(row["spans"]),
            str(row["output_tokens"]),
            str(row["cost"]),
            _yes(row["cached_tokens"]),
            _yes(row["reasoning_tokens"]),
            row["unknown_model"],
            row["stream_left"],
            _yes(row["http_status"]),
            _yes(row["provider_code"]),
        ]
        for row in result["spans"]
    )
    return table(head, rows)


def _lost(result: dict[str, Any]) -> str:
    """Scenarios in which somebody adds less than we do."""
    lines = []
    for scenario, title in TITLES.items():
        by_name = {row["candidate"]: row["median_us"] for row in _rows_of(result, scenario)}
        if OURS not in by_name:
            continue
        ahead = [
            f"{title_of(name)} ({value / by_name[OURS]:.2f} of ours)"
            for name, value in by_name.items()
            if name not in REFERENCES and not name.startswith(OURS) and value < by_name[OURS]
        ]
        if ahead:
            lines.append(f"- {title}: {', '.join(ahead)}")
    return "\n".join(lines) or "None in this run."


def _parts(result: dict[str, Any]) -> str:
    """Where the time of a synchronous call of ours goes, and the floors beside it."""
    added = {row["candidate"]: row["median_us"] for row in _rows_of(result, "sync")}
    head = ("", *(title_of(name) for name in result["parts_us"]))
    by_name = {
        name: {**parts, "rest": added[name] - sum(parts[step] for step in STEPS)}
        for name, parts in result["parts_us"].items()
    }
    rows = [
        [said, *(f"{parts[name]:.1f}" for parts in by_name.values())]
        for name, said in _PARTS.items()
    ]
    return table(head, rows)


#: What the steps and floors are, for readers.
_PARTS = {
    "begin": "Read the request, open the span",
    "ask": "Estimate, and ask the limits",
    "answer": "Read the answer, price it, settle it, write and end the span",
    "rest": "The rest: two wrapped methods, and colder caches where candidates take turns",
    "span": "Floor: a bare span with the same attributes",
    "dictionary": "Floor: a dictionary with the same attributes",
}


def _versions(result: dict[str, Any]) -> str:
    rows = ([title_of(name), version] for name, version in result["versions"].items() if version)
    return table(("", "version"), rows)


def _about(result: dict[str, Any]) -> str:
    transport = {"mock": "the client's mock transport", "http": "a server on loopback"}
    return (
        f"{result['date']}, {result['machine']}; {result['rounds']} rounds of {result['calls']} "
        f"calls over {transport[result['transport']]}."
    )


def _draw(result: dict[str, Any]) -> None:
    PICTURES.mkdir(exist_ok=True)
    for scenario, title in TITLES.items():
        rows = [row for row in _rows_of(result, scenario) if row["of_bare"] is not None]
        bars = [
            chart.Bar(
                title_of(row["candidate"]), row["median_us"], row["candidate"].startswith(OURS)
            )
            for row in rows
        ]
        picture = PICTURES / f"benchmarks-{scenario}.svg"
        picture.write_text(chart.bars(f"{title}: added CPU time, µs", bars))


_SHORT = {
    "sync": "sync",
    "async": "async",
    "stream50": "stream of 50 chunks",
    CHUNK: "each chunk of a stream",
}
_BEGIN, _END = "<!-- bench:begin -->", "<!-- bench:end -->"


def figures(result: dict[str, Any]) -> str:
    """The few figures that the README shows."""
    head = (
        "added to a call, with four budgets",
        "ledger in memory, µs",
        "÷ the official OpenAI instrumentation alone",
        "ledger in its file, µs",
    )
    rows = []
    for scenario, said in _SHORT.items():
        by_name = {row["candidate"]: row for row in _rows_of(result, scenario)}
        ours, file = by_name[OURS], by_name[f"{OURS}-file"]
        rows.append([said, _figure(ours)[1:], _ratio(ours["of_official"]), _figure(file)[1:]])
    bare = next(row for row in _rows_of(result, "sync") if row["candidate"] == "bare")
    lines = (
        table(head, rows),
        "",
        f"Beside a bare call of {bare['median_us']:.0f} µs. {_about(result)}",
        "The file is the default: all processes of the machine share it. The official",
        "instrumentation holds no limits and prices nothing. [Benchmarks](docs/benchmarks.md) has",
        "every peer side by side, also where they are ahead.",
    )
    return "\n".join(lines)


def write(result: dict[str, Any]) -> None:
    """Write docs/benchmarks.md and its pictures, and the figures of the README."""
    _draw(result)
    before, _, rest = README.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    README.write_text(f"{before}{_BEGIN}\n{figures(result)}\n{_END}{after}")
    parts = {
        "about": _about(result),
        "calls": _calls(result),
        "starts": _starts(result),
        "spans": _spans(result),
        "lost": _lost(result),
        "parts": _parts(result),
        "versions": _versions(result),
    }
    text = FRAME.read_text()
    for name, part in parts.items():
        text = text.replace(f"<!-- {name} -->", part)
    PAGE.write_text(text)


def as_text(result: dict[str, Any]) -> str:
    """For the terminal."""
    lines = [_about(result)]
    for scenario, title in TITLES.items():
        lines.append(f"\n{title}")
        for row in _rows_of(result, scenario):
            name, figure, spread, bare, official = _call_line(row)
            lines.append(f"  {name.strip('*'):36} {figure:>8} {spread:>16} {bare:>6} {official:>6}")
    return "\n".join(lines)
