"""A thread that does something now and then, and is never in the way of the process's end."""

import atexit
import logging
import os
import threading
from collections.abc import Callable
from weakref import WeakSet

_log = logging.getLogger("spanledger.guard")

#: The end of the process waits so long for a step under way: it may hold a lock of the ledger.
_EXIT_S = 1.0


class Ticker:
    """Calls `step` every `every_s` seconds on a daemon thread, from `start` on until `stop`.

    0 seconds: never, or just once. A forked child has no such thread; `start` makes one there.
    """

    def __init__(self, name: str, every_s: float, step: Callable[[], object]) -> None:
        self._name, self._every_s, self._step = name, every_s, step
        self._begin_process()
        _all.add(self)

    def _begin_process(self) -> None:
        self._changing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def start(self, *, at_once: bool = False) -> None:
        """Have the thread run. `at_once`: with a step at its beginning. Twice is once."""
        with self._changing:
            wanted = at_once or self._every_s > 0
            if self._thread is not None or not wanted or _at_end.is_set():
                return
            self._ended = threading.Event()
            thread = threading.Thread(
                target=self._run, args=(self._ended, at_once), name=self._name, daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:
                # The interpreter is ending, or there are too many threads.
                _log.warning("%s does not run: %s", self._name, error)
                return
            self._thread = thread

    def stop(self, wait_s: float = 0.0) -> None:
        """End the thread, after the step that is under way; wait for that so many seconds."""
        with self._changing:
            thread, self._thread = self._thread, None
            self._ended.set()
        if thread is not None and wait_s and thread is not threading.current_thread():
            thread.join(wait_s)

    def pause(self, seconds: float) -> None:
        """For the step: wait, but not beyond the end."""
        self._ended.wait(seconds)

    def _run(self, ended: threading.Event, at_once: bool) -> None:
        if at_once:
            self._do()
        while self._every_s and not ended.wait(self._every_s):
            self._do()

    def _do(self) -> None:
        try:
            self._step()
        except Exception:  # noqa: BLE001 - the next one may do better; no thread may end for it
            _log.exception("a step of %s failed", self._name)


_all: "WeakSet[Ticker]" = WeakSet()
_at_end = threading.Event()


def _after_fork_in_child() -> None:
    for ticker in list(_all):
        ticker._begin_process()


def _at_exit() -> None:
    _at_end.set()
    for ticker in list(_all):
        ticker.stop(_EXIT_S)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
