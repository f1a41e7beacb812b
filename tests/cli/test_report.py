"""`spanledger report` and `trace` over the demo's history."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli._program import json_of, run_cli
from tests.cli.conftest import History

pytestmark = pytest.mark.storage


def test_the_report_shows_each_agent_with_its_exact_cost(history: History, home: Path) -> None:
    done = run_cli("report", "--by", "agent", *history.where, cwd=home)
    assert done.returncode == 0, done.stderr
    costs = {"planner": "$0.0014276", "researcher": "$0.011211", "writer": "$0.00049775"}
    for agent, cost in costs.items():
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"{agent} ")]
        assert cost in line
    assert "total $0.01313635" in done.stdout
    assert "1 refused by the guard" in done.stdout


def test_the_parts_of_every_dimension_add_up_to_the_totals(history: History, home: Path) -> None:
    by = ("agent", "model", "session", "user", "provider", "service", "operation")
    options = [word for name in by for word in ("--by", name)]
    found = json_of(run_cli("report", *options, "--json", *history.where, cwd=home))
    assert set(found["by"]) == set(by)
    for rows in found["by"].values():
        assert sum(Decimal(row["cost_usd"]) for row in rows) == Decimal("0.01313635")
        for name in ("calls", "refused_calls", "input_tokens", "output_tokens"):
            assert sum(row[name] for row in rows) == found["totals"][name]


def test_without_a_choice_the_report_is_by_agent_model_and_session(
    history: History, home: Path
) -> None:
    found = json_of(run_cli("report", "--json", *history.where, cwd=home))
    assert list(found["by"]) == ["agent", "model", "session"]


def test_the_report_of_another_session_is_empty_and_says_so(history: History, home: Path) -> None:
    done = run_cli("report", "--session", "nobody", *history.where, cwd=home)
    assert (done.returncode, done.stdout) == (0, "No calls are recorded for this choice.\n")


def test_the_future_holds_no_calls_and_the_last_day_all(history: History, home: Path) -> None:
    for since, calls in (("2999-01-01", 0), ("24h", 8), ("all", 8)):
        found = json_of(run_cli("report", "--since", since, "--json", *history.where, cwd=home))
        assert found["totals"]["calls"] == calls


def test_a_trace_is_found_by_the_beginning_of_its_id(history: History, home: Path) -> None:
    whole = history.demo["trace_id"]
    for asked in (whole, whole[:8], whole[:8].upper()):
        assert json_of(run_cli("trace", asked, "--json", *history.where, cwd=home))["trace_id"] == (
            whole
        )


def test_the_newest_trace_is_drawn_with_what_failed_and_what_was_refused(
    history: History, home: Path
) -> None:
    done = run_cli("trace", "--last", *history.where, cwd=home)
    assert done.returncode == 0, done.stderr
    assert "└─ agent planner" in done.stdout
    assert "tool track_parcel ✗ TimeoutError" in done.stdout
    assert "chat claude-opus-4-1 ⊘ refused by session-cost" in done.stdout
    assert "TimeoutError: the carrier did not answer about PX-7731" in done.stdout
    assert "limit $0.10, spent $0.01313635, asked $0.30459" in done.stdout


def test_the_status_says_what_runs_and_what_it_holds(history: History, home: Path) -> None:
    found = json_of(run_cli("status", "--json", *history.where, cwd=home))
    assert found["stack"]["otlp_endpoint"] == history.info.otlp_endpoint
    assert found["pending_migrations"] == []
    assert found["totals"]["cost_usd"] == "0.01313635"


def test_nothing_that_is_printed_holds_the_token(history: History, home: Path) -> None:
    token = history.info.clickhouse_url.split(":")[2].partition("@")[0]
    for command in (["status"], ["up"], ["up", "--json"], ["status", "--json"], ["doctor"]):
        done = run_cli(*command, *history.where, cwd=home)
        assert token not in done.stdout + done.stderr


def test_up_on_a_running_stack_says_where_it_is(history: History, home: Path) -> None:
    found = json_of(run_cli("up", "--json", *history.where, cwd=home))
    assert (found["started"], found["pid"]) == (False, history.info.pid)


def test_a_url_leads_to_the_same_history(history: History, home: Path) -> None:
    environ = {"SPANLEDGER_CLICKHOUSE_URL": history.info.clickhouse_url}
    found = json_of(run_cli("report", "--json", cwd=home, environ=environ))
    assert found["totals"]["calls"] == 8


def test_the_url_may_stand_in_the_configuration_file(history: History, home: Path) -> None:
    (home / "spanledger.toml").write_text(
        f'[warehouse]\nurl = "{history.info.clickhouse_url}"\n', encoding="utf-8"
    )
    assert json_of(run_cli("report", "--json", cwd=home))["totals"]["calls"] == 8
