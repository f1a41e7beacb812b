"""Rounds over all cases of a part, interleaved, and what they come to."""

import gc
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.micro.case import Case


@dataclass(frozen=True)
class Result:
    """The median over the rounds, and the quartiles that say how far to trust it."""

    part: str
    name: str
    median: float
    low: float
    high: float
    target: float
    unit: str
    required: bool
    how: str
    rounds: int

    @property
    def met(self) -> bool:
        return self.median <= self.target


def measure(part: str, cases: Sequence[Case], rounds: int) -> list[Result]:
    """Take `rounds` rounds of every case, in turn, so that a slow moment hits all alike.

    A round before the first warms caches, except of those cases that have fewer rounds: they begin
    from nothing each time. No garbage is collected within a round.
    """
    figures: dict[str, list[float]] = {case.name: [] for case in cases}
    for number in range(rounds + 1):
        for case in cases:
            few = case.most_rounds < rounds
            if number > case.most_rounds or (few and not number):
                continue
            figure = _one(case)
            if number:
                figures[case.name].append(figure)
    return [_result(part, case, figures[case.name]) for case in cases]


def _one(case: Case) -> float:
    gc.collect()
    gc.disable()
    try:
        return case.figure()
    finally:
        gc.enable()


def _result(part: str, case: Case, figures: list[float]) -> Result:
    low, median, high = quartiles(figures)
    return Result(
        part=part,
        name=case.name,
        median=median,
        low=low,
        high=high,
        target=case.target,
        unit=case.unit,
        required=case.required,
        how=case.how,
        rounds=len(figures),
    )


def quartiles(figures: list[float]) -> tuple[float, float, float]:
    """Of one figure: itself, three times."""
    if len(figures) == 1:
        return figures[0], figures[0], figures[0]
    low, median, high = statistics.quantiles(figures, n=4, method="inclusive")
    return low, median, high


def from_json(rows: Sequence[dict[str, Any]]) -> list[Result]:
    """Results as they were written by `vars`."""
    return [Result(**row) for row in rows]
