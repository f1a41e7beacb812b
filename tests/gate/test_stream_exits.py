"""However a stream is left, it is settled once, recorded once, and looks as it always did."""

import pytest

from spanledger import semconv
from spanledger.testing.providers import MockProvider
from tests.gate._apis import CHAT, MESSAGES, STREAMING, Api
from tests.gate._exits import ASYNC_EXITS, EXITS, Exit, Seen, run, run_async
from tests.gate._gate import Gate, gated

apis = pytest.mark.parametrize("api", STREAMING, ids=lambda api: api.name)
exits = pytest.mark.parametrize("exit_", EXITS, ids=lambda exit_: exit_.name)
async_exits = pytest.mark.parametrize("exit_", ASYNC_EXITS, ids=lambda exit_: exit_.name)


def assert_recorded(gate: Gate, exit_: Exit) -> None:
    found = gate.attributes
    assert found[semconv.BILLING] == "call"
    assert found[semconv.STREAM_OUTCOME] in exit_.outcomes
    assert found[semconv.USAGE_INPUT_TOKENS] > 0
    assert found[semconv.COST_NANO_USD] > 0
    complete = exit_.outcomes == ("completed",)
    assert found[semconv.USAGE_SOURCE] == ("provider" if complete else "estimated")
    assert gate.provider.calls() == 1
    gate.assert_settled_once()


def assert_looks_the_same(exit_: Exit, gated_: Seen, plain: Seen) -> None:
    assert gated_.error == plain.error
    if exit_.same_pieces:
        assert gated_.pieces == plain.pieces


@apis
@exits
def test_a_stream_that_is_left_is_settled_once(
    provider: MockProvider, api: Api, exit_: Exit
) -> None:
    with gated(provider) as gate:
        seen = left(provider, api, exit_)
        assert_recorded(gate, exit_)
    provider.wait_idle()
    provider.reset()
    assert_looks_the_same(exit_, seen, left(provider, api, exit_))


def left(provider: MockProvider, api: Api, exit_: Exit) -> Seen:
    provider.enqueue(exit_.server)
    with api.client(provider, timeout=exit_.timeout_s) as client:
        return run(exit_, lambda: api.stream(client))


@apis
@async_exits
async def test_an_async_stream_that_is_left_is_settled_once(
    provider: MockProvider, api: Api, exit_: Exit
) -> None:
    with gated(provider) as gate:
        seen = await left_async(provider, api, exit_)
        assert_recorded(gate, exit_)
    provider.wait_idle()
    provider.reset()
    assert_looks_the_same(exit_, seen, await left_async(provider, api, exit_))


async def left_async(provider: MockProvider, api: Api, exit_: Exit) -> Seen:
    provider.enqueue(exit_.server)
    async with api.async_client(provider, timeout=exit_.timeout_s) as client:
        return await run_async(exit_, lambda: api.stream(client))


@pytest.mark.parametrize("api", [CHAT, MESSAGES], ids=lambda api: api.name)
def test_a_stream_helper_that_is_left_is_settled_once(gate: Gate, api: Api) -> None:
    with api.endpoint(api.client(gate.provider)).stream(**api.body) as stream:
        for _event in stream:
            break
    assert gate.attributes[semconv.STREAM_OUTCOME] == "closed"
    assert gate.attributes[semconv.COST_NANO_USD] > 0
    gate.assert_settled_once()


@apis
def test_what_was_streamed_is_in_the_estimate(gate: Gate, api: Api) -> None:
    stream = api.stream(api.client(gate.provider))
    text = ""
    for chunk in stream:
        choices = getattr(chunk, "choices", None)
        delta = choices[0].delta.content if choices else getattr(chunk, "delta", None)
        text += (delta if isinstance(delta, str) else getattr(delta, "text", "")) or ""
        if text.endswith("four"):
            break
    stream.close()
    assert text == "echo: count these four"
    found = gate.attributes
    # Counted by tiktoken; of a model whose encoding is not published the bytes count.
    most = len(text) if api is MESSAGES else 8
    assert 4 <= found[semconv.USAGE_OUTPUT_TOKENS] <= most
    gate.assert_settled_once()
