"""Clocks and ids that a test controls."""

import itertools
import threading
from collections.abc import Callable

_NS = 1_000_000_000

#: 2026-01-15 12:00:00 UTC: in the middle of an hour's, a day's and a month's windows.
DEFAULT_START_S = 1_768_478_400.0

__all__ = ["DEFAULT_START_S", "TickingClock", "sequential_ids"]


class TickingClock:
    """A clock that moves when it is told to; calling it gives the wall time in seconds.

    With ``tick_s`` every read (wall or monotonic) also moves it on, after the read. Kept in
    whole nanoseconds, so that ten steps of 0.1 s are one second. Thread-safe.
    """

    def __init__(self, start_s: float = DEFAULT_START_S, *, tick_s: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._wall_ns = _ns(start_s)
        self._monotonic_ns = 0
        self._tick_ns = _forward_ns(tick_s)

    def __call__(self) -> float:
        """Wall time in seconds since the epoch, like `time.time`."""
        return self.time_ns() / _NS

    def time_ns(self) -> int:
        """Wall time in nanoseconds since the epoch, like `time.time_ns`."""
        return self._read()[0]

    def monotonic(self) -> float:
        """Seconds since the clock was made, like `time.monotonic`; `jump` does not move it."""
        return self._read()[1] / _NS

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks. Raises `ValueError` if ``seconds`` is negative."""
        self._move(_forward_ns(seconds))

    def sleep(self, seconds: float) -> None:
        """`advance`, to be passed where a ``sleep`` function is wanted."""
        self.advance(seconds)

    async def sleep_async(self, seconds: float) -> None:
        """`advance`, to be passed where an async ``sleep`` function is wanted."""
        self.advance(seconds)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or (negative) back, as an administrator would."""
        with self._lock:
            self._wall_ns += _ns(seconds)

    def _read(self) -> tuple[int, int]:
        with self._lock:
            now = self._wall_ns, self._monotonic_ns
            self._wall_ns += self._tick_ns
            self._monotonic_ns += self._tick_ns
            return now

    def _move(self, ns: int) -> None:
        with self._lock:
            self._wall_ns += ns
            self._monotonic_ns += ns


def sequential_ids(prefix: str = "id", *, start: int = 1) -> Callable[[], str]:
    """A thread-safe maker of ids: ``id-000001``, ``id-000002``, …"""
    lock = threading.Lock()
    numbers = itertools.count(start)

    def next_id() -> str:
        with lock:
            return f"{prefix}-{next(numbers):06d}"

    return next_id


def _ns(seconds: float) -> int:
    return round(seconds * _NS)


def _forward_ns(seconds: float) -> int:
    if seconds < 0:
        raise ValueError(
            f"{seconds} s is negative and time only goes on; to set the wall clock back use jump()."
        )
    return _ns(seconds)
