"""50 agents in parallel share $10; each call may cost $0.26 and really costs $0.07."""

import asyncio
import time

import pytest

from spanledger.guard import Budget, BudgetExceeded, Guard, Policy, Spending
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from tests.gate._gate import gated
from tests.guard._calls import WAIT, call
from tests.scenarios._shared import USD, ask, async_client, books
from tests.scenarios.conftest import SetPrices

#: $3 and $15 for a million tokens: 8 k in, 16 k out at the most.
PRICES = """
[[price]]
provider = "*"
model = "large"
input_usd_per_mtok = 3
output_usd_per_mtok = 15
"""
TEXT = [{"role": "user", "content": "word " * 1600}]
AGENTS, LIMIT_USD, WAIT_S = 50, 10, 5.0


async def test_scenario_22_fifty_agents_use_up_ten_dollars_before_one_is_told_that_it_is_gone(
    provider: MockProvider, set_prices: SetPrices
) -> None:
    """At first only forty of them fit; the others wait and are not refused."""
    set_prices(PRICES)
    usage = UsageSpec(input_tokens=8000, output_tokens=3000)
    provider.on("large", Reply(text="Yes.", usage=usage, delay_s=0.02))
    refusals: list[BudgetExceeded] = []

    async def work() -> None:
        async with async_client(provider) as one:
            while True:
                try:
                    await ask(one, model="large", messages=TEXT, max_tokens=16_000)
                except BudgetExceeded as refusal:
                    # On a busy machine one may wait in vain: it is told so, and tries again.
                    if refusal.reason != "budget_contended":
                        refusals.append(refusal)
                        return

    policy = Policy((Budget("team", "cost", LIMIT_USD * USD),))
    with gated(provider, policy, guard__max_wait_s=WAIT_S):
        await asyncio.gather(*(work() for _ in range(AGENTS)))
        ((spent, reserved),) = books().values()
    assert len(refusals) == AGENTS
    for refusal in refusals:
        assert refusal.reason == "budget_exhausted"
        assert refusal.spent is not None
        assert refusal.spent >= 0.9 * LIMIT_USD * USD
    assert reserved == 0
    assert 0.9 * LIMIT_USD * USD <= spent <= LIMIT_USD * USD


async def test_scenario_22_who_waits_first_is_served_first() -> None:
    held = Guard(Policy((Budget("b", "tokens", 10),)), settings=WAIT)
    served: list[int] = []
    first = held.admit(call(tokens=10)).granted()

    async def work(number: int) -> None:
        granted = (await held.admit_async(call(tokens=10))).granted()
        served.append(number)
        await asyncio.sleep(0)
        held.release(granted)

    waiting = [asyncio.create_task(work(number)) for number in range(20)]
    for _turn in range(3):
        await asyncio.sleep(0)
    assert not served
    held.settle(first, Spending(tokens=0, cost_nano_usd=0))
    await asyncio.gather(*waiting)
    assert served == list(range(20))


async def test_scenario_22_nobody_waits_longer_than_allowed(
    provider: MockProvider, set_prices: SetPrices
) -> None:
    set_prices(PRICES)
    provider.on("large", Reply(text="Yes.", delay_s=2.0))
    policy = Policy((Budget("team", "cost", USD * 3 // 10),))
    with gated(provider, policy, guard__max_wait_s=0.3):
        async with async_client(provider) as one:
            slow = asyncio.create_task(ask(one, model="large", messages=TEXT, max_tokens=16_000))
            while not provider.calls():  # noqa: ASYNC110 - the server knows no event loop
                await asyncio.sleep(0.005)
            began = time.monotonic()
            with pytest.raises(BudgetExceeded) as refused:
                await ask(one, model="large", messages=TEXT, max_tokens=16_000)
            waited_s = time.monotonic() - began
            slow.cancel()
    assert refused.value.reason == "budget_contended"
    assert 0.3 <= waited_s < 1.5
    assert provider.calls() == 1
