"""What a request may use at the most, however it says so, or does not."""

from typing import Any

import openai
import pytest

from spanledger import semconv
from spanledger.guard import Budget, Policy
from spanledger.testing.providers import Fail, MockProvider, RecordedRequest, Reply, UsageSpec
from tests.gate._gate import gated
from tests.scenarios._shared import SAY, books, client
from tests.scenarios.conftest import SetPrices

POLICY = Policy((Budget("cost", "cost", 10**15),))
#: Its input is free, so that what is reserved is the output alone: 1000 nano-USD a token.
PRICES = """
[[price]]
provider = "*"
model = "sized"
input_usd_per_mtok = 0
output_usd_per_mtok = 1
max_output_tokens = 8192
context_window_tokens = 100000
"""
CEILING, NANO_USD = 8192, 1000


@pytest.fixture(autouse=True)
def _prices(set_prices: SetPrices) -> None:
    set_prices(PRICES)


def _reserved(provider: MockProvider, behaviour: Reply | Fail, **request: Any) -> int:
    """The output tokens that are held while the request is on its way."""
    seen: list[int] = []

    def answer(_request: RecordedRequest) -> Reply | Fail:
        seen.append(books()["cost", ""][1])
        return behaviour

    provider.enqueue(answer)
    body: dict[str, Any] = {"model": "sized", "messages": SAY, **request}
    client(provider).chat.completions.create(**body)
    (held,) = seen
    assert held % NANO_USD == 0
    return held // NANO_USD


ANSWER = Reply(text="Yes.", usage=UsageSpec(input_tokens=10, output_tokens=20))


@pytest.mark.parametrize(
    ("request_", "tokens"),
    [
        ({}, CEILING),
        ({"max_tokens": 999_999_999}, CEILING),
        ({"max_tokens": 100}, 100),
        ({"max_completion_tokens": 100}, 100),
        ({"max_tokens": 100, "n": 3}, 300),
        ({"n": 3}, 3 * CEILING),
    ],
    ids=["missing", "too-much", "max_tokens", "max_completion_tokens", "three", "three-missing"],
)
def test_scenario_23_a_request_holds_its_limit_or_the_models_for_each_choice(
    provider: MockProvider, request_: dict[str, Any], tokens: int
) -> None:
    with gated(provider, POLICY) as gate:
        assert _reserved(provider, ANSWER, **request_) == tokens
        assert gate.spent("cost") == 20 * NANO_USD


def test_scenario_23_a_limit_may_be_written_into_a_request_that_has_none(
    provider: MockProvider,
) -> None:
    with gated(provider, POLICY, guard__default_max_output_tokens=500):
        assert _reserved(provider, ANSWER) == 500
        assert _reserved(provider, ANSWER, max_tokens=100) == 100
    sent = [request.body or {} for request in provider.requests]
    assert sent[0].get("max_completion_tokens", sent[0].get("max_tokens")) == 500
    assert sent[1]["max_tokens"] == 100


def test_scenario_23_a_limit_below_nothing_is_refused_and_frees_no_room(
    provider: MockProvider,
) -> None:
    """It is the provider who refuses it; reserved is what the model can give."""
    refuses = Fail(status=400, message="max_tokens must be at least 1")
    with gated(provider, POLICY) as gate:
        with pytest.raises(openai.BadRequestError):
            _reserved(provider, refuses, max_tokens=-1)
        assert provider.calls() == 1
        assert gate.attributes[semconv.COST_NANO_USD] == 0
        assert books() == {("cost", ""): (0, 0)}


def test_scenario_23_what_a_model_reasons_is_output_and_within_the_limit(
    provider: MockProvider,
) -> None:
    usage = UsageSpec(input_tokens=10, output_tokens=90, reasoning_tokens=70)
    with gated(provider, POLICY) as gate:
        reply = Reply(text="Yes.", usage=usage)
        assert _reserved(provider, reply, max_completion_tokens=100) == 100
        found = gate.attributes
        assert found[semconv.USAGE_OUTPUT_TOKENS] == 90
        assert gate.spent("cost") == found[semconv.COST_NANO_USD] == 90 * NANO_USD
