"""A stream is abandoned after three chunks, closed, or never read at all."""

import gc
from collections.abc import Callable
from typing import Any

import pytest

from spanledger import semconv
from spanledger.testing.providers import MockProvider, Reply
from tests.gate._apis import STAINLESS as STREAMING
from tests.gate._apis import Api
from tests.gate._gate import Gate, gated

LONG = Reply(text="one two three four five six seven eight nine ten eleven twelve")
apis = pytest.mark.parametrize("api", STREAMING, ids=lambda api: api.name)

Open = Callable[[], Any]


def forgotten(open_stream: Open) -> None:
    stream = open_stream()
    for _ in range(3):
        next(stream)
    del stream


def closed(open_stream: Open) -> None:
    stream = open_stream()
    for _ in range(3):
        next(stream)
    stream.close()


def never_read(open_stream: Open) -> None:
    open_stream()


def never_iterated(open_stream: Open) -> None:
    """A generator over it that nobody starts, so that not even its `finally` runs."""

    def chunks(stream: Any) -> Any:
        try:
            yield from stream
        finally:
            stream.close()

    chunks(open_stream())


@apis
@pytest.mark.parametrize("leave", [forgotten, closed, never_read, never_iterated])
def test_scenario_05_a_stream_that_is_left_is_settled_as_estimated(
    provider: MockProvider, api: Api, leave: Callable[[Open], None]
) -> None:
    provider.enqueue(LONG)
    with gated(provider) as gate, api.client(provider) as client:
        leave(lambda: api.stream(client))
        gc.collect()
        _assert_estimated(gate)


def _assert_estimated(gate: Gate) -> None:
    # Not when the lease ends but at once.
    gate.assert_settled_once()
    assert gate.attributes[semconv.USAGE_SOURCE] == "estimated"
    assert gate.attributes[semconv.COST_NANO_USD] > 0
