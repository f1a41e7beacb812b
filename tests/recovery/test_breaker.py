"""Breakers around any function, on the guard's own registry."""

import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from spanledger import guard
from spanledger.guard import CircuitOpen, Guard, Policy
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.recovery import breaker, is_circuit_open
from spanledger.testing.clock import TickingClock
from tests.scenarios._shared import Events


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture(autouse=True)
def events(clock: TickingClock) -> Iterator[Events]:
    seen = Events()
    guard.use(Guard(clock=clock, monotonic=clock.monotonic, listeners=[seen]))
    yield seen
    guard.use(Guard())


def _failing(name: str, calls: int = 4) -> None:
    @breaker(name, min_calls=calls, open_s=10.0, permits=1)
    def work() -> None:
        raise ConnectionError

    for _ in range(calls):
        with pytest.raises(ConnectionError):
            work()
    with pytest.raises(CircuitOpen, match=f"tool:{name}"):
        work()


def test_a_function_that_fails_is_held_back_and_tried_again_later(clock: TickingClock) -> None:
    fails = True

    @breaker("inventory", min_calls=4, open_s=10.0, permits=1)
    def in_stock(item: str) -> str:
        if fails:
            raise ConnectionError
        return item

    for _ in range(4):
        assert not is_circuit_open("inventory")
        with pytest.raises(ConnectionError):
            in_stock("tea")
    assert is_circuit_open("inventory")
    assert is_circuit_open("tool:inventory")
    with pytest.raises(CircuitOpen) as caught:
        in_stock("tea")
    assert caught.value.retry_after_s == pytest.approx(10.0)
    fails = False
    clock.advance(10.0)
    assert not is_circuit_open("inventory")
    assert in_stock("tea") == "tea"
    assert not is_circuit_open("inventory")


def test_it_is_the_breaker_that_operators_see_and_force(events: Events) -> None:
    _failing("orders")
    (status,) = guard.current().breakers.statuses()
    assert (status.name, status.state) == ("tool:orders", "open")
    assert [event.reason for event in events.of("breaker")] == ["tripped"]
    guard.current().breakers.force("tool:orders", "closed")
    assert not is_circuit_open("orders")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, GeneratorExit])
def test_an_interruption_says_nothing_of_the_other_side(stop: type[BaseException]) -> None:
    @breaker("interrupted", min_calls=1)
    def work() -> None:
        raise stop

    for _ in range(5):
        with pytest.raises(stop):
            work()
    assert not is_circuit_open("interrupted")


async def test_coroutines_and_generators_stay_what_they_are() -> None:
    @breaker(min_calls=2)
    async def waits() -> str:
        return "done"

    @breaker(min_calls=2)
    def counts() -> Iterator[int]:
        yield 1
        raise ConnectionError

    @breaker(min_calls=2)
    async def counts_later() -> AsyncIterator[int]:
        yield 1
        raise ConnectionError

    assert await waits() == "done"
    for _ in range(2):
        with pytest.raises(ConnectionError):
            list(counts())
        with pytest.raises(ConnectionError):
            [item async for item in counts_later()]
    assert is_circuit_open("counts")
    assert is_circuit_open("counts_later")
    assert not is_circuit_open("waits")


def test_models_and_tools_of_the_policy_are_asked_by_their_names() -> None:
    guard.use(Guard(Policy(breakers=(BreakerRule("all"),))))
    assert not is_circuit_open("openai/gpt-4o@eu")
    guard.current().breakers.force("openai/gpt-4o@eu", "open")
    assert is_circuit_open("openai/gpt-4o@eu")
    assert not is_circuit_open("openai/gpt-4o")
    guard.current().breakers.force("all", "open")
    assert is_circuit_open("tool:search")


@pytest.mark.parametrize("wrong", ["gpt-4o", "/gpt-4o", "openai/", ""])
def test_a_name_that_can_be_no_breaker_is_told_so(wrong: str) -> None:
    """A misspelt name that is never open would be worse than none."""
    with pytest.raises(ValueError, match="is no breaker"):
        is_circuit_open(wrong)


def test_breaker_wants_its_brackets() -> None:
    with pytest.raises(TypeError, match="brackets"):
        breaker(len)  # type: ignore[arg-type]  # the mistake that is tested
    with pytest.raises(ValueError, match="failure_rate"):
        breaker("wrong", failure_rate=2)


@pytest.mark.parametrize("race", range(20))
def test_of_many_threads_only_as_many_as_there_are_permits_try_it(
    clock: TickingClock, race: int
) -> None:
    entered, go, refused = [], threading.Event(), []
    fails = True

    @breaker(f"race-{race}", min_calls=1, open_s=1.0, permits=3)
    def work() -> None:
        if fails:
            raise ConnectionError
        entered.append(1)
        assert go.wait(30)

    with pytest.raises(ConnectionError):
        work()
    fails = False
    clock.advance(1.0)

    def ask() -> None:
        try:
            work()
        except CircuitOpen:
            refused.append(1)
            if len(refused) == 13:
                go.set()

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(entered), len(refused)) == (3, 13)
