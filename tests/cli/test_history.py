"""`spanledger history` on what the demo did."""

from pathlib import Path

import pytest

from tests.cli._program import json_of, run_here
from tests.cli.conftest import History


def _last(history: History, *options: str) -> list[dict[str, object]]:
    done = run_here("history", "last", "--json", *options, *history.where, cwd=Path.cwd())
    return list(json_of(done))


def test_the_newest_actions_are_listed(history: History, tmp_path: Path) -> None:
    done = run_here("history", "last", "-n", "3", *history.where, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "call claude-opus-4-1" in done.stdout
    assert "error (budget_exhausted)" in done.stdout
    tools = _last(history, "--kind", "tool")
    assert [row["name"] for row in tools] == [
        "calculate_refund",
        "search_policy",
        "track_parcel",
        "look_up_order",
    ]


def test_an_action_is_explained_and_exported(history: History, tmp_path: Path) -> None:
    (failed,) = [row for row in _last(history, "--kind", "tool") if row["status"] == "error"]
    action_id = str(failed["action_id"])
    told = run_here("history", "explain", action_id[:10], *history.where, cwd=tmp_path)
    assert "It failed: TimeoutError: the carrier did not answer" in told.stdout
    page = tmp_path / "chain.html"
    done = run_here(
        "history", "export", action_id, "--form", "html", "-o", str(page), *history.where,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "track_parcel" in page.read_text(encoding="utf-8")
    chart = run_here(
        "history", "export", action_id, "--form", "mermaid", *history.where, cwd=tmp_path
    )
    assert chart.stdout.startswith("flowchart TD")


def test_summary_statistics_and_words(history: History, tmp_path: Path) -> None:
    summary = run_here(
        "history", "summary", "-n", "50", "--language", "id", *history.where, cwd=tmp_path
    )
    assert "Panggilan model berbiaya $0.01313635" in summary.stdout
    stats = json_of(run_here("history", "stats", "--json", *history.where, cwd=tmp_path))
    assert {each["name"]: each["actions"] for each in stats["names"]}["gpt-4.1-mini"] == 5
    found = run_here("history", "related", "carrier", "answer", *history.where, cwd=tmp_path)
    assert "tool track_parcel" in found.stdout
    unusual = run_here("history", "unusual", *history.where, cwd=tmp_path)
    assert unusual.stdout == "Nothing stands out.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("explain",), 2, "Give an id, or --last"),
        (("explain", "ffffffff"), 1, "no action has the id 'ffffffff'"),
        (("explain", "x" * 10_000), 1, "no action has the id"),
        (("last", "--session", "nobody"), 1, "no such action is recorded"),
        (("related", "elephants"), 1, "no action has to do with these words"),
        (("related", "?!"), 1, "no word to look for"),
        (("export", "ffffffff", "--form", "pdf"), 2, "give a file with -o"),
    ],
)
def test_what_is_asked_wrongly_is_one_sentence(
    history: History, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = run_here("history", *arguments, *history.where, cwd=tmp_path)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 600
