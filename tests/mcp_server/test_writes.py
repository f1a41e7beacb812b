"""What changes limits or deletes, and the way in over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from spanledger.mcp_server.http import Bearer
from tests.cli._program import run_cli
from tests.cli.conftest import History
from tests.mcp_server._client import TOKEN, Assistant, VerbFailed, over_stdio, serving


def test_a_budget_is_made_changed_and_taken_out(trusted: Assistant, folder: Path) -> None:
    made = trusted.ask("budget_create", name="ada", limit="0.25", scope="user", window="month")
    assert (made["limit"], made["source"]) == ("0.25", "run time")
    with pytest.raises(VerbFailed, match="there is a budget 'ada' already"):
        trusted.ask("budget_create", name="ada", limit="9")
    assert trusted.ask("budget_update", name="ada", limit="0.5")["window"] == "month"
    shown = run_cli("budget", "show", "ada", "--json", cwd=folder)
    assert '"0.5"' in shown.stdout, shown.stderr
    assert trusted.ask("budget_delete", name="ada") == {
        "deleted": "ada",
        "file_budget_holds_again": False,
    }
    with pytest.raises(VerbFailed, match="there is no budget 'ada'"):
        trusted.ask("budget_update", name="ada", limit="1")


def test_a_budget_of_the_file_holds_again_after_its_change_is_taken_out(
    trusted: Assistant,
) -> None:
    assert trusted.ask("budget_update", name="team", limit="7")["source"] == "run time"
    assert trusted.ask("budget_delete", name="team")["file_budget_holds_again"] is True
    assert trusted.ask("budget_get", name="team")["limit"] != "7"


def test_a_rate_limit_is_set(trusted: Assistant) -> None:
    made = trusted.ask("rate_limit_set", name="at-once", metric="concurrency", limit=8)
    assert (made["name"], made["source"]) == ("at-once", "run time")
    assert len(trusted.ask("rate_limit_check")["rows"]) == 2


@pytest.mark.parametrize("limit", ["-1", "nan", "a lot"])
def test_a_limit_of_no_use_is_refused(trusted: Assistant, limit: str) -> None:
    with pytest.raises(VerbFailed, match="limit"):
        trusted.ask("budget_create", name="odd", limit=limit)
    assert "odd" not in [row["name"] for row in trusted.ask("budget_list")["rows"]]


def test_a_call_is_tracked_counted_and_deleted_again(trusted: Assistant) -> None:
    call = {"provider": "openai", "model": "gpt-4.1-mini", "session": "by-hand-1"}
    made = trusted.ask("usage_track_call", input_tokens=1_000_000, output_tokens=0, **call)
    assert float(made["cost_usd"]) > 0
    asked = {"by": "session", "name": "by-hand-1"}
    (row,) = trusted.ask("usage_get_stats", by="session", session="by-hand-1")["rows"]
    assert row["cost_usd"] == made["cost_usd"]
    assert trusted.ask("usage_reset", **asked) == {
        "of": "session 'by-hand-1'",
        "deleted": False,
        "calls": 1,
        "tool_calls": 0,
        "agent_runs": 0,
        "decisions": 0,
    }
    assert trusted.ask("usage_reset", confirm=True, **asked)["deleted"] is True
    with pytest.raises(VerbFailed, match="nothing is recorded of session 'by-hand-1'"):
        trusted.ask("usage_reset", **asked)


def test_without_a_stack_questions_say_what_to_do_and_limits_still_work(tmp_path: Path) -> None:
    with over_stdio(tmp_path) as assistant:
        with pytest.raises(VerbFailed, match=r"no local stack runs on .*spanledger up"):
            assistant.ask("usage_get_report")
        assert assistant.ask("budget_list")["rows"] == []


# --- the way in over HTTP --------------------------------------------------------------------


@pytest.mark.parametrize("given", [None, "Bearer wrong-token-here-1", TOKEN, f"Basic {TOKEN}"])
def test_over_http_nobody_gets_in_without_the_token(address: str, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    answer = httpx2.post(address, json={}, headers=headers, timeout=20)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_a_page_in_a_browser_cannot_ask_even_with_the_token(address: str) -> None:
    """A name that was made to point to this machine is not one of its names."""
    headers = {
        "Authorization": f"Bearer {TOKEN}", "Host": "evil.example", "Origin": "http://evil.example",
        "Accept": "application/json, text/event-stream",
    }  # fmt: skip
    answer = httpx2.post(address, json={}, headers=headers, timeout=20)
    assert answer.status_code in {403, 421}


@pytest.fixture(scope="module")
def address(history: History, folder: Path) -> Iterator[str]:
    with serving(folder, *history.where) as url:
        yield url


def test_a_short_token_is_refused_at_the_start(tmp_path: Path) -> None:
    done = run_cli("mcp", "--http", "--port", "0", cwd=tmp_path,
                   environ={"SPANLEDGER_MCP_TOKEN": "short"})  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the token of SPANLEDGER_MCP_TOKEN is too short")


def test_a_token_is_compared_whole() -> None:
    with pytest.raises(ValueError, match="too short"):
        Bearer(None, "x")  # type: ignore[arg-type]  # it is never called
