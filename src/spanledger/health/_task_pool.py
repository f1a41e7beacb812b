"""`TaskPool`: coroutines, so many at once, in the order of their priority."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

R = TypeVar("R")


class TaskPool:
    """At most `limit` coroutines at once in an event loop; the others wait, the most urgent first.

    >>> async def answer(number: int) -> int:
    ...     return number * 2
    >>> async def run() -> list[int]:
    ...     async with TaskPool(limit=2) as pool:
    ...         return await pool.gather([lambda: answer(1), lambda: answer(2)])
    >>> asyncio.run(run())
    [2, 4]

    What is submitted is a function that makes the coroutine, called when its turn comes. It runs
    in the context in which it was submitted: under the same span, for the same agent, session
    and user. Leaving the block waits for all; if an exception leaves it, all are cancelled.
    Raises `ValueError` for a limit below 1.
    """

    def __init__(self, limit: int) -> None:
        if isinstance(limit, bool) or not limit >= 1:
            raise ValueError(f"limit is {limit!r}; it must be at least 1")
        self._free = limit
        self._turns: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def submit(
        self,
        work: Callable[[], Awaitable[R]],
        *,
        priority: int = 0,
        timeout_s: float | None = None,
    ) -> "asyncio.Task[R]":
        """Have `work` run; of those that wait, the highest priority first, then the oldest.

        It is cancelled `timeout_s` seconds after it began, and its task raises `TimeoutError`.
        `cancel()` of the task works at any time. Raises `RuntimeError` once the pool is closed.
        """
        if self._closed:
            raise RuntimeError("this TaskPool is closed; submit inside its `async with` block")
        task = asyncio.get_running_loop().create_task(self._run(work, priority, timeout_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def gather(
        self,
        works: Iterable[Callable[[], Awaitable[R]]],
        *,
        priority: int = 0,
        timeout_s: float | None = None,
    ) -> list[R]:
        """Run all and give their results, in the order of `works`.

        The first error is raised, and the others are cancelled. So they are after `timeout_s`
        seconds for all of them together; then `TimeoutError` is raised.
        """
        tasks = [self.submit(work, priority=priority) for work in works]
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.gather(*tasks)
        finally:
            await _cancel(tasks)

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Until nothing is left to do; whether that is so after `timeout_s` seconds."""
        if not self._tasks:
            return True
        _, left = await asyncio.wait(self._tasks, timeout=timeout_s)
        return not left

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closed = True
        if error is not None:
            await _cancel(self._tasks)
            return
        try:
            await self.wait()
        finally:  # cancelled while it waited
            await _cancel(self._tasks)

    async def _run(
        self, work: Callable[[], Awaitable[R]], priority: int, timeout_s: float | None
    ) -> R:
        await self._turn(priority)
        try:
            async with asyncio.timeout(timeout_s):
                return await work()
        finally:
            self._next()

    async def _turn(self, priority: int) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._turns, (-priority, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next()  # it was its turn already: pass it on
            raise

    def _next(self) -> None:
        """Give the place to the next one that still waits."""
        while self._turns:
            _, _, turn = heapq.heappop(self._turns)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


async def _cancel(tasks: "Iterable[asyncio.Task[Any]]") -> None:
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
