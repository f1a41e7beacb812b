"""One thing that is measured: how to take one round of it, and what it should reach.

A round's figure is CPU time of the calling thread unless the case says otherwise: what other
threads and processes do in the meantime is not in it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

#: A round goes on for about so long: long against the clock's step, short against a slow moment.
ROUND_S = 0.008
WALL = "wall"
CPU = "CPU"


@dataclass(frozen=True)
class Case:
    """A figure with a target. Lower is better."""

    name: str
    figure: Callable[[], float]
    """Takes one round and returns its figure in `unit`."""
    target: float
    unit: str = "µs"
    required: bool = False
    """Whether the product has promised the target; otherwise it is a mark of the part's own."""
    how: str = CPU
    """What the figure is: CPU time, wall time, a percentile, a size."""
    most_rounds: int = 1000
    """For those that take long."""


def cpu(
    name: str,
    run: Callable[[], object],
    target: float,
    *,
    required: bool = False,
    per: float = 1.0,
    unit: str = "µs",
) -> Case:
    """The mean CPU time of `run` within a round; `per` is what one run handles (KB, spans)."""
    repeats = 0

    def figure() -> float:
        nonlocal repeats
        repeats = repeats or _repeats(run)
        return mean_cpu_s(run, repeats) * _PER_S[unit] / per

    return Case(name, figure, target, unit, required)


def mean_cpu_s(run: Callable[[], object], repeats: int) -> float:
    """CPU seconds of the calling thread for one run."""
    began = time.thread_time_ns()
    for _ in range(repeats):
        run()
    return (time.thread_time_ns() - began) / repeats / 1e9


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


_PER_S = {"µs": 1e6, "ms": 1e3, "s": 1.0}


def _repeats(run: Callable[[], object]) -> int:
    """How many runs fill a round. The first runs also warm whatever is remembered."""
    run()
    repeats = 1
    while (took_s := mean_cpu_s(run, repeats)) * repeats < ROUND_S / 8:
        repeats *= 4
    return max(1, round(ROUND_S / took_s))
