"""Streams that Python's garbage collector finds, at whatever moment it likes to run."""

import gc
import threading
from typing import Any

import pytest

from spanledger import guard, semconv
from spanledger.guard.stores import MemoryStore
from spanledger.testing.providers import MockProvider
from tests.gate._apis import STREAMING, Api
from tests.gate._gate import Gate

apis = pytest.mark.parametrize("api", STREAMING, ids=lambda api: api.name)


def forget_in_a_cycle(provider: MockProvider, api: Api) -> None:
    """Leave a started stream behind that only the collector can find."""
    held: dict[str, Any] = {"client": api.client(provider)}
    held["stream"] = api.stream(held["client"])
    held["itself"] = held
    next(held["stream"])


@apis
def test_a_collection_while_the_ledger_is_locked_does_not_wait_for_itself(
    gate: Gate, api: Api
) -> None:
    gc.disable()
    try:
        forget_in_a_cycle(gate.provider, api)
        store = guard.current().store
        assert isinstance(store, MemoryStore)

        def collect() -> None:
            with store._section:
                gc.collect()

        collector = threading.Thread(target=collect, daemon=True)
        collector.start()
        collector.join(5)
        assert not collector.is_alive()
    finally:
        gc.enable()
    assert gate.attributes[semconv.COST_NANO_USD] > 0
    gate.assert_settled_once()


@apis
def test_a_collector_at_its_most_eager_settles_each_stream_once(gate: Gate, api: Api) -> None:
    threshold = gc.get_threshold()

    def forget_some() -> None:
        for _ in range(3):
            forget_in_a_cycle(gate.provider, api)

    threads = [threading.Thread(target=forget_some, daemon=True) for _ in range(4)]
    gc.set_threshold(200, 1, 1)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert len(gate.records) == 12
    gate.assert_settled_once()
