"""A hundred clients are turned away in the same moment."""

import asyncio
import random
from collections import Counter

import openai
import pytest

from spanledger.guard import Guard
from spanledger.recovery import RetryBudget, Timing, retry
from spanledger.testing.clock import TickingClock
from spanledger.testing.providers import CutStream, Fail, MockProvider
from tests.gate._gate import COUNTING
from tests.scenarios._shared import async_client, held_by

CLIENTS = 100
DEADLINE_S = 20.0
BUCKET_S = 0.05
AT_MOST = 0.10


class Waits:
    """Sleeps that take no time, remembered by how many went before."""

    def __init__(self, seed: int) -> None:
        self.clock = TickingClock()
        self.waited: list[float] = []
        self.began: list[float] = []
        self._random = random.Random(seed)

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    @property
    def timing(self) -> Timing:
        return Timing(
            self.clock.monotonic,
            self.clock,
            self.clock.sleep,
            self.sleep,
            self._random.random,
        )


@pytest.fixture
def crowd() -> list[Waits]:
    return [Waits(seed) for seed in range(CLIENTS)]


async def _all_fail(provider: MockProvider, crowd: list[Waits], answer: Fail) -> None:
    budget = RetryBudget(share=1.0, burst=10**6)
    provider.enqueue(*[answer] * CLIENTS * 3)
    async with async_client(provider) as one:

        async def run(waits: Waits) -> None:
            @retry(
                attempts=3,
                base_s=4.0,
                cap_s=8.0,
                deadline_s=DEADLINE_S,
                budget=budget,
                timing=waits.timing,
            )
            async def ask() -> None:
                waits.began.append(waits.clock.monotonic())
                await one.chat.completions.create(
                    model="gpt-4o-mini", messages=[{"role": "user", "content": "Well?"}]
                )

            with pytest.raises(openai.APIStatusError):
                await ask()

        await asyncio.gather(*(run(waits) for waits in crowd))


def _fullest(waits: list[float]) -> float:
    """The part of all waits that ends in the fullest bucket of 50 ms."""
    return max(Counter(int(wait / BUCKET_S) for wait in waits).values()) / len(waits)


@pytest.mark.parametrize("asked_s", [None, 5.0])
def test_scenario_26_the_waits_at_the_cap_are_spread_and_end_before_the_deadline(
    provider: MockProvider, crowd: list[Waits], asked_s: float | None
) -> None:
    with held_by(provider, Guard(COUNTING)):
        asyncio.run(_all_fail(provider, crowd, Fail(status=503, retry_after_s=asked_s)))
    at_the_cap = [waits.waited[1] for waits in crowd if len(waits.waited) > 1]
    assert len(at_the_cap) > CLIENTS / 2
    assert _fullest(at_the_cap) <= AT_MOST
    assert max(max(waits.began) for waits in crowd) <= DEADLINE_S
    if asked_s is not None:
        assert min(wait for waits in crowd for wait in waits.waited) >= asked_s


def test_scenario_26_nothing_is_tried_again_after_the_first_token(
    provider: MockProvider, crowd: list[Waits]
) -> None:
    provider.enqueue(CutStream(after_chunks=3))
    waits = crowd[0]

    async def run() -> str:
        async with async_client(provider) as one:

            @retry("told", timing=waits.timing)
            async def told() -> str:
                stream = await one.chat.completions.create(
                    model="gpt-4o-mini",
                    messages=[{"role": "user", "content": "Well?"}],
                    stream=True,
                )
                return "".join([c.choices[0].delta.content or "" async for c in stream])

            return await told()

    with held_by(provider, Guard(COUNTING)), pytest.raises(Exception, match=r"."):
        asyncio.run(run())
    assert provider.calls() == 1
    assert waits.waited == []
