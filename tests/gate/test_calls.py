"""Plain calls of the real clients: admitted, observed, priced and settled, once each."""

from collections.abc import Mapping
from typing import Any

import pytest

from spanledger import semconv
from spanledger.guard import BudgetExceeded
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from tests.gate._apis import (
    ALL,
    ASYNC_ALL,
    ASYNC_STREAMING,
    CHAT,
    MESSAGES,
    STREAMING,
    Api,
    cost_nano_usd,
)
from tests.gate._gate import Gate, gated, limited

every_api = pytest.mark.parametrize("api", ALL, ids=lambda api: api.name)
every_async_api = pytest.mark.parametrize("api", ASYNC_ALL, ids=lambda api: api.name)
async_streaming_apis = pytest.mark.parametrize("api", ASYNC_STREAMING, ids=lambda api: api.name)
streaming_apis = pytest.mark.parametrize("api", STREAMING, ids=lambda api: api.name)


def the_usual(api: Api) -> Reply:
    """1000 tokens in, 500 out, where the endpoint has an output."""
    output = 0 if api.operation == "embeddings" else 500
    return Reply(text="Yes.", usage=UsageSpec(input_tokens=1000, output_tokens=output))


def assert_the_usual_record(gate: Gate, api: Api) -> None:
    output = 0 if api.operation == "embeddings" else 500
    expected: Mapping[str, Any] = {
        semconv.BILLING: "call",
        semconv.CALL_ATTEMPT: 1,
        semconv.OPERATION_NAME: api.operation,
        semconv.PROVIDER_NAME: api.provider,
        semconv.REQUEST_MODEL: api.model,
        semconv.RESPONSE_MODEL: api.model if api.names_model else None,
        semconv.USAGE_INPUT_TOKENS: 1000,
        semconv.USAGE_OUTPUT_TOKENS: output,
        semconv.USAGE_SOURCE: "provider",
        semconv.COST_NANO_USD: cost_nano_usd(api.model, 1000, output),
        semconv.COST_PROVENANCE: "computed",
    }
    found = gate.attributes
    assert {name: found.get(name) for name in expected} == expected
    assert gate.record["kind"] == "client"
    gate.assert_settled_once()


@every_api
def test_a_plain_call_has_one_record_with_its_tokens_and_its_cost(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(the_usual(api))
    api.create(api.client(gate.provider))
    assert_the_usual_record(gate, api)
    assert gate.provider.calls() == 1


@every_async_api
async def test_an_async_call_has_the_same_record(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(the_usual(api))
    async with api.open_async(gate.provider) as client:
        await api.create(client)
    assert_the_usual_record(gate, api)


@streaming_apis
def test_a_stream_read_to_its_end_has_the_same_record(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(the_usual(api))
    list(api.stream(api.client(gate.provider)))
    assert_the_usual_record(gate, api)
    assert gate.attributes[semconv.STREAM_OUTCOME] == "completed"
    assert gate.attributes[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] > 0


@async_streaming_apis
async def test_an_async_stream_read_to_its_end_has_the_same_record(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(the_usual(api))
    async with api.open_async(gate.provider) as client:
        async for _chunk in await api.stream(client):
            pass
    assert_the_usual_record(gate, api)


@every_api
def test_the_third_call_under_a_limit_of_two_is_not_sent(provider: MockProvider, api: Api) -> None:
    with gated(provider, limited("calls", 2)) as gate:
        client = api.client(provider)
        api.create(client)
        api.create(client)
        with pytest.raises(BudgetExceeded, match="'small' is used up"):
            api.create(client)
        assert provider.calls() == 2
        assert [s["attributes"][semconv.BILLING] for s in gate.spans] == ["call", "call", "refused"]
        refused = gate.spans[-1]["attributes"]
        assert refused[semconv.GUARD_REASON] == "budget_exhausted"
        assert refused[semconv.GUARD_RULE] == "small"
        assert refused[semconv.ERROR_TYPE] == "BudgetExceeded"
        assert semconv.COST_NANO_USD not in refused
        assert gate.open == 0


@every_async_api
async def test_async_calls_in_parallel_are_limited_too(provider: MockProvider, api: Api) -> None:
    import asyncio

    with gated(provider, limited("calls", 2)) as gate:
        async with api.open_async(provider) as client:
            made = await asyncio.gather(
                *(api.create(client) for _ in range(6)), return_exceptions=True
            )
        assert sum(isinstance(result, BudgetExceeded) for result in made) == 4
        assert provider.calls() == 2
        assert gate.open == 0


def test_cached_and_reasoning_tokens_are_priced_as_such(gate: Gate) -> None:
    usage = UsageSpec(
        input_tokens=1000, output_tokens=500, cache_read_tokens=400, reasoning_tokens=200
    )
    gate.provider.enqueue(Reply(usage=usage))
    CHAT.create(CHAT.client(gate.provider))
    # 600 × 0.15 + 400 × 0.075 + 500 × 0.60 dollars a million
    assert gate.attributes[semconv.COST_NANO_USD] == 90_000 + 30_000 + 300_000
    assert gate.attributes[semconv.USAGE_CACHE_READ_TOKENS] == 400
    assert gate.attributes[semconv.USAGE_REASONING_TOKENS] == 200
    gate.assert_settled_once()


def test_anthropics_cache_tokens_are_part_of_the_input(gate: Gate) -> None:
    usage = UsageSpec(
        input_tokens=1000,
        output_tokens=100,
        cache_read_tokens=400,
        cache_write_tokens=300,
        cache_write_1h_tokens=100,
    )
    gate.provider.enqueue(Reply(usage=usage))
    MESSAGES.create(MESSAGES.client(gate.provider))
    found = gate.attributes
    assert found[semconv.USAGE_INPUT_TOKENS] == 1000
    assert found[semconv.USAGE_CACHE_WRITE_TOKENS] == 300
    assert found[semconv.ANTHROPIC_CACHE_WRITE_1H_TOKENS] == 100
    # 300 × 1 + 400 × 0.10 + 200 × 1.25 + 100 × 2 + 100 × 5 dollars a million
    assert found[semconv.COST_NANO_USD] == 300_000 + 40_000 + 250_000 + 200_000 + 500_000
    gate.assert_settled_once()


def test_an_endpoint_that_is_not_gated_passes_untouched(gate: Gate) -> None:
    client = MESSAGES.client(gate.provider)
    count = client.messages.count_tokens(
        model="claude-haiku-4-5", messages=[{"role": "user", "content": "one two"}]
    )
    assert count.input_tokens == 2
    assert gate.records == []
    assert gate.spent("calls") == 0
