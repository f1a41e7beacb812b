"""Four rules, of which the third refuses."""

import pytest

from spanledger import track
from spanledger.guard import Budget, BudgetExceeded, Policy
from spanledger.testing.providers import MockProvider
from tests.gate._gate import gated
from tests.scenarios._shared import DEMO, ask, books, client, used

POLICY = Policy(
    (
        Budget("all-tokens", "tokens", 10**6),
        Budget("session-tokens", "tokens", 10**5, scope="session"),
        Budget("daily-calls", "calls", 1, "day", scope="user"),
        Budget("all-calls", "calls", 100),
    )
)


def test_scenario_02_when_the_third_of_four_rules_refuses_the_others_hold_nothing(
    provider: MockProvider,
) -> None:
    provider.on(DEMO, used(5))
    with gated(provider, POLICY), track.session("s1"), track.user("ada"):
        ask(client(provider))
        before = books()
        assert before["daily-calls", "ada"] == (1, 0)
        with pytest.raises(BudgetExceeded) as refused:
            ask(client(provider))
        assert books() == before
        assert {reserved for _spent, reserved in books().values()} == {0}
    assert provider.calls() == 1
    error = refused.value
    assert (error.rule, error.scope, error.metric) == ("daily-calls", "user ada", "calls")
    assert (error.limit, error.spent, error.reserved, error.asked) == (1, 1, 0, 1)
    assert error.retry_after_s is not None
    assert 0 <= error.retry_after_s <= 86_400
    for part in ("'daily-calls'", "user ada", "limit 1 calls", "spent 1", "asked 1", "Frees up in"):
        assert part in str(error)
