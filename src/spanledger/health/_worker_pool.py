"""`WorkerPool`: functions on threads, so many at once, in the order of their priority."""

import contextvars
import heapq
import itertools
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future
from concurrent.futures import wait as wait_for
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

R = TypeVar("R")


class _Job(NamedTuple):
    """One piece of work; the heap compares the first two fields, which are unique together."""

    order: int
    number: int
    future: "Future[Any]"
    work: Callable[[], Any]


class WorkerPool:
    """At most `limit` functions at once, on threads; the others wait, the most urgent first.

    >>> with WorkerPool(limit=2) as pool:
    ...     urgent = pool.submit(lambda: "a", priority=1)
    ...     both = pool.gather([lambda: "b", lambda: "c"])
    >>> urgent.result(), both
    ('a', ['b', 'c'])

    Each job runs in the context in which it was submitted: what it does lies under the span that
    was open there, and belongs to the same agent, session and user. Leaving the block waits for
    all jobs; if an exception leaves it, those that have not begun are cancelled. A function that
    runs can't be stopped: a time-out gives up waiting for it, its thread goes on to its end.
    Raises `ValueError` for a limit below 1.
    """

    def __init__(self, limit: int) -> None:
        if isinstance(limit, bool) or not limit >= 1:
            raise ValueError(f"limit is {limit!r}; it must be at least 1")
        self._limit = limit
        self._changed = threading.Condition()
        self._waiting: list[_Job] = []
        self._open: set[Future[Any]] = set()
        self._numbers = itertools.count()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closed = False

    def submit(self, work: Callable[[], R], *, priority: int = 0) -> "Future[R]":
        """Have `work` run; of those that wait, the highest priority first, then the oldest.

        The future's `cancel` works until it begins. Raises `RuntimeError` once the pool is closed.
        """
        future: Future[R] = Future()
        run = contextvars.copy_context().run
        with self._changed:
            if self._closed:
                raise RuntimeError("this WorkerPool is closed; submit inside its `with` block")
            job = _Job(-priority, next(self._numbers), future, lambda: run(work))
            heapq.heappush(self._waiting, job)
            self._open.add(future)
            self._make_room()
            self._changed.notify()
        future.add_done_callback(self._done)
        return future

    def gather(
        self,
        works: Iterable[Callable[[], R]],
        *,
        priority: int = 0,
        timeout_s: float | None = None,
    ) -> list[R]:
        """Run all and give their results, in the order of `works`.

        The first error is raised, and those that have not begun are cancelled. So they are after
        `timeout_s` seconds; then `TimeoutError` is raised.
        """
        futures = [self.submit(work, priority=priority) for work in works]
        try:
            done, left = wait_for(futures, timeout_s, FIRST_EXCEPTION)
            failed = [f for f in futures if f in done and f.exception() is not None]
            if failed:
                failed[0].result()
            if left:
                raise TimeoutError(f"{len(left)} of {len(futures)} jobs not done in {timeout_s} s")
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until nothing is left to do; whether that is so after `timeout_s` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout_s)

    def close(self, *, cancel: bool = False) -> None:
        """Take no more, wait for what there is, and end the threads."""
        with self._changed:
            self._closed = True
            waiting = [job.future for job in self._waiting] if cancel else []
            self._changed.notify_all()
        for future in waiting:
            future.cancel()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(cancel=error is not None)

    def _make_room(self) -> None:
        if self._idle < len(self._waiting) and len(self._threads) < self._limit:
            name = f"spanledger-worker-{len(self._threads) + 1}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _done(self, future: "Future[Any]") -> None:
        with self._changed:
            self._open.discard(future)
            self._changed.notify_all()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                value = job.work()
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever asks for the result
                job.future.set_exception(error)
            else:
                job.future.set_result(value)

    def _next(self) -> _Job | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._idle -= 1
            return heapq.heappop(self._waiting) if self._waiting else None
