"""Interleaved rounds (A B C …, A B C …) and what they come to."""

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.peers.candidates import BY_NAME, Candidate
from benchmarks.peers.processes import Worker

SCENARIOS = ("sync", "async", "large", "stream50", "stream250")
CHUNK = "chunk"
#: What is added for each chunk: the slope between the two lengths of stream.
_SLOPE = 200

Measured = dict[str, dict[str, list[float]]]
"""Microseconds by scenario and candidate, a value a round."""


@dataclass(frozen=True)
class Row:
    """What a candidate adds in a scenario; of a bare client, what the call itself costs."""

    scenario: str
    candidate: str
    median_us: float
    low_us: float
    """First quartile of the rounds."""
    high_us: float
    """Third quartile of the rounds."""
    of_bare: float | None
    """(bare + added) ÷ bare."""
    of_official: float | None
    """Added ÷ what the official instrumentation adds in the same round."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def takes_part(candidate: Candidate, scenario: str) -> bool:
    return candidate.streams or not scenario.startswith("stream")


def measure(
    candidates: Sequence[Candidate],
    count: int,
    calls: int,
    base_url: str | None,
    told: Callable[[], None],
) -> Measured:
    """So many rounds after one that warms up; calls `told` after each measurement."""
    figures: Measured = {s: {c.name: [] for c in candidates if takes_part(c, s)} for s in SCENARIOS}
    with ExitStack() as stack:
        workers = {candidate.name: Worker(candidate, base_url) for candidate in candidates}
        for worker in workers.values():
            stack.callback(worker.stop)
        for number in range(count + 1):
            for scenario, by_candidate in figures.items():
                for name, values in by_candidate.items():
                    value = workers[name].run(scenario, calls)
                    if number:
                        values.append(value)
                    told()
    return figures


def added(measured: Measured) -> Measured:
    """What each candidate adds to the bare client of its own round; bare ones as they are."""
    result: Measured = {}
    for scenario, by_candidate in measured.items():
        result[scenario] = {
            name: values
            if BY_NAME[name].bare == name
            else _minus(values, by_candidate[BY_NAME[name].bare])
            for name, values in by_candidate.items()
        }
    result[CHUNK] = {
        name: [v / _SLOPE for v in _minus(values, result["stream50"][name])]
        for name, values in result["stream250"].items()
    }
    return result


def _minus(left: list[float], right: list[float]) -> list[float]:
    return [a - b for a, b in zip(left, right, strict=True)]


def _row(scenario: str, name: str, figures: Measured) -> Row:
    values, bare = figures[scenario][name], figures[scenario][BY_NAME[name].bare]
    is_bare = BY_NAME[name].bare == name
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    official = figures[scenario].get("official", [])
    shares = [v / o for v, o in zip(values, official, strict=False) if o > 0]
    of_bare = None if is_bare else 1 + statistics.median(values) / statistics.median(bare)
    of_official = None if is_bare or not shares else statistics.median(shares)
    return Row(scenario, name, middle, low, high, of_bare, of_official)


def summary(measured: Measured) -> list[Row]:
    """A row for each scenario and candidate."""
    figures = added(measured)
    return [_row(scenario, name, figures) for scenario in figures for name in figures[scenario]]
