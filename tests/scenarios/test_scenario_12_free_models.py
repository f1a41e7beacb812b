"""A model whose price is 0, because its owner says so, under a cost budget that is used up."""

import pytest

from spanledger import semconv
from spanledger.guard import Budget, BudgetExceeded, Policy
from spanledger.testing.providers import MockProvider
from tests.gate._gate import gated
from tests.scenarios._shared import DEMO, DEMO_PRICES, ask, books, client, used
from tests.scenarios.conftest import SetPrices

FREE = """
[[price]]
provider = "*"
model = "own-llama"
input_usd_per_mtok = 0
output_usd_per_mtok = 0
"""


def test_scenario_12_a_free_model_passes_a_used_up_cost_budget_and_still_counts(
    provider: MockProvider, set_prices: SetPrices
) -> None:
    set_prices(DEMO_PRICES + FREE)
    provider.on(DEMO, used(100))
    provider.on("own-llama", used(50))
    rules = (
        Budget("cost", "cost", 100 * 10_000),
        Budget("tokens", "tokens", 1_000),
        Budget("calls", "calls", 3),
    )
    with gated(provider, Policy(rules)) as gate:
        ask(client(provider))
        with pytest.raises(BudgetExceeded):
            ask(client(provider))
        for _ in range(2):
            ask(client(provider), model="own-llama")
        costs = [record["attributes"][semconv.COST_NANO_USD] for record in gate.records]
        assert costs == [1_000_000, 0, 0]
        assert books() == {
            ("cost", ""): (1_000_000, 0),
            ("tokens", ""): (110 + 2 * 60, 0),
            ("calls", ""): (3, 0),
        }
        with pytest.raises(BudgetExceeded) as refused:
            ask(client(provider), model="own-llama")
    assert refused.value.rule == "calls"
