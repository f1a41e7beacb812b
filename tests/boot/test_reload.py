"""A running agent whose limits change: in the file, in the ledger, or after a bad start."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spanledger.guard.rulebook import define
from spanledger.guard.stores import SqliteStore
from spanledger.testing.providers import MockProvider
from tests.boot._run import INSTRUMENT, SILENT

_PROGRAM = Path(__file__).with_name("_on_demand.py")
LIMIT = '[[budgets]]\nname = "b"\nmetric = "calls"\nwindow = "total"\nlimit = {}\n'


class Agent:
    """An agent in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def asked(self, word: str = "call") -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def after_reload(self) -> str:
        assert self.asked("reload") == "reloaded"
        return self.asked()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@contextmanager
def _agent(
    provider: MockProvider, folder: Path, ledger: Path, *arguments: str, **env: str
) -> Iterator[Agent]:
    launcher = () if arguments else INSTRUMENT
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPANLEDGER")}
    with (folder / "stderr").open("w") as said:
        process = subprocess.Popen(
            [*launcher, sys.executable, str(_PROGRAM), *arguments],
            env={
                **kept,
                **SILENT,
                "MOCK_URL": provider.url,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "SPANLEDGER_STORE": f"sqlite:{ledger}",
                **env,
            },
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
    try:
        yield Agent(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_a_limit_in_the_file_is_raised_and_lowered_under_a_running_agent(
    provider: MockProvider, tmp_path: Path, ledger: Path
) -> None:
    file = tmp_path / "spanledger.toml"
    file.write_text(LIMIT.format(1))
    with _agent(provider, tmp_path, ledger) as agent:
        assert [agent.asked(), agent.asked()] == ["ok", "BudgetExceeded"]
        file.write_text(LIMIT.format(2))
        assert [agent.after_reload(), agent.asked()] == ["ok", "BudgetExceeded"]
        file.write_text(LIMIT.format(1))
        assert agent.after_reload() == "BudgetExceeded"
        file.write_text(LIMIT.format("nan"))
        assert agent.asked("reload") == "ConfigError"
        assert agent.asked() == "BudgetExceeded"
    assert provider.calls() == 2


def test_an_agent_obeys_by_itself_after_a_moment(
    provider: MockProvider, tmp_path: Path, ledger: Path
) -> None:
    """Nobody has to tell it."""
    with _agent(provider, tmp_path, ledger, SPANLEDGER_RELOAD_S="0.02") as agent:
        assert agent.asked() == "ok"
        other = SqliteStore(ledger)
        table = {"name": "b", "metric": "calls", "window": "total", "limit": 0}
        other.put_rule("b", define("budgets", table))
        other.close()
        answers = [agent.asked()]
        while answers[-1] == "ok" and len(answers) < 500:
            answers.append(agent.asked())
    assert answers[-1] == "BudgetExceeded"


@pytest.mark.parametrize("broken", [LIMIT.format("nan"), "[[budgets", '[guard]\nstore = "x"\n'])
def test_an_agent_with_a_broken_file_goes_on_once_it_is_mended(
    provider: MockProvider, tmp_path: Path, ledger: Path, broken: str
) -> None:
    """With the ledger that the configuration names, not with one of its own."""
    file = tmp_path / "spanledger.toml"
    file.write_text(broken)
    env = {"SPANLEDGER_STORE": ""} if "store" in broken else {}
    with _agent(provider, tmp_path, ledger, **env) as agent:
        assert agent.asked() == "GuardUnavailable"
        assert agent.asked("reload") == "ConfigError"
        file.write_text(f'[guard]\nstore = "sqlite:{ledger}"\n' + LIMIT.format(1))
        assert [agent.after_reload(), agent.asked()] == ["ok", "BudgetExceeded"]
    store = SqliteStore(ledger)
    assert [counter.spent for _, counter in store.counters("b")] == [1]
    store.close()
    stderr = (tmp_path / "stderr").read_text()
    assert stderr.count("Every call is refused until it is mended") == 1


def test_a_mended_file_may_switch_spanledger_off(
    provider: MockProvider, tmp_path: Path, ledger: Path
) -> None:
    file = tmp_path / "spanledger.toml"
    file.write_text("[guard")
    with _agent(provider, tmp_path, ledger) as agent:
        assert agent.asked() == "GuardUnavailable"
        file.write_text("[guard]\nenabled = false\n" + LIMIT.format(0))
        assert agent.after_reload() == "ok"


def test_run_time_rules_hold_over_a_policy_that_was_given_in_code(
    provider: MockProvider, tmp_path: Path, ledger: Path
) -> None:
    """Whose file is none: what lies in the folder is not read."""
    (tmp_path / "spanledger.toml").write_text(LIMIT.format(0))
    with _agent(provider, tmp_path, ledger, "--with-code") as agent:
        assert agent.asked() == "ok"
        other = SqliteStore(ledger)
        table = {"name": "own", "metric": "calls", "window": "total", "limit": 1}
        other.put_rule("own", define("budgets", table))
        assert agent.after_reload() == "BudgetExceeded"
        other.put_rule("own", None)
        assert [agent.after_reload(), agent.asked()] == ["ok", "ok"]
        assert agent.asked() == "BudgetExceeded"
        other.close()
