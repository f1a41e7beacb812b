"""`spanledger errors`: what the demo's tool failed of, and what was recorded around it."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli._program import json_of, run_here
from tests.cli.conftest import History

pytestmark = pytest.mark.storage


def _errors(history: History, *options: str) -> Any:
    return json_of(run_here("errors", *options, "--json", *history.where, cwd=Path.cwd()))


def _timeout(history: History) -> dict[str, str]:
    (found,) = [e for e in _errors(history)["errors"] if e["error_type"] == "TimeoutError"]
    return dict(found)


def test_the_newest_failures_are_listed_once_each(history: History, home: Path) -> None:
    found = _errors(history, "--agent", "researcher")["errors"]
    assert [(e["error_type"], e["tool"]) for e in found] == [("TimeoutError", "track_parcel")]
    done = run_here("errors", *history.where, cwd=home)
    assert done.returncode == 0, done.stderr
    assert "tool track_parcel" in done.stdout
    assert found[0]["error_id"][:10] in done.stdout


def test_one_failure_is_told_with_its_lines_values_and_way(history: History, home: Path) -> None:
    error_id = _timeout(history)["error_id"]
    done = run_here("errors", error_id[:8], *history.where, cwd=home)
    assert done.returncode == 0, done.stderr
    for part in (
        "TimeoutError: the carrier did not answer about PX-7731",
        "in track_parcel",
        "raise TimeoutError(",
        "parcel = PX-7731",
        "what led there",
        "invoke_agent researcher: open",
    ):
        assert part in done.stdout, part
    told = _errors(history, error_id)
    assert told["error"]["error_id"] == error_id
    assert told["context"]["frames"][0]["function"] == "track_parcel"


def test_the_span_of_a_failure_leads_to_it_and_last_is_the_newest(
    history: History, home: Path
) -> None:
    action_id = _timeout(history)["action_id"]
    assert _errors(history, action_id)["error"]["action_id"] == action_id
    newest = _errors(history, "--last")["error"]
    assert newest["error_type"] == "BudgetExceeded"
    words = run_here("errors", "--last", *history.where, cwd=home)
    assert "Nothing was recorded around it" in words.stdout or "stack" in words.stdout


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["ffffffffffff"], 1, "no error has the id 'ffffffffffff'"),
        ([" "], 1, "no error has the id"),
        (["ffff", "--last"], 2, "Give an id, or say"),
        (["--agent", "nobody"], 1, "nothing is recorded of agent 'nobody'"),
        (["--session", "nobody"], 1, "nothing is recorded of session 'nobody'"),
    ],
)
def test_what_is_not_there_is_said_not_to_be(
    history: History, home: Path, options: list[str], code: int, says: str
) -> None:
    done = run_here("errors", *options, *history.where, cwd=home)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr


def test_an_agent_without_failures_has_none(history: History, home: Path) -> None:
    done = run_here("errors", "--agent", "writer", *history.where, cwd=home)
    assert (done.returncode, done.stdout) == (0, "No failure is recorded for this choice.\n")
