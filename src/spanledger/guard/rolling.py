"""Calls of the last seconds, counted in buckets of one second. Pure."""

from collections import deque
from dataclasses import field
from typing import Literal, NamedTuple

from spanledger.lean import dataclass


class Counts(NamedTuple):
    """The calls of a window."""

    calls: int = 0
    failed: int = 0
    slow: int = 0


@dataclass(slots=True)
class RollingCounts:
    """Calls of the last `window_s` seconds, in buckets of one second."""

    calls: int = 0
    failed: int = 0
    slow: int = 0
    _buckets: deque[list[int]] = field(default_factory=deque)

    def add(self, outcome: Literal["ok", "slow", "failed"], now: float, window_s: int) -> None:
        """Count one call and forget those that have left the window."""
        self.forget(now, window_s)
        second = int(now)
        # A thread that read the clock early and got the lock late counts in the newest bucket.
        if not self._buckets or self._buckets[-1][0] < second:
            self._buckets.append([second, 0, 0, 0])
        bucket = self._buckets[-1]
        bucket[1] += 1
        self.calls += 1
        if outcome == "failed":
            bucket[2] += 1
            self.failed += 1
        elif outcome == "slow":
            bucket[3] += 1
            self.slow += 1

    def forget(self, now: float, window_s: int) -> None:
        """Drop the buckets that have left the window."""
        oldest = int(now) - window_s
        while self._buckets and self._buckets[0][0] <= oldest:
            _second, calls, failed, slow = self._buckets.popleft()
            self.calls -= calls
            self.failed -= failed
            self.slow -= slow

    def counts(self) -> Counts:
        """What the window holds, as of the last change."""
        return Counts(self.calls, self.failed, self.slow)
