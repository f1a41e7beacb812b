"""A ledger that outlives the process: the next one goes on with what is left."""

import os
from pathlib import Path

import pytest

from spanledger.testing.providers import MockProvider
from tests.boot._run import LIMIT_OF_TWO, SILENT, Run, run


def _shared_by_two(provider: MockProvider, env: dict[str, str]) -> bool:
    """Whether two processes, one after the other, have had one limit of two."""
    first, second = (run(provider, env={**SILENT, **LIMIT_OF_TWO, **env}) for _ in range(2))
    calls = [done.outcomes.count("ok") for done in (first, second)]
    assert provider.calls() == sum(calls)
    assert calls in ([2, 0], [2, 2]), first.stderr
    return calls == [2, 0]


def test_a_budget_holds_for_processes_one_after_the_other(provider: MockProvider) -> None:
    """Two calls for all of them, not for each; nothing was set but the budget."""
    assert _shared_by_two(provider, {})


def test_the_ledger_lies_in_the_data_directory_and_is_the_users_alone(
    provider: MockProvider, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    assert _shared_by_two(provider, {"SPANLEDGER_DATA_DIR": str(home)})
    ledger = home / "ledger.sqlite"
    assert (home.stat().st_mode & 0o777, ledger.stat().st_mode & 0o777) == (0o700, 0o600)


def test_a_budget_in_a_file_that_is_named_is_shared(provider: MockProvider, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger" / "spend.sqlite"
    assert _shared_by_two(provider, {"SPANLEDGER_STORE": f"sqlite:{ledger}"})
    assert ledger.exists()


def test_a_budget_in_memory_ends_with_its_process(provider: MockProvider, tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = {"SPANLEDGER_STORE": "memory", "SPANLEDGER_DATA_DIR": str(home)}
    assert not _shared_by_two(provider, env)
    assert not home.exists()


def test_without_a_rule_no_ledger_is_made(provider: MockProvider, tmp_path: Path) -> None:
    """To meter needs none: also where none could be."""
    for home in (tmp_path / "home", Path("/dev/null/home")):
        done = run(provider, env={**SILENT, "SPANLEDGER_DATA_DIR": str(home)})
        assert done.outcomes == ["ok"] * 4
    assert list(tmp_path.iterdir()) == []


def _refused(provider: MockProvider, home: Path) -> Run:
    env = {**SILENT, **LIMIT_OF_TWO, "SPANLEDGER_DATA_DIR": str(home)}
    done = run(provider, env=env)
    assert done.outcomes == ["GuardUnavailable"] * 4
    assert provider.calls() == 0
    return done


def test_a_data_directory_that_can_not_be_made_refuses_what_counts(provider: MockProvider) -> None:
    """And says where it is, and what to do; a limit never turns into one of memory."""
    done = _refused(provider, Path("/dev/null/home"))
    assert "the ledger /dev/null/home/ledger.sqlite can't be used" in done.stderr
    assert "set SPANLEDGER_DATA_DIR, or SPANLEDGER_STORE=sqlite:PATH" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a read-only directory")
def test_a_data_directory_that_may_not_be_written_refuses_what_counts(
    provider: MockProvider, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    assert "the right to write" in _refused(provider, home).stderr


@pytest.mark.parametrize("store", ["postgres://x", "sqlitefile"])
def test_a_store_that_does_not_exist_lets_nothing_through(
    provider: MockProvider, store: str
) -> None:
    done = run(provider, env={**SILENT, **LIMIT_OF_TWO, "SPANLEDGER_STORE": store})
    assert "guard.store: no such store" in done.stderr
    assert provider.calls() == 0
