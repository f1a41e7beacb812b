"""How an assistant finds out why a session was expensive: the transcript of `docs/mcp.md`.

    python -m tests.mcp_server._transcript

runs the demo, asks the verbs through the official client, and writes the answers into the page.
Ids and times are left out, for they differ each time; nothing else is changed.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spanledger import stack
from tests.cli._program import run_cli
from tests.mcp_server._client import Assistant, over_stdio

PAGE = Path(__file__).parents[2] / "docs" / "mcp.md"
_BEGIN, _END = "<!-- transcript -->\n", "<!-- end of transcript -->\n"
_SESSION = "demo-…"


def transcript(assistant: Assistant, session: str) -> str:
    """The conversation. Numbers and names in what the assistant says are those of the answers."""
    return "\n".join(_lines(assistant, session)) + "\n"


def _lines(assistant: Assistant, session: str) -> Iterator[str]:
    yield "> **Person:** What was our most expensive session this week, and why?\n"
    report = assistant.ask("usage_get_report", since="7d")
    dearest = report["sessions"][0]
    yield _asked("usage_get_report", {"since": "7d"})
    yield _told(_of(dearest, "calls", "input_tokens", "output_tokens", "cost_usd"), session)
    yield f"> **Assistant:** `{_SESSION}`, with {dearest['calls']} calls. Who spent it?\n"

    asked = {"by": "model", "session": session}
    rows = assistant.ask("usage_get_stats", **asked)["rows"]
    yield _asked("usage_get_stats", {**asked, "session": _SESSION})
    yield _told([_of(row, "name", "calls", "tokens", "cost_usd") for row in rows], session)
    share = float(rows[0]["cost_usd"]) / float(dearest["cost_usd"])
    yield (
        f"> **Assistant:** {rows[0]['calls']} of {dearest['calls']} calls, those of "
        f"{rows[0]['name']}, are {share:.0%} of the cost. Where in the run were they?\n"
    )

    trace = assistant.ask("trace_get", session=session)
    yield _asked("trace_get", {"session": _SESSION})
    lines = [_line(row) for row in trace["rows"] if row["what"] != "other"]
    yield "```\n" + "\n".join(lines) + "\n```\n"
    (failed,) = [row for row in trace["rows"] if row["what"] == "tool" and "error_type" in row]
    yield "> **Assistant:** A tool failed in between. What came of that?\n"

    found = assistant.ask("explain", action_id=failed["action_id"])
    yield _asked("explain", {"action_id": "…"})
    sentences = [each for each in found["sentences"] if not each.startswith("It was the tool")]
    yield _told(sentences, session)

    (refused,) = trace["refusals"]
    yield "> **Assistant:** And what did the guard refuse in that run?\n"
    yield _told(
        _of(refused, "reason", "rule", "limit_amount", "spent_amount", "asked_amount"), session
    )
    cost = f"${float(dearest['cost_usd']):.4f}"
    yield (
        f"> **Assistant:** `{_SESSION}` cost {cost}, because the researcher runs on "
        f"{rows[0]['name']}: {share:.0%} of the money for {rows[0]['calls']} calls. In one of "
        f"them it had to go on after `{failed['name']}` failed ({failed['error_type']}). It "
        f"would have been more: the budget `{refused['rule']}` refused the last call, which asked "
        f"for ${float(refused['asked_amount']):.4f}."
    )


def _asked(verb: str, arguments: Mapping[str, object]) -> str:
    given = ", ".join(
        f"{name}={json.dumps(v, ensure_ascii=False)}" for name, v in arguments.items()
    )
    return f"`{verb}({given})`\n"


def _told(answer: object, session: str) -> str:
    text = json.dumps(answer, indent=2, ensure_ascii=False).replace(session, _SESSION)
    return f"```json\n{text}\n```\n"


def _of(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _line(row: Mapping[str, Any]) -> str:
    parts = [f"{'  ' * row['depth']}{row['what']} {row['name']}"]
    if "cost_usd" in row:
        parts.append(f"${row['cost_usd']}, {row['tokens']:,} tokens")
    parts += [row[name] for name in ("error_type", "message") if name in row]
    return "  ".join(parts)


def on_page(text: str) -> str:
    """The part of the page between the marks."""
    return text.split(_BEGIN)[1].split(_END, maxsplit=1)[0]


def _written(text: str, made: str) -> str:
    before, rest = text.split(_BEGIN)
    return f"{before}{_BEGIN}\n{made}\n{_END}{rest.split(_END)[1]}"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="spl-") as name:
        folder = Path(name)
        stack.start(folder, clickhouse_port=0, otlp_port=0, grpc_port=None)
        try:
            done = run_cli("demo", "--json", "--data-dir", name, cwd=folder)
            session = json.loads(done.stdout)["session"]
            with over_stdio(folder, "--data-dir", name) as assistant:
                made = transcript(assistant, session)
        finally:
            stack.stop(folder)
    PAGE.write_text(_written(PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")


if __name__ == "__main__":
    main()
