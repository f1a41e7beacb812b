"""The client retries by itself: the server answers 500, 500, 200."""

from collections.abc import Sequence
from typing import Any

import pytest

from spanledger import semconv
from spanledger.guard import Guard
from spanledger.guard.ledger import Demand
from spanledger.guard.stores import Grant, MemoryStore
from spanledger.testing.providers import Fail, MockProvider, Reply, UsageSpec
from tests.gate._apis import STAINLESS as STREAMING
from tests.gate._apis import Api, cost_nano_usd
from tests.gate._gate import COUNTING
from tests.scenarios._shared import held_by

BROKEN = Fail(status=500, retry_after_s=0.01)


class Watched(MemoryStore):
    """A ledger that remembers who reserved."""

    def __init__(self) -> None:
        super().__init__()
        self.reserved: list[str] = []

    def reserve(self, reservation_id: str, demands: Sequence[Demand], **how: Any) -> Grant:
        self.reserved.append(reservation_id)
        return super().reserve(reservation_id, demands, **how)


@pytest.mark.parametrize("api", STREAMING, ids=lambda api: api.name)
def test_scenario_15_each_of_three_attempts_is_reserved_settled_and_seen(
    provider: MockProvider, api: Api
) -> None:
    provider.enqueue(
        BROKEN, BROKEN, Reply(text="Yes.", usage=UsageSpec(input_tokens=1000, output_tokens=60))
    )
    store = Watched()
    with held_by(provider, Guard(COUNTING, store=store)) as gate:
        api.create(api.client(provider, max_retries=2))
        found: list[Any] = [record["attributes"] for record in gate.records]
        gate.assert_settled_once()
        spent = gate.spent("cost")
    assert provider.calls() == 3
    assert len(set(store.reserved)) == len(store.reserved) == 3
    attempts = sorted(a[semconv.CALL_ATTEMPT] for a in found if semconv.CALL_ATTEMPT in a)
    assert attempts in ([1, 2, 3], [2, 3])  # the first attempt need not say that it is
    failed = [a for a in found if a[semconv.BILLING] == "attempt"]
    (call,) = (a for a in found if a[semconv.BILLING] == "call")
    # A 500 may have been worked on: its input is charged, as an estimate.
    assert [a[semconv.USAGE_SOURCE] for a in failed] == ["estimated"] * 2
    assert [a[semconv.USAGE_OUTPUT_TOKENS] for a in failed] == [0, 0]
    assert call[semconv.COST_NANO_USD] == cost_nano_usd(api.model, 1000, 60)
    assert spent == sum(a[semconv.COST_NANO_USD] for a in found)
