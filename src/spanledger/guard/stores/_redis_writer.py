"""One thread that does what must not be done where it was asked for."""

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

from spanledger.guard.stores._monotonic import monotonic

_log = logging.getLogger(__name__)


class Writer:
    """Runs steps one after the other on a thread of its own, which starts with the first use.

    `put` may be called from anywhere, also from a finaliser that interrupts `put` itself.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        # Its `put` is re-entrant, which `queue.Queue` is not.
        self._steps = SimpleQueue[Callable[[], object]]()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread. Not from a finaliser: call it before there is anything to finalise."""
        if self._thread is not None:
            return
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                thread.start()
                self._thread = thread

    def put(self, step: Callable[[], object]) -> None:
        """Have `step` run soon; what it raises is logged."""
        self._steps.put(step)

    def stop(self) -> None:
        """End the thread after what was put before; the next `start` begins a new one."""
        if self._thread is not None:
            self._thread = None
            self._steps.put(_end)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was put before has run; False if that took too long.

        Without a thread (it never started, or the interpreter ends) the steps run here.
        """
        end = monotonic() + timeout_s
        if self._thread is None or not self._thread.is_alive():
            return self._drain(end)
        done = threading.Event()
        self._steps.put(done.set)
        return done.wait(timeout_s)

    def _drain(self, end: float) -> bool:
        while not self._steps.empty() and monotonic() < end:
            _run(self._steps.get())
        return self._steps.empty()

    def _work(self) -> None:
        while (step := self._steps.get()) is not _end:
            _run(step)


def _end() -> None:
    """The step after which the thread ends."""


def _run(step: Callable[[], object]) -> None:
    try:
        step()
    except Exception:  # noqa: BLE001  # the thread must outlive any step
        _log.exception("A step of the ledger's writer failed.")
