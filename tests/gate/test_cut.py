"""Streams without an output limit: cut when what they hold is used up and can't grow."""

from collections.abc import Iterator

import pytest

from spanledger import semconv
from spanledger.guard import BudgetExceeded
from spanledger.testing.providers import MockProvider, Reply
from tests.gate._apis import CHAT, RESPONSES, Api
from tests.gate._gate import Gate, gated, limited

apis = pytest.mark.parametrize("api", [CHAT, RESPONSES], ids=lambda api: api.name)
#: No catalogue knows it, so no output limit is known either: 4096 tokens are held.
UNKNOWN = {"model": "nobody-knows-9"}
PIECES = 80
LONG = Reply(text="0123456789" * 800, chunks=PIECES)


@pytest.fixture
def narrow(provider: MockProvider) -> Iterator[Gate]:
    """Room for what is held at first, and not for more."""
    with gated(provider, limited("tokens", 4400)) as gate:
        provider.enqueue(LONG)
        yield gate


def unlimited(api: Api) -> dict[str, object]:
    limits = {"max_tokens", "max_output_tokens"}
    return {**{k: v for k, v in api.body.items() if k not in limits}, **UNKNOWN}


def assert_cut(gate: Gate, error: BudgetExceeded) -> None:
    assert error.reason == "stream_exhausted"
    assert 4000 < len(error.partial) < 4400
    assert gate.attributes[semconv.STREAM_OUTCOME] == "cut"
    assert gate.attributes[semconv.GUARD_REASON] == "stream_exhausted"
    assert gate.attributes[semconv.USAGE_OUTPUT_TOKENS] > 0
    assert gate.open == 0
    assert gate.provider.wait_idle()


@apis
def test_a_stream_is_cut_before_it_overruns_its_budget(narrow: Gate, api: Api) -> None:
    stream = api.endpoint(api.client(narrow.provider)).create(**unlimited(api), stream=True)
    seen: list[object] = []
    with pytest.raises(BudgetExceeded) as raised:
        seen.extend(stream)
    assert 40 <= len(seen) < PIECES
    assert_cut(narrow, raised.value)


@apis
async def test_an_async_stream_is_cut_before_it_overruns_its_budget(narrow: Gate, api: Api) -> None:
    async with api.async_client(narrow.provider) as client:
        with pytest.raises(BudgetExceeded) as raised:
            async for _ in await api.endpoint(client).create(**unlimited(api), stream=True):
                pass
    assert_cut(narrow, raised.value)


@apis
def test_the_bytes_of_a_raw_stream_are_cut_too(narrow: Gate, api: Api) -> None:
    endpoint = api.endpoint(api.client(narrow.provider))
    with (
        pytest.raises(BudgetExceeded) as raised,
        endpoint.with_streaming_response.create(**unlimited(api), stream=True) as response,
    ):
        for _line in response.iter_lines():
            pass
    assert_cut(narrow, raised.value)


@apis
def test_a_stream_that_can_get_more_room_is_not_cut(provider: MockProvider, api: Api) -> None:
    provider.enqueue(LONG)
    with gated(provider, limited("tokens", 10**6)) as gate:
        for _ in api.endpoint(api.client(provider)).create(**unlimited(api), stream=True):
            pass
        assert gate.attributes[semconv.STREAM_OUTCOME] == "completed"
        assert gate.open == 0
