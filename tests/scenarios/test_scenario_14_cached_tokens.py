"""The same call in two words: OpenAI's input holds its cached tokens, Anthropic's does not."""

from typing import Any

import anthropic
import pytest

from spanledger import semconv
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from tests.gate._gate import Gate, gated
from tests.scenarios._shared import SAY, ask, client
from tests.scenarios.conftest import SetPrices

PRICES = """
[[price]]
provider = "*"
model = "with-cache-prices"
input_usd_per_mtok = 2
output_usd_per_mtok = 8
cache_read_usd_per_mtok = "0.2"
cache_write_usd_per_mtok = "2.5"

[[price]]
provider = "*"
model = "without-cache-prices"
input_usd_per_mtok = 2
output_usd_per_mtok = 8
"""
FRESH, CACHED, OUTPUT = 501, 25_795, 100


@pytest.fixture(autouse=True)
def _prices(set_prices: SetPrices) -> None:
    set_prices(PRICES)


def _ask_both(provider: MockProvider, model: str, usage: UsageSpec) -> None:
    provider.on(model, Reply(text="Yes.", usage=usage))
    ask(client(provider), model=model)
    other = anthropic.Anthropic(base_url=provider.anthropic_base_url, api_key="none", max_retries=0)
    other.messages.create(model=model, messages=SAY, max_tokens=100)  # type: ignore[arg-type]


def _costs(gate: Gate) -> list[int]:
    found: list[Any] = [record["attributes"] for record in gate.records]
    assert [a[semconv.USAGE_INPUT_TOKENS] for a in found] == [FRESH + CACHED] * 2
    gate.assert_settled_once()
    return [a[semconv.COST_NANO_USD] for a in found]


@pytest.mark.parametrize(
    ("model", "cached_nano_usd"), [("with-cache-prices", 200), ("without-cache-prices", 2000)]
)
def test_scenario_14_what_was_read_from_the_cache_costs_the_same_in_both_dialects(
    provider: MockProvider, model: str, cached_nano_usd: int
) -> None:
    """A price for cached tokens that is not known is that of the input."""
    usage = UsageSpec(input_tokens=FRESH + CACHED, output_tokens=OUTPUT, cache_read_tokens=CACHED)
    with gated(provider) as gate:
        _ask_both(provider, model, usage)
        cost = FRESH * 2000 + CACHED * cached_nano_usd + OUTPUT * 8000
        assert _costs(gate) == [cost, cost]


def test_scenario_14_what_was_written_to_the_cache_has_its_own_price(
    provider: MockProvider,
) -> None:
    usage = UsageSpec(input_tokens=FRESH + CACHED, output_tokens=OUTPUT, cache_write_tokens=CACHED)
    model = "with-cache-prices"
    with gated(provider) as gate:
        _ask_both(provider, model, usage)
        with_write = FRESH * 2000 + CACHED * 2500 + OUTPUT * 8000
        assert _costs(gate)[1] == with_write
