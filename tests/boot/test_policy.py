"""What an agent does under a policy that is missing, broken, or switched off."""

from pathlib import Path

import pytest

from spanledger.testing.providers import MockProvider
from tests.boot._run import LIMIT_OF_TWO, SILENT, run

FINE = ["ok"] * 4
UNAVAILABLE = ["GuardUnavailable"] * 4


def file_with(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    return {"SPANLEDGER_POLICY": str(path)}


GOOD = '[[budgets]]\nname = "calls"\nmetric = "calls"\nlimit = 2\nwindow = "total"\n'
BROKEN = {
    "syntax": "[[budgets]\n",
    "unknown-key": GOOD + "limitt = 3\n",
    "not-a-number": GOOD.replace("2", '"two"'),
    "unknown-table": "[[budget_rules]]\n",
    "unknown-setting": "[guard]\nmax_wait = 3\n",
    "slow-pattern": '[redaction]\npatterns = ["own: (a+)+b"]\n',
}


def test_without_a_policy_calls_are_metered_and_that_is_said_once(provider: MockProvider) -> None:
    done = run(provider, env=SILENT)
    assert done.outcomes == FINE
    assert done.stderr.count("meters only") == 1


def test_the_file_that_is_named_holds(provider: MockProvider, tmp_path: Path) -> None:
    done = run(provider, env={**SILENT, **file_with(tmp_path, GOOD)})
    assert done.outcomes == ["ok", "ok", "BudgetExceeded", "BudgetExceeded"]
    assert provider.calls() == 2


def test_the_file_in_the_working_folder_holds(provider: MockProvider, tmp_path: Path) -> None:
    (tmp_path / "spanledger.toml").write_text(GOOD)
    done = run(provider, env=SILENT, cwd=tmp_path)
    assert provider.calls() == 2
    assert done.outcomes.count("ok") == 2


@pytest.mark.parametrize("fault", BROKEN)
def test_a_policy_that_cannot_be_read_sends_nothing(
    provider: MockProvider, tmp_path: Path, fault: str
) -> None:
    done = run(provider, env={**SILENT, **file_with(tmp_path, BROKEN[fault])})
    assert done.outcomes == UNAVAILABLE
    assert provider.calls() == 0
    assert "Every call is refused until it is mended" in done.stderr


def test_a_policy_that_is_named_and_missing_sends_nothing(provider: MockProvider) -> None:
    done = run(provider, env={**SILENT, "SPANLEDGER_POLICY": "/nowhere/spanledger.toml"})
    assert done.outcomes == UNAVAILABLE
    assert provider.calls() == 0


@pytest.mark.parametrize("fault", ["syntax", "not-a-number"])
def test_a_broken_policy_may_be_told_to_warn_only(
    provider: MockProvider, tmp_path: Path, fault: str
) -> None:
    warn = {"SPANLEDGER_ON_INVALID_POLICY": "warn"}
    done = run(provider, env={**SILENT, **file_with(tmp_path, BROKEN[fault]), **warn})
    assert done.outcomes == FINE
    assert "NOT limited" in done.stderr


def test_a_setting_that_cannot_be_read_sends_nothing(provider: MockProvider) -> None:
    done = run(provider, env={**SILENT, **LIMIT_OF_TWO, "SPANLEDGER_MAX_WAIT_S": "long"})
    assert done.outcomes == UNAVAILABLE
    assert provider.calls() == 0
    assert "SPANLEDGER_MAX_WAIT_S" in done.stderr


def test_switched_off_nothing_of_ours_happens(provider: MockProvider) -> None:
    done = run(provider, env={**SILENT, **LIMIT_OF_TWO, "SPANLEDGER_ENABLED": "false"})
    assert done.outcomes == FINE
    assert "meters only" not in done.stderr


@pytest.mark.parametrize(
    "also", [{"SPANLEDGER_POLICY": "/nowhere.toml"}, {"SPANLEDGER_MAX_WAIT_S": "long"}]
)
def test_switched_off_a_broken_configuration_does_not_matter(
    provider: MockProvider, also: dict[str, str]
) -> None:
    done = run(provider, env={**SILENT, "SPANLEDGER_ENABLED": "false", **also})
    assert done.outcomes == FINE
