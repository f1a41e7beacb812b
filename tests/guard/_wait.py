"""Waiting for what another thread does, with an end."""

import threading
import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 10.0


def until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait until `condition` holds. Fails the test if it does not in time."""
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.001)


class InThread:
    """A function at work in a thread of its own; `result` waits for what it returned."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._result: list[Any] = []
        self._thread = threading.Thread(target=lambda: self._result.append(work()), daemon=True)
        self._thread.start()

    def result(self) -> Any:
        self._thread.join(PATIENCE_S)
        assert self._result, "the thread hangs or failed"
        return self._result[0]

    @property
    def done(self) -> bool:
        return bool(self._result)
