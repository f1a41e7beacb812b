"""How operations went lately, by name: bounded, behind one lock."""

import math
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, NamedTuple

from opentelemetry import metrics

from spanledger import semconv

#: What "lately" is: the last runs of a name, none of them older than this.
RECENT_S = 300.0
_RECENT_RUNS = 256
_MOST_NAMES = 256


class OperationStats(NamedTuple):
    """How one operation went: in all, and lately (the last 256 runs of the last five minutes)."""

    name: str
    runs: int
    """In all, as are the next three."""
    failures: int
    total_s: float
    longest_s: float
    recent: int
    recent_failures: int
    recent_slow: int
    median_s: float | None
    p95_s: float | None


class _Run(NamedTuple):
    ended_s: float
    duration_s: float
    failed: bool
    slow: bool


class _Operation:
    """The runs of one name."""

    __slots__ = ("failures", "last", "longest_s", "runs", "total_s")

    def __init__(self) -> None:
        self.runs = self.failures = 0
        self.total_s = self.longest_s = 0.0
        self.last: deque[_Run] = deque(maxlen=_RECENT_RUNS)

    def add(self, run: _Run) -> None:
        self.runs += 1
        self.failures += run.failed
        self.total_s += run.duration_s
        self.longest_s = max(self.longest_s, run.duration_s)
        self.last.append(run)

    def stats(self, name: str, now_s: float) -> OperationStats:
        recent = [run for run in self.last if now_s - run.ended_s <= RECENT_S]
        durations = sorted(run.duration_s for run in recent)
        return OperationStats(
            name,
            self.runs,
            self.failures,
            self.total_s,
            self.longest_s,
            len(recent),
            sum(run.failed for run in recent),
            sum(run.slow for run in recent),
            quantile(durations, 0.5),
            quantile(durations, 0.95),
        )


def quantile(ordered: list[float], share: float) -> float | None:
    """The smallest of them that `share` of them do not pass; None of nothing."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


class Operations:
    """Those of one process. Of more than 256 names, the ones that ran last. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget all; also after a fork, when the lock may be held by nobody."""
        self._lock = threading.Lock()
        self._by_name: OrderedDict[str, _Operation] = OrderedDict()

    def record(self, name: str, duration_s: float, *, failed: bool, slow: bool) -> None:
        run = _Run(self._clock(), duration_s, failed, slow)
        with self._lock:
            found = self._by_name.get(name)
            if found is None:
                found = self._by_name[name] = _Operation()
                if len(self._by_name) > _MOST_NAMES:
                    self._by_name.popitem(last=False)
            else:
                self._by_name.move_to_end(name)
            found.add(run)

    def stats(self) -> list[OperationStats]:
        """Of each name; what took the most time first."""
        with self._lock:
            now_s = self._clock()
            found = [operation.stats(name, now_s) for name, operation in self._by_name.items()]
        return sorted(found, key=lambda stats: (-stats.total_s, stats.name))


the_operations = Operations()
_histogram: Any = None


def record_operation(
    name: str, duration_s: float, *, failed: bool = False, slow_s: float = 30.0
) -> None:
    """Count one run of an operation that was timed elsewhere.

    It is slow if it took longer than `slow_s` seconds. Raises `ValueError` for a duration that is
    negative or no number.
    """
    if not 0 <= duration_s < math.inf:
        raise ValueError(f"duration_s is {duration_s!r}; it must be a number of seconds, 0 or more")
    the_operations.record(name, duration_s, failed=failed, slow=duration_s > slow_s)
    global _histogram
    if _histogram is None:
        _histogram = metrics.get_meter("spanledger.health").create_histogram(
            semconv.METRIC_HEALTH_OPERATION_DURATION, "s", "How long named operations take."
        )
    outcome = "failed" if failed else "ok"
    _histogram.record(duration_s, {semconv.HEALTH_OPERATION: name, semconv.HEALTH_OUTCOME: outcome})


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=the_operations.reset)
