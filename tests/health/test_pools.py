"""Bounded concurrency: never more than the limit, urgent first, context kept, nothing lost."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from opentelemetry import trace

from spanledger.health import TaskPool, WorkerPool
from spanledger.testing.spans import capture_spans
from spanledger.track import current_scope, session

LONG_S = 10.0


class Meter:
    """How many are inside at once."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_error: object) -> None:
        with self.lock:
            self.now -= 1


# --- threads ------------------------------------------------------------------------------------


@pytest.mark.parametrize("_race", range(20))
def test_threads_never_pass_the_limit_and_lose_no_job(_race: int) -> None:
    meter, numbers = Meter(), list(range(60))

    def work(number: int) -> int:
        with meter:
            return number * 2

    with WorkerPool(3) as pool:
        assert pool.gather([partial(work, n) for n in numbers]) == [n * 2 for n in numbers]
        assert pool.wait(LONG_S)
    assert 1 <= meter.most <= 3


def test_the_limit_is_used() -> None:
    together = threading.Barrier(3, timeout=LONG_S)
    with WorkerPool(3) as pool:
        pool.gather([together.wait] * 3, timeout_s=LONG_S)


def _held(pool: WorkerPool) -> Callable[[], None]:
    """Occupy the only thread; call what this gives to free it."""
    begun, free = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        free.wait(LONG_S)

    pool.submit(hold)
    assert begun.wait(LONG_S)
    return free.set


def test_of_those_that_wait_the_urgent_go_first_then_the_oldest() -> None:
    order: list[str] = []
    with WorkerPool(1) as pool:
        free = _held(pool)
        for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5), ("e", -1)):
            pool.submit(partial(order.append, name), priority=priority)
        free()
    assert order == ["b", "d", "a", "c", "e"]


def test_a_job_that_has_not_begun_can_be_cancelled() -> None:
    ran: list[int] = []
    with WorkerPool(1) as pool:
        free = _held(pool)
        job = pool.submit(lambda: ran.append(1))
        assert job.cancel()
        free()
        assert pool.wait(LONG_S)
    assert ran == []


def test_gather_raises_the_first_error_and_cancels_what_has_not_begun() -> None:
    ran: list[int] = []

    def fail() -> None:
        raise ConnectionError("lost")

    def run() -> None:
        ran.append(1)

    over = threading.Event()
    with WorkerPool(1) as pool:
        with pytest.raises(ConnectionError, match="lost"):
            pool.gather([fail, lambda: over.wait(LONG_S), *[run] * 50])
        over.set()
    assert ran == []


def test_gather_gives_up_after_its_timeout() -> None:
    with WorkerPool(1) as pool:
        free = _held(pool)
        with pytest.raises(TimeoutError, match="2 of 2 jobs"):
            pool.gather([int, int], timeout_s=0.01)
        assert not pool.wait(0.0)
        free()
        assert pool.wait(LONG_S)


def test_jobs_on_threads_keep_span_and_scope() -> None:
    def seen() -> tuple[int, str | None]:
        return trace.get_current_span().get_span_context().span_id, current_scope().session

    with capture_spans(as_global=True), WorkerPool(2) as pool:
        with session("s-1") as outer:
            assert outer.span.get_span_context().is_valid
            expected = seen()
            job = pool.submit(seen)
        assert job.result(LONG_S) == expected
        assert pool.submit(seen).result(LONG_S)[1] is None


def test_a_block_that_fails_cancels_what_waits_and_a_closed_pool_takes_nothing() -> None:
    ran: list[int] = []
    pool = WorkerPool(1)
    with pytest.raises(KeyError), pool:  # noqa: PT012 - the block is what is tested
        free = _held(pool)
        waiting = pool.submit(lambda: ran.append(1))
        waiting.add_done_callback(lambda _future: free())
        raise KeyError
    assert waiting.cancelled()
    assert ran == []
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(int)


@pytest.mark.parametrize("limit", [0, -1, True])
def test_a_limit_of_nothing_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        WorkerPool(limit)
    with pytest.raises(ValueError, match="limit"):
        TaskPool(limit)


# --- an event loop ------------------------------------------------------------------------------


async def test_coroutines_never_pass_the_limit_and_lose_no_job() -> None:
    meter = Meter()

    async def work(number: int) -> int:
        with meter:
            await asyncio.sleep(0)
            return number * 2

    async with TaskPool(3) as pool:
        found = await pool.gather([partial(work, n) for n in range(60)])
    assert found == [n * 2 for n in range(60)]
    assert meter.most == 3


async def _append(to: list[str], name: str) -> None:
    to.append(name)


async def test_of_those_coroutines_that_wait_the_urgent_go_first() -> None:
    order: list[str] = []
    async with TaskPool(1) as pool:
        gate = asyncio.Event()
        pool.submit(gate.wait)
        await asyncio.sleep(0)
        for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5), ("e", -1)):
            pool.submit(partial(_append, order, name), priority=priority)
        await asyncio.sleep(0)
        gate.set()
        assert await pool.wait(LONG_S)
    assert order == ["b", "d", "a", "c", "e"]


async def test_a_timeout_counts_from_the_begin_and_frees_the_place() -> None:
    async with TaskPool(1) as pool:
        hung = pool.submit(asyncio.Event().wait, timeout_s=0.01)
        done: list[str] = []
        after = pool.submit(partial(_append, done, "done"), timeout_s=LONG_S)
        with pytest.raises(TimeoutError):
            await hung
        await after
    assert done == ["done"]


@pytest.mark.parametrize("cancelled", range(4))
async def test_a_cancelled_job_gives_its_turn_to_the_next(cancelled: int) -> None:
    order: list[str] = []
    async with TaskPool(1) as pool:
        gate = asyncio.Event()
        tasks: list[asyncio.Task[Any]] = [pool.submit(gate.wait)]
        await asyncio.sleep(0)
        tasks += [pool.submit(partial(_append, order, name)) for name in "abc"]
        await asyncio.sleep(0)
        gate.set()
        tasks[cancelled].cancel()
    names = ["", "a", "b", "c"]
    assert order == [name for name in names[1:] if name != names[cancelled]]


async def test_gather_cancels_the_others_after_an_error_and_after_its_timeout() -> None:
    ended: list[str] = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("hang")

    async def fail() -> None:
        raise ConnectionError

    async with TaskPool(2) as pool:
        with pytest.raises(ConnectionError):
            await pool.gather([hang, fail])
        with pytest.raises(TimeoutError):
            await pool.gather([hang, hang, hang], timeout_s=0.01)
    assert ended == ["hang"] * 3


async def test_coroutines_keep_span_and_scope() -> None:
    async def seen() -> tuple[int, str | None]:
        return trace.get_current_span().get_span_context().span_id, current_scope().session

    with capture_spans(as_global=True):
        async with TaskPool(1) as pool:
            with session("s-1"):
                expected = await seen()
                task = pool.submit(seen)
            assert await task == expected
            assert (await pool.submit(seen))[1] is None


async def test_a_block_that_fails_cancels_all_coroutines() -> None:
    pool = TaskPool(1)
    with pytest.raises(KeyError):  # noqa: PT012 - the block is what is tested
        async with pool:
            task = pool.submit(asyncio.Event().wait)
            raise KeyError
    assert task.cancelled()
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(asyncio.Event().wait)
