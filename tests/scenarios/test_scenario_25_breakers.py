"""A provider that fails, recovers, is tried out by several at once, and asks for patience."""

import asyncio
import threading
from collections import Counter

import openai
import pytest

from spanledger.guard import CircuitOpen, Guard, Policy
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.testing.clock import TickingClock
from spanledger.testing.providers import Fail, Hang, MockProvider, RecordedRequest, Reply
from tests.guard._wait import until
from tests.scenarios._shared import DEMO, ask, async_client, client, held_by, used

RULE = BreakerRule("provider")  # ten calls at least, 50 % failures, open for 30 s, three permits
FAILS, WORKS = Fail(status=500), used(5)
TARGET = "openai/demo"


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
def held(clock: TickingClock) -> Guard:
    policy = Policy(breakers=(RULE,))
    return Guard(policy, clock=clock, monotonic=clock.monotonic)


def _state(held: Guard) -> str:
    (found,) = [status.state for status in held.breakers.statuses() if status.name == TARGET]
    return found


def _outcome(provider: MockProvider) -> str:
    try:
        ask(client(provider))
    except (openai.APIError, CircuitOpen) as error:
        return type(error).__name__
    return "ok"


def _open(provider: MockProvider) -> None:
    """Ten failures in a row."""
    provider.enqueue(*[FAILS] * 10)
    assert {_outcome(provider) for _ in range(10)} == {"InternalServerError"}
    assert _outcome(provider) == "CircuitOpen"


def test_scenario_25_eighty_percent_failures_open_it_at_the_tenth_call(
    provider: MockProvider, held: Guard
) -> None:
    provider.enqueue(*([FAILS] * 4 + [WORKS]) * 2)
    with held_by(provider, held):
        seen = [_outcome(provider) for _ in range(13)]
    assert seen[:10] == (["InternalServerError"] * 4 + ["ok"]) * 2
    assert seen[10:] == ["CircuitOpen"] * 3
    assert provider.calls() == 10


@pytest.mark.parametrize("_race", range(5))
def test_scenario_25_of_sixteen_threads_exactly_three_try_whether_it_has_recovered(
    provider: MockProvider, held: Guard, clock: TickingClock, _race: int
) -> None:
    answer = threading.Event()

    def slow(_request: RecordedRequest) -> Reply:
        assert answer.wait(30)
        return WORKS

    seen: list[str] = []
    with held_by(provider, held):
        _open(provider)
        clock.advance(30.0)
        provider.on(DEMO, slow)
        threads = [
            threading.Thread(target=lambda: seen.append(_outcome(provider))) for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        until(lambda: len(seen) == 13 and provider.calls() == 13)  # ten failures and three
        answer.set()
        for thread in threads:
            thread.join(30)
        assert Counter(seen) == {"CircuitOpen": 13, "ok": 3}
        assert _state(held) == "closed"
    assert provider.calls() == 13


async def test_scenario_25_a_probe_that_is_cancelled_gives_its_permit_back(
    provider: MockProvider, held: Guard, clock: TickingClock
) -> None:
    with held_by(provider, held):
        _open(provider)
        clock.advance(30.0)
        async with async_client(provider) as one:
            for probe in range(5):  # more than there are permits
                provider.enqueue(Hang())
                task = asyncio.create_task(ask(one))
                while provider.calls() <= 10 + probe:  # noqa: ASYNC110 - a server of threads
                    await asyncio.sleep(0.005)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
        assert _state(held) == "half_open"
        assert [_outcome(provider) for _ in range(3)] == ["ok"] * 3
        assert _state(held) == "closed"


def test_scenario_25_a_success_that_began_before_it_opened_does_not_close_it(
    provider: MockProvider, held: Guard, clock: TickingClock
) -> None:
    answer = threading.Event()

    def slow(_request: RecordedRequest) -> Reply:
        assert answer.wait(30)
        return WORKS

    seen: list[str] = []
    with held_by(provider, held):
        provider.enqueue(*[slow] * 3)
        early = [threading.Thread(target=lambda: seen.append(_outcome(provider))) for _ in range(3)]
        for thread in early:
            thread.start()
        until(lambda: provider.calls() == 3)
        _open(provider)
        clock.advance(30.0)
        provider.enqueue(FAILS)
        answer.set()
        for thread in early:
            thread.join(30)
        assert seen == ["ok"] * 3
        # Three successes of before its time did not close it: this is a probe, and it fails.
        assert _outcome(provider) == "InternalServerError"
        assert _outcome(provider) == "CircuitOpen"
        assert _state(held) == "open"


def test_scenario_25_a_429_holds_calls_back_for_as_long_as_it_says_and_is_no_failure(
    provider: MockProvider, held: Guard, clock: TickingClock
) -> None:
    provider.enqueue(Fail(status=429, retry_after_s=20))
    with held_by(provider, held):
        assert _outcome(provider) == "RateLimitError"
        with pytest.raises(CircuitOpen) as refused:
            ask(client(provider))
        assert refused.value.retry_after_s == pytest.approx(20.0)
        assert _state(held) == "closed"
        clock.advance(19.5)
        assert _outcome(provider) == "CircuitOpen"
        clock.advance(0.5)
        assert _outcome(provider) == "ok"
    assert provider.calls() == 2
