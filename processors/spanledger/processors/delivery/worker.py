"""A thread of ours: it works when it is woken or when its rest is over, and is not traced."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from opentelemetry import context as otel_context
from opentelemetry.instrumentation.utils import suppress_instrumentation

_log = logging.getLogger("spanledger.export")

#: After a failure of our own, which is a bug: don't spin.
_PAUSE_S = 1.0


class Worker:
    """Calls `step` again and again; each time it says how long to rest, None: until woken."""

    def __init__(
        self,
        name: str,
        step: Callable[[], float | None],
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._step = step
        self._at_end = at_end
        # Not an event: this one may be set by a finaliser that interrupts the setting.
        self._calls = SimpleQueue[bool]()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def runs(self) -> bool:
        return self._thread is not None

    def start(self) -> None:
        """Start the thread, if there is none. Never waits, never raises."""
        # Another thread is at it, or this one is, interrupted by a finaliser.
        if self._thread is not None or not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._calls = SimpleQueue()
                self._thread = thread
                thread.start()
        except RuntimeError:
            # The interpreter is shutting down: no new threads. The shutdown does the work.
            self._thread = None
        finally:
            self._starting.release()

    def wake(self) -> None:
        """End the rest. Never blocks; any number of calls count as one."""
        if self._calls.empty():
            self._calls.put(True)

    def stop(self) -> None:
        """End the thread after its present step; then `start` begins anew."""
        if self._thread is not None:
            self._calls.put(False)

    def _run(self) -> None:
        # Instrumented threads inherit the context of who starts them: a span that has long ended.
        otel_context.attach(otel_context.Context())
        rest_s: float | None = 0.0
        with suppress_instrumentation():
            while self._goes_on(rest_s):
                try:
                    rest_s = self._step()
                except Exception:  # noqa: BLE001 - a thread that dies would lose all that follows
                    _log.exception("the export of telemetry failed; it goes on in a second")
                    rest_s = _PAUSE_S
            self._at_end()
        self._thread = None

    def _goes_on(self, rest_s: float | None) -> bool:
        with suppress(Empty):
            return self._calls.get(timeout=rest_s)
        return True


def run_untraced(step: Callable[[], object]) -> None:
    """Do a worker's step on this thread."""
    with suppress_instrumentation():
        step()
