"""A limit of 0, no limit, and limits that are none."""

from pathlib import Path

import pytest

from spanledger.guard import BudgetExceeded, GuardUnavailable
from spanledger.testing.providers import MockProvider
from tests.scenarios._shared import DEMO, ask, books, client, installed, used

pytestmark = pytest.mark.usefixtures("demo_prices")


def _policy(folder: Path, limit: str) -> dict[str, str]:
    path = folder / "limits.toml"
    path.write_text(f'[[budgets]]\nname = "team"\nmetric = "cost"\nwindow = "day"\n{limit}\n')
    return {"SPANLEDGER_POLICY": str(path), "SPANLEDGER_STORE": "memory"}


@pytest.mark.parametrize("limit", ["limit = 0", "limit = 0.0", 'limit = "0"'])
def test_scenario_13_a_limit_of_0_refuses_every_call_that_costs(
    provider: MockProvider, tmp_path: Path, limit: str
) -> None:
    with installed(_policy(tmp_path, limit)):
        for _ in range(2):
            with pytest.raises(BudgetExceeded, match=r"limit \$0\.00"):
                ask(client(provider))
        assert set(books().values()) <= {(0, 0)}
    assert provider.calls() == 0


def test_scenario_13_where_no_limit_is_written_none_is_held(
    provider: MockProvider, tmp_path: Path
) -> None:
    path = tmp_path / "limits.toml"
    path.write_text("budgets = []\n")
    provider.on(DEMO, used(100))
    with installed({"SPANLEDGER_POLICY": str(path)}) as held:
        assert not held.holds_limits()
        ask(client(provider), max_tokens=10**9)
    assert provider.calls() == 1


@pytest.mark.parametrize(
    ("limit", "found"),
    [
        ("limit = nan", "nan"),
        ("limit = inf", "inf"),
        ("limit = -1", "-1"),
        ('limit = "10usd"', "10usd"),
        ('limit = ""', ""),
        ("limit = true", "True"),
        ("# no limit", "is missing"),
    ],
)
def test_scenario_13_a_limit_that_is_none_is_named_at_load_and_nothing_is_sent(
    provider: MockProvider, tmp_path: Path, limit: str, found: str
) -> None:
    with installed(_policy(tmp_path, limit)), pytest.raises(GuardUnavailable) as refused:
        ask(client(provider))
    assert provider.calls() == 0
    message = str(refused.value)
    for part in ("limits.toml", "budgets[0].limit", found, "US dollars of at least 0"):
        assert part in message
    assert ("line 5" in message) == limit.startswith("limit")
