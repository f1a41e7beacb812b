"""Sampled at 10 %, with the SDK disabled, or suppressed: limits and sums stay the same."""

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation

from spanledger.guard import Budget, BudgetExceeded, Policy
from spanledger.testing.providers import MockProvider
from tests.gate._gate import gated
from tests.scenarios._agents import Agents
from tests.scenarios._shared import DEMO, ask, books, client, used

SET_UPS = {
    "as usual": {},
    "sampled at 10 %": {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"},
    "sampled off": {"OTEL_TRACES_SAMPLER": "always_off"},
    "SDK disabled": {"OTEL_SDK_DISABLED": "true"},
}


@pytest.mark.parametrize("set_up", SET_UPS)
def test_scenario_19_sampling_and_a_disabled_sdk_change_neither_limit_nor_count(
    provider: MockProvider, agents: Agents, set_up: str
) -> None:
    provider.on(DEMO, used(100))
    env = {"SPANLEDGER_BUDGET_CALLS": "3", "SPANLEDGER_BUDGET_USD": "1", **SET_UPS[set_up]}
    found = agents.run("ask", 100, 5, env=env)["outcomes"]
    assert found == ["ok"] * 3 + ["BudgetExceeded: budget_exhausted"] * 2
    assert provider.calls() == 3
    assert books(agents.ledger()) == {
        ("environment-calls", ""): (3, 0),
        ("environment-cost", ""): (3_000_000, 0),
    }


def test_scenario_19_suppressed_instrumentation_suppresses_no_limit(
    provider: MockProvider, demo_prices: object
) -> None:
    provider.on(DEMO, used(100))
    rules = (Budget("calls", "calls", 2), Budget("cost", "cost", 10**9))
    with gated(provider, Policy(rules)), suppress_instrumentation():
        for _ in range(2):
            ask(client(provider))
        with pytest.raises(BudgetExceeded):
            ask(client(provider))
        assert books() == {("calls", ""): (2, 0), ("cost", ""): (2_000_000, 0)}
    assert provider.calls() == 2
