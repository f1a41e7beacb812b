"""One thread that does what an event loop must not wait for, in order."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Job = tuple[Future[Any], Callable[[], Any]]


class Writer:
    """Steps, one after the other, on a daemon thread that is started when it is needed.

    `submit` takes no lock once the thread runs, so a finaliser may call it anywhere; who
    expects finalisers calls `start` before. `started` is called once the thread runs. Not for
    use across a fork.
    """

    def __init__(self, name: str, started: Callable[[], object] = lambda: None) -> None:
        self._name = name
        self._started = started
        # `put` of a SimpleQueue may interrupt a `put`: the collector's finalisers do that.
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Have the thread run. Raises `RuntimeError` when the interpreter is ending."""
        if self._thread is not None or not self._starting.acquire(blocking=False):
            return
        try:
            thread = threading.Thread(
                target=_work, args=(self._jobs,), name=self._name, daemon=True
            )
            thread.start()
            self._thread = thread
            self._started()
        finally:
            self._starting.release()

    def submit(self, step: Callable[[], T]) -> "Future[T]":
        """Run `step` after all that were submitted before."""
        future: Future[T] = Future()
        self._jobs.put((future, step))
        try:
            self.start()
        except RuntimeError:
            # The interpreter is ending and starts no thread any more: done here instead.
            self.run_here()
        return future

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was submitted before is done; False if that took too long."""
        if self._thread is None:
            self.run_here()
            return True
        done = threading.Event()
        self._jobs.put((Future(), done.set))
        return done.wait(timeout_s)

    def run_here(self) -> None:
        """Do what is left on this thread."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            if job is not None:
                _run(job)

    def stop(self) -> None:
        """End the thread after what was submitted before."""
        self._jobs.put(None)


def _work(jobs: "SimpleQueue[_Job | None]") -> None:
    while (job := jobs.get()) is not None:
        _run(job)
        # Not kept until the next one comes: it holds what the step refers to.
        del job


def _run(job: _Job) -> None:
    future, step = job
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(step())
    except BaseException as error:  # noqa: BLE001 - it belongs to who waits for the future
        future.set_exception(error)
