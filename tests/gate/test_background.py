"""Responses in background mode: one call, billed when somebody hears how it ended."""

from typing import Any

import openai

from spanledger import semconv
from spanledger.instrumentation import _exchange
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from tests.gate._apis import RESPONSES, cost_nano_usd
from tests.gate._gate import Gate

USAGE = UsageSpec(input_tokens=1000, output_tokens=500)
DONE = Reply(text="Yes it is.", usage=USAGE, model="gpt-4o-mini")


def start(provider: MockProvider) -> tuple[openai.OpenAI, str]:
    client: openai.OpenAI = RESPONSES.client(provider)
    made: Any = client.responses.create(**RESPONSES.body, background=True)
    assert made.status == "queued"
    return client, made.id


def assert_billed_once(gate: Gate) -> None:
    found = gate.attributes
    assert found[semconv.BILLING] == "call"
    assert found[semconv.USAGE_INPUT_TOKENS] == 1000
    assert found[semconv.COST_NANO_USD] == cost_nano_usd("gpt-4o-mini", 1000, 500)
    gate.assert_settled_once()


def test_its_tokens_are_billed_when_it_is_fetched(gate: Gate) -> None:
    client, id_ = start(gate.provider)
    assert gate.open == 1
    assert gate.records == []
    gate.provider.enqueue(DONE)
    assert client.responses.retrieve(id_).status == "completed"
    assert_billed_once(gate)


async def test_its_tokens_are_billed_when_an_async_client_fetches_it(gate: Gate) -> None:
    async with RESPONSES.async_client(gate.provider) as client:
        made = await client.responses.create(**RESPONSES.body, background=True)
        gate.provider.enqueue(DONE)
        await client.responses.retrieve(made.id)
    assert_billed_once(gate)


def test_fetching_it_twice_bills_it_once(gate: Gate) -> None:
    client, id_ = start(gate.provider)
    gate.provider.enqueue(DONE, DONE)
    client.responses.retrieve(id_)
    client.responses.with_raw_response.retrieve(id_)
    assert_billed_once(gate)


def test_a_raw_response_tells_of_it_as_well(gate: Gate) -> None:
    client, id_ = start(gate.provider)
    gate.provider.enqueue(DONE)
    client.responses.with_raw_response.retrieve(id_)
    assert_billed_once(gate)


def test_fetching_another_response_bills_nothing(gate: Gate) -> None:
    client, id_ = start(gate.provider)
    gate.provider.enqueue(DONE)
    client.responses.retrieve("resp_of_somebody")
    assert gate.open == 1
    gate.provider.enqueue(DONE)
    client.responses.retrieve(id_)
    assert_billed_once(gate)


def test_what_nobody_fetched_is_charged_in_full_when_the_process_ends(gate: Gate) -> None:
    start(gate.provider)
    _exchange.end_open_streams()
    assert gate.open == 0
    assert gate.attributes[semconv.COST_PROVENANCE] == "unpriced"
    assert gate.spent("tokens") > RESPONSES.body["max_output_tokens"]
