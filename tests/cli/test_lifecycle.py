"""`up`, `down`, `status`, `migrate`, `prices`: what they do, and that twice does no harm."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from spanledger.warehouse import available
from tests.cli._program import clean_environment, json_of, run_cli
from tests.cli.conftest import History

_FREE = ("--otlp-port", "0", "--clickhouse-port", "0", "--grpc-port", "0")


@pytest.mark.storage
def test_a_stack_goes_up_once_and_down_once_and_keeps_its_data(home: Path) -> None:
    where = ("--data-dir", str(home / "data"))
    first = json_of(run_cli("up", "--json", *where, *_FREE, cwd=home))
    again = json_of(run_cli("up", "--json", *where, cwd=home))
    assert (first.pop("started"), again.pop("started")) == (True, False)
    assert first == again
    assert run_cli("status", *where, cwd=home).returncode == 0
    assert json_of(run_cli("down", "--json", *where, cwd=home))["stopped"] is True
    assert json_of(run_cli("down", "--json", *where, cwd=home))["stopped"] is False
    assert run_cli("status", *where, cwd=home).returncode == 1
    assert (home / "data").is_dir()


@pytest.mark.storage
def test_up_says_where_to_send_and_what_to_do_next(home: Path) -> None:
    environ = {"SPANLEDGER_DATA_DIR": str(home / "data")}
    done = run_cli("up", *_FREE, cwd=home, environ=environ)
    endpoint = json_of(run_cli("status", "--json", cwd=home, environ=environ))["stack"][
        "otlp_endpoint"
    ]
    assert f"export OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}\n" in done.stdout
    assert "opentelemetry-instrument python agent.py" in done.stdout


@pytest.mark.storage
def test_a_plan_changes_nothing_and_migrating_twice_does_no_harm(
    history: History, home: Path
) -> None:
    parts = urlsplit(history.info.clickhouse_url)
    url = ("--url", urlunsplit(parts._replace(path="/by_the_command_line")))
    names = [str(migration) for migration in available()]
    for _ in range(2):
        plan = json_of(run_cli("migrate", "--plan", "--json", *url, cwd=home))
        assert list(plan["pending"]) == ["bootstrap", *names]
    assert run_cli("status", *url, cwd=home).returncode == 1
    assert "CREATE TABLE" in run_cli("migrate", "--plan", *url, cwd=home).stdout
    assert json_of(run_cli("migrate", "--json", *url, cwd=home))["applied"] == names
    assert json_of(run_cli("migrate", "--json", *url, cwd=home))["applied"] == []
    assert "was current already" in run_cli("migrate", *url, cwd=home).stdout
    assert "nothing to do" in run_cli("migrate", "--plan", *url, cwd=home).stdout
    status = json_of(run_cli("status", "--json", *url, cwd=home))
    assert (status["stack"], status["totals"]["calls"]) == (None, 0)


def test_a_price_is_shown_in_dollars_for_a_million_tokens(home: Path) -> None:
    found = json_of(run_cli("prices", "show", "claude-sonnet-4-5", "--json", cwd=home))
    standard = found["bands"][0]["usd_per_million_tokens"]
    assert standard == {
        "input": "3",
        "cache read": "0.3",
        "cache write (5 min)": "3.75",
        "cache write (1 h)": "6",
        "output": "15",
        "reasoning": "15",
    }
    words = run_cli("prices", "show", "claude-sonnet-4-5", cwd=home).stdout
    assert "above 200,000 input tokens" in words


def test_a_price_of_the_users_own_wins(home: Path) -> None:
    (home / "prices.toml").write_text(
        '[[price]]\nprovider = "openai"\nmodel = "my-model"\n'
        'input_usd_per_mtok = "1.5"\noutput_usd_per_mtok = "2"\n'
    )
    environ = {"SPANLEDGER_PRICES": str(home / "prices.toml")}
    command = ("prices", "show", "my-model", "--provider", "openai", "--json")
    found = json_of(run_cli(*command, cwd=home, environ=environ))
    assert found["bands"][0]["usd_per_million_tokens"]["input"] == "1.5"


def test_the_price_file_is_the_one_that_its_source_gives(home: Path) -> None:
    pytest.importorskip("genai_prices", reason="the source of the prices is not installed")
    found = json_of(run_cli("prices", "update", "--json", cwd=home))
    assert found["changed"] is False


def test_a_reader_that_has_enough_is_no_error(home: Path) -> None:
    command = f"{sys.executable} -m spanledger.cli prices show gpt-4o --json | true"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=home,
        env=clean_environment(home),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stderr == ""


def test_json_on_stdout_is_nothing_but_json(home: Path) -> None:
    done = run_cli("down", "--json", "--data-dir", str(home / "data"), cwd=home)
    assert json.loads(done.stdout) == {"data_dir": str(home / "data"), "stopped": False}
