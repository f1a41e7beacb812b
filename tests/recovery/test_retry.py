"""`retry`: what it tries again, how it waits, and what it leaves behind."""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest

from spanledger import semconv
from spanledger.guard import BudgetExceeded, Policy, RateLimit, RateLimited, Refusal
from spanledger.recovery import RetryBudget, retry
from spanledger.testing.clock import TickingClock
from spanledger.testing.providers import CutStream, Fail, MockProvider, Reply
from spanledger.testing.spans import capture_spans
from tests.gate._gate import Gate, gated, limited
from tests.recovery._timing import timing

SAY: list[Any] = [{"role": "user", "content": "Hi"}]


class Flaky:
    """Fails so often, then works. Each error is that of a lost connection."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures, self.calls = failures, 0
        self.error = error or ConnectionError("reset by peer")

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return "done"


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


def _ask(provider: MockProvider, **options: Any) -> Any:
    client = openai.OpenAI(base_url=provider.openai_base_url, api_key="none", **options)
    return client.chat.completions.create(model="gpt-4o-mini", max_tokens=20, messages=SAY)


def test_what_fails_for_a_while_is_done_in_the_end(clock: TickingClock) -> None:
    work = Flaky(2)
    assert retry("flaky", timing=timing(clock))(work)() == "done"
    assert work.calls == 3
    assert clock.monotonic() == pytest.approx(0.25 + 0.5)


def test_the_last_error_is_raised_as_it_is_and_says_what_was_tried(clock: TickingClock) -> None:
    work = Flaky(9)
    with pytest.raises(ConnectionError) as caught:
        retry("flaky-2", attempts=3, timing=timing(clock))(work)()
    assert caught.value is work.error
    assert work.calls == 3
    assert "gave up after try 3" in caught.value.__notes__[0]


def test_an_error_of_the_program_is_not_tried_again(clock: TickingClock) -> None:
    work = Flaky(9, KeyError("name"))
    with pytest.raises(KeyError) as caught:
        retry("typo", timing=timing(clock))(work)()
    assert work.calls == 1
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_an_interruption_is_never_tried_again(
    clock: TickingClock, stop: type[BaseException]
) -> None:
    calls = []

    @retry(timing=timing(clock))
    def work() -> None:
        calls.append(1)
        raise stop

    with pytest.raises(stop):
        work()
    assert calls == [1]


def test_stop_iteration_is_an_error_like_any_other(clock: TickingClock) -> None:
    @retry(timing=timing(clock))
    def work() -> str:
        return next(iter(()))

    with pytest.raises(StopIteration):
        work()


def test_a_refusal_is_not_tried_again_unless_it_says_when_and_that_is_wanted(
    clock: TickingClock,
) -> None:
    soon = Refusal("rate_limited", rule="calls", retry_after_s=5.0).error()
    never = Refusal("budget_exhausted", rule="daily").error()
    for error, wanted, calls in ((soon, False, 1), (never, True, 1), (soon, True, 3)):
        work = Flaky(2, error)
        run = retry("refused", wait_for_limits=wanted, timing=timing(clock))(work)
        if calls == 1:
            with pytest.raises(type(error)):
                run()
        else:
            assert run() == "done"
        assert work.calls == calls
    assert clock.monotonic() >= 10.0


def test_retries_of_one_name_share_a_budget(clock: TickingClock) -> None:
    budget = RetryBudget(share=0.1, burst=2)
    retrying = retry("shared", budget=budget, attempts=10, timing=timing(clock))
    work = Flaky(100)
    for _ in range(10):
        with pytest.raises(ConnectionError, match="reset"):
            retrying(work)()
    assert work.calls <= 10 + 2 + 1


@pytest.mark.parametrize("_race", range(20))
def test_threads_never_take_more_retries_than_there_are(_race: int) -> None:
    budget = RetryBudget(share=0.0, burst=50)
    taken: list[int] = []

    def take() -> None:
        taken.append(sum(budget.take() for _ in range(20)))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 50


def test_a_block_is_tried_again_and_knows_which_try_it_is(clock: TickingClock) -> None:
    numbers, left = [], []
    for attempt in retry("block", deadline_s=30.0, timing=timing(clock)):
        with attempt:
            numbers.append(attempt.number)
            left.append(attempt.remaining_s)
            if attempt.number < 3:
                raise ConnectionError
    assert numbers == [1, 2, 3]
    assert left[0] == 30.0
    assert left == sorted(left, reverse=True)


def test_a_block_that_says_it_has_streamed_is_not_tried_again(clock: TickingClock) -> None:
    numbers = []
    with pytest.raises(ConnectionError):  # noqa: PT012 - the loop is what is tested
        for attempt in retry("streams", timing=timing(clock)):
            with attempt:
                numbers.append(attempt.number)
                attempt.streamed()
                raise ConnectionError
    assert numbers == [1]


def test_a_loop_without_with_is_told_so(clock: TickingClock) -> None:
    with pytest.raises(RuntimeError, match="with attempt"):
        for _attempt in retry("forgotten", timing=timing(clock)):
            pass


def test_retry_wants_its_brackets() -> None:
    with pytest.raises(TypeError, match="brackets"):
        retry(Flaky(1))  # type: ignore[arg-type]  # the mistake that is tested


async def test_coroutines_and_blocks_in_them_are_tried_again(clock: TickingClock) -> None:
    work, seen = Flaky(2), []

    @retry("coroutine", timing=timing(clock))
    async def run() -> str:
        return work()

    assert inspect.iscoroutinefunction(run)
    assert await run() == "done"
    async for attempt in retry("async block", timing=timing(clock)):
        with attempt:
            seen.append(attempt.number)
            if attempt.number == 1:
                raise TimeoutError
    assert seen == [1, 2]


def test_a_generator_is_tried_again_until_its_first_item(clock: TickingClock) -> None:
    begun = []

    @retry("generator", timing=timing(clock))
    def tokens(fail_at: int) -> Iterator[int]:
        begun.append(fail_at)
        for number in range(3):
            if number == fail_at and len(begun) < 3:
                raise ConnectionError
            yield number

    assert inspect.isgeneratorfunction(tokens)
    assert list(tokens(0)) == [0, 1, 2]
    assert len(begun) == 3
    begun.clear()
    got: list[int] = []
    with pytest.raises(ConnectionError):
        got.extend(tokens(1))
    assert (len(begun), list(retry("none", timing=timing(clock))(lambda: iter(()))())) == (1, [])


async def test_an_async_generator_is_tried_again_until_its_first_item(clock: TickingClock) -> None:
    begun, closed = [], []

    @retry("async generator", timing=timing(clock))
    async def tokens() -> AsyncIterator[int]:
        begun.append(1)
        if len(begun) == 1:
            raise ConnectionError
        try:
            yield 1
            yield 2
        finally:
            closed.append(1)

    assert inspect.isasyncgenfunction(tokens)
    assert [item async for item in tokens()] == [1, 2]
    assert (len(begun), closed) == (2, [1])


def test_each_retry_is_a_span_with_its_number_and_the_first_try_is_none(
    clock: TickingClock,
) -> None:
    with capture_spans(as_global=True) as capture:
        retry("work", timing=timing(clock))(Flaky(2))()
    found = [span["attributes"] for span in capture.spans]
    assert [span["name"] for span in capture.spans] == ["retry work"] * 2
    assert [a[semconv.CALL_ATTEMPT] for a in found] == [2, 3]
    assert [a[semconv.RECOVERY_FAILURE] for a in found] == ["connection"] * 2
    assert [a[semconv.RECOVERY_WAIT_S] for a in found] == [0.25, 0.5]
    assert capture.open_spans == []


def test_each_try_is_a_reservation_of_its_own_and_its_record_says_which(
    gate: Gate, provider: MockProvider, clock: TickingClock
) -> None:
    """And the client, which would try each of them three times, does not."""
    provider.enqueue(Fail(status=500), Fail(status=429), Reply(text="Yes."))
    run = retry("ask", timing=timing(clock))(lambda: _ask(provider, max_retries=5))
    assert run().choices[0].message.content == "Yes."
    assert provider.calls() == 3
    found = [record["attributes"].get(semconv.CALL_ATTEMPT, 1) for record in gate.records]
    assert found == [1, 2, 3]
    assert len({record["attributes"][semconv.CALL_ID] for record in gate.records}) == 3
    gate.assert_settled_once()


def test_a_client_retries_by_itself_where_nobody_else_does(
    gate: Gate, provider: MockProvider
) -> None:
    provider.enqueue(Fail(status=500, retry_after_s=0.01), Reply(text="Yes."))
    _ask(provider, max_retries=2)
    assert provider.calls() == 2
    gate.assert_settled_once()


def test_nothing_is_tried_again_after_the_first_streamed_token_of_a_gated_client(
    gate: Gate, provider: MockProvider, clock: TickingClock
) -> None:
    provider.enqueue(CutStream(after_chunks=3))
    client = openai.OpenAI(base_url=provider.openai_base_url, api_key="none", max_retries=0)

    @retry("stream", timing=timing(clock))
    def told() -> str:
        stream = client.chat.completions.create(
            model="gpt-4o-mini",
            stream=True,
            messages=[{"role": "user", "content": "Hi"}],
        )
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)

    with pytest.raises(Exception, match=r".") as caught:
        told()
    assert "had reached the program" in caught.value.__notes__[0]
    assert provider.calls() == 1
    gate.assert_settled_once()


def test_a_refused_retry_says_that_the_budget_is_used_up_and_sends_nothing(
    provider: MockProvider, clock: TickingClock
) -> None:
    provider.enqueue(Fail(status=500))
    with gated(provider, limited("calls", 1)), pytest.raises(BudgetExceeded):
        retry("tight", timing=timing(clock))(lambda: _ask(provider))()
    assert provider.calls() == 1


def test_a_rate_limit_of_ours_is_waited_for_if_that_is_wanted(provider: MockProvider) -> None:
    policy = Policy(rate_limits=(RateLimit("calls", "calls", 1, "second"),))
    with gated(provider, policy):
        _ask(provider)
        with pytest.raises(RateLimited):
            retry("limited")(lambda: _ask(provider))()
        assert retry("limited", wait_for_limits=True)(lambda: _ask(provider))()
    assert provider.calls() == 2
