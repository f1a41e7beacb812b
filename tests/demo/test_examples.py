"""The examples, run as a newcomer runs them: each in a process of its own, without a key."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli._program import TIMEOUT_S, clean_environment

pytest.importorskip("openai")

_ACTS = ("retry ", "adapt ", "fallback ")
_EXAMPLES = Path(__file__).parents[2] / "examples"


def _printed(name: str, home: Path) -> str:
    """What an example prints. It must end well and say nothing on the error stream."""
    done = subprocess.run(
        [sys.executable, _EXAMPLES / name],
        cwd=home,
        env=clean_environment(home),
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def _numbers_after(text: str, start: str) -> list[int]:
    """The whole numbers of the one line that begins so."""
    (line,) = [line for line in text.splitlines() if line.startswith(start)]
    return [
        int(word) for word in line.removeprefix(start).replace("(", " ").split() if word.isdigit()
    ]


def test_a_stream_is_cut_when_its_budget_is_used_up(tmp_path: Path) -> None:
    printed = _printed("stream_cut.py", tmp_path)
    assert "The stream was cut: budget 'answers' is used up" in printed
    assert "reason: stream_exhausted, rule: answers" in printed
    assert "the answer so far: 'and so on and so on" in printed
    (shown, *_) = _numbers_after(printed, "cut after ")
    assert 4096 < shown < 6000
    sent, of = _numbers_after(printed, "the provider was stopped after ")
    assert sent < of
    spent, held = _numbers_after(printed, "budget 'answers': ")
    assert 0 < spent <= 6000
    assert held == 0


def test_an_agent_that_runs_in_a_circle_is_stopped(tmp_path: Path) -> None:
    printed = _printed("runaway_agent.py", tmp_path)
    assert "warning: Loop rule 'circles': search came 3 times in a row" in printed
    assert "stopped: Loop rule 'circles': search came 5 times in a row" in printed
    assert "turn 6: " in printed
    assert "turn 7: " not in printed
    assert "the tool ran 5 times, the model was asked 6 times" in printed


def test_a_breaker_opens_and_recovers(tmp_path: Path) -> None:
    printed = _printed("breaker.py", tmp_path)
    assert [f"call {n}: the provider failed with 503" in printed for n in (1, 2, 3, 4)] == [
        True
    ] * 4
    assert [f"call {n}: not sent. Breaker 'outages'" in printed for n in (5, 6, 7)] == [True] * 3
    assert [f"call {n}: It is noon." in printed for n in (8, 9, 10)] == [True] * 3
    states = ("open. (tripped)", "half open. (open_time_over)", "closed. (probes_passed)")
    places = [printed.index(f"Breaker 'outages': tool:ask_clock is {state}") for state in states]
    assert places == sorted(places)
    assert "10 calls were made, 7 reached the provider" in printed


def test_a_sub_agent_inherits_what_is_left_of_its_parent(tmp_path: Path) -> None:
    printed = _printed("sub_agent.py", tmp_path)
    assert "the planner made 3 of 3 calls; spent now: planner $0.00492" in printed
    assert "the writer, for the planner, was refused: Budget 'one-cent' has no room" in printed
    assert "scope agent planner" in printed
    assert "the writer, for the planner, made 3 of 10 calls" in printed
    assert "the writer, on its own, made 2 of 2 calls" in printed


def test_tools_are_described_permitted_remembered_and_chained(tmp_path: Path) -> None:
    printed = _printed("tools.py", tmp_path)
    assert "find_parcel: PX-17" in printed
    assert "detail: must be one of 'short', 'long', not 'everything'" in printed
    assert "chain: PX-17 is in Bern (long), 2 steps, 0 tokens" in printed
    assert "again: RateLimited: Rate limit 'tool track_parcel' is reached" in printed
    assert "refund: PermissionDenied: the tool 'refund' needs the permission 'write'" in printed
    assert "├── tool_chain find_parcel\n│   ├── execute_tool find_parcel" in printed
    assert "ledger: find_parcel 1 calls" in printed
    assert "ledger: track_parcel 2 calls" in printed


def test_an_agent_counts_its_own_tokens(tmp_path: Path) -> None:
    printed = _printed("tokens.py", tmp_path)
    assert "ask has used 840 tokens" in printed
    (indexed,) = _numbers_after(printed, "indexed ")
    total = indexed + 840 + 50
    assert f"the block used {total} tokens, in and out" in printed
    assert f"read back: {total} tokens" in printed
    assert "ledger: 840 tokens, of the calls of the model alone" in printed


def test_an_agent_in_five_troubles_finishes(tmp_path: Path) -> None:
    """A rate limit, broken JSON, too long a context, an open breaker, a budget nearly spent."""
    pytest.importorskip("anthropic")
    printed = _printed("calm_agent.py", tmp_path)
    assert "letter   Dear customer, your parcel is in Bern" in printed
    acts = [line.split() for line in printed.splitlines() if line.startswith(_ACTS)]
    assert acts == [
        ["retry", "plan", "after", "rate_limited"],
        ["adapt", "read_order", "after", "invalid_answer", "restate_schema"],
        ["adapt", "sum_up", "after", "context_too_long", "shorten"],
        ["retry", "check", "after", "server"],
        ["fallback", "check", "after", "server", "gpt-4.1-mini"],
        ["fallback", "check", "after", "refused", "gpt-4.1-mini"],
        ["fallback", "write", "after", "refused", "gpt-4.1-mini"],
    ]
    assert "requests: 9 to the first provider, 2 to the second" in printed
    assert "execute_tool track_parcel  spanledger.tool.cached=True" in printed
    assert "Budget 'ticket' has no room for this call (scope session ticket-17" in printed
    (all_calls,) = re.findall(r"all calls cost (\$[\d.]+):", printed)
    assert f"ledger: ticket-17 spent {all_calls} of $0.008, holds $0.00" in printed
    lines = printed.splitlines()
    shown = _blocks(_EXAMPLES.parent / "docs" / "calm-agent.md")
    assert len(shown) > 20
    assert [line for line in shown if not any(one.startswith(line) for one in lines)] == []


def _blocks(page: Path) -> list[str]:
    """The lines of a page that show what an example prints; long ones are cut there."""
    found = re.findall(r"^```text\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    return [line for block in found for line in block.splitlines()]


def test_every_example_is_short_and_has_a_line_in_the_readme() -> None:
    readme = (_EXAMPLES / "README.md").read_text(encoding="utf-8")
    for example in _EXAMPLES.glob("*.py"):
        assert example.name in readme
        # `agent.py` is the demo: a whole support desk. `calm_agent.py` meets five troubles.
        lines = example.read_text(encoding="utf-8").splitlines()
        assert len(lines) < 120 or example.name in {"agent.py", "calm_agent.py"}


def test_eight_processes_share_one_budget_to_the_cent(tmp_path: Path) -> None:
    """However they race: the calls that were sent are the calls that were paid."""
    printed = _printed("shared_budget.py", tmp_path)
    assert printed.count("has no room for this call") == 8
    calls = int(printed.split(" calls reached the provider.")[0].splitlines()[-1])
    assert 28 <= calls <= 33
    assert f"spent ${calls * 6 / 10_000:.4f}" in printed


def test_an_agent_asks_itself_and_takes_another_way(tmp_path: Path) -> None:
    printed = _printed("ask_yourself.py", tmp_path)
    assert "failed: TimeoutError. Another way, then.\nPX-7731 left Bergen" in printed
    assert "The command it served: “Where is parcel PX-7731?”." in printed
    assert "Before it failed: the tool ask_carrier (TimeoutError)." in printed
