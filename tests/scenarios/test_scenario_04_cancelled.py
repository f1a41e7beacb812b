"""A task is cancelled while its request is on the way, or while its answer streams in."""

import asyncio
from typing import Any

import pytest

from spanledger import semconv
from spanledger.testing.providers import Hang, MockProvider, Reply
from tests.gate._apis import STAINLESS as STREAMING
from tests.gate._apis import Api, cost_nano_usd
from tests.gate._gate import Gate, gated
from tests.gate.test_retries import received

apis = pytest.mark.parametrize("api", STREAMING, ids=lambda api: api.name)


@apis
async def test_scenario_04_a_cancelled_request_is_charged_its_input(
    provider: MockProvider, api: Api
) -> None:
    provider.enqueue(Hang())
    with gated(provider) as gate:
        async with api.async_client(provider) as client:
            task = asyncio.create_task(api.create(client))
            await received(provider)
            assert gate.open == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert _charged(gate, api)[1] == 0


@apis
async def test_scenario_04_a_cancelled_stream_is_charged_what_came_too(
    provider: MockProvider, api: Api
) -> None:
    provider.enqueue(Reply(text="one two three four five six seven eight", chunk_delay_s=0.5))
    with gated(provider) as gate:
        async with api.async_client(provider) as client:
            words = asyncio.Event()
            task = asyncio.create_task(_read(api, client, words))
            await words.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert _charged(gate, api)[1] > 0


async def _read(api: Api, client: object, words: asyncio.Event) -> None:
    async for chunk in await api.stream(client):
        if _text(chunk):
            words.set()


def _text(chunk: Any) -> str | None:
    choices = getattr(chunk, "choices", None)
    delta = choices[0].delta if choices else getattr(chunk, "delta", None)
    found = getattr(delta, "content", None) or getattr(delta, "text", delta)
    return found if isinstance(found, str) else None


def _charged(gate: Gate, api: Api) -> tuple[int, int]:
    """Input and output tokens of the one call, which the ledger was charged for and no more."""
    gate.assert_settled_once()
    found = gate.attributes
    assert found[semconv.USAGE_SOURCE] == "estimated"
    tokens = found[semconv.USAGE_INPUT_TOKENS], found[semconv.USAGE_OUTPUT_TOKENS]
    assert tokens[0] > 0
    assert gate.spent("cost") == cost_nano_usd(api.model, *tokens)
    return tokens
