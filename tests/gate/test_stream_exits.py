"""However a stream is left, it is settled once, recorded once, and looks as it always did."""

import pytest

from spanledger import semconv
from spanledger.testing.providers import MockProvider
from tests.gate._apis import ASYNC_STREAMING, CHAT, MESSAGES, STAINLESS, STREAMING, Api
from tests.gate._exits import ASYNC_EXITS, EXITS, Exit, Seen, run, run_async
from tests.gate._gate import Gate, gated

apis = pytest.mark.parametrize("api", STREAMING, ids=lambda api: api.name)
async_apis = pytest.mark.parametrize("api", ASYNC_STREAMING, ids=lambda api: api.name)
stainless = pytest.mark.parametrize("api", STAINLESS, ids=lambda api: api.name)
exits = pytest.mark.parametrize("exit_", EXITS, ids=lambda exit_: exit_.name)
async_exits = pytest.mark.parametrize("exit_", ASYNC_EXITS, ids=lambda exit_: exit_.name)


#: A stream that sends nothing before it is read is not a call if it is never read.
UNREAD = frozenset({"never-iterated", "closed-unread"})


def assert_recorded(gate: Gate, api: Api, exit_: Exit) -> None:
    if api.lazy and exit_.name in UNREAD:
        assert gate.provider.calls() == 0
        assert gate.spans == []
        return
    found = gate.attributes
    assert found[semconv.BILLING] == "call"
    dropped = {"abandoned"} if api.drops and "closed" in exit_.outcomes else set()
    assert found[semconv.STREAM_OUTCOME] in {*exit_.outcomes, *dropped}
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
        assert_recorded(gate, api, exit_)
    provider.wait_idle()
    provider.reset()
    assert_looks_the_same(exit_, seen, left(provider, api, exit_))


def left(provider: MockProvider, api: Api, exit_: Exit) -> Seen:
    provider.enqueue(exit_.server)
    with api.open(provider, timeout=exit_.timeout_s) as client:
        return run(exit_, lambda: api.stream(client))


@async_apis
@async_exits
async def test_an_async_stream_that_is_left_is_settled_once(
    provider: MockProvider, api: Api, exit_: Exit
) -> None:
    with gated(provider) as gate:
        seen = await left_async(provider, api, exit_)
        assert_recorded(gate, api, exit_)
    provider.wait_idle()
    provider.reset()
    assert_looks_the_same(exit_, seen, await left_async(provider, api, exit_))


async def left_async(provider: MockProvider, api: Api, exit_: Exit) -> Seen:
    provider.enqueue(exit_.server)
    async with api.open_async(provider, timeout=exit_.timeout_s) as client:
        return await run_async(exit_, lambda: api.stream(client))


@pytest.mark.parametrize("api", [CHAT, MESSAGES], ids=lambda api: api.name)
def test_a_stream_helper_that_is_left_is_settled_once(gate: Gate, api: Api) -> None:
    with api.endpoint(api.client(gate.provider)).stream(**api.body) as stream:
        for _event in stream:
            break
    assert gate.attributes[semconv.STREAM_OUTCOME] == "closed"
    assert gate.attributes[semconv.COST_NANO_USD] > 0
    gate.assert_settled_once()


@stainless
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
