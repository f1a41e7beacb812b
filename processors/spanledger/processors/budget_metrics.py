"""Where budgets stand, as gauges: what burn-rate alerts and the budget dashboard read."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from spanledger import guard, semconv

if TYPE_CHECKING:
    from spanledger.guard.reporting import BudgetLine

#: So many counters of a budget are told, the fullest first: one that counts each session may
#: have millions.
MOST_COUNTERS = 20

#: All gauges of one collection are answered from one look at the ledger.
_FRESH_S = 1.0

_GAUGES: tuple[tuple[str, str, str, Callable[["BudgetLine"], float | None]], ...] = (
    (semconv.METRIC_BUDGET_LIMIT, "1", "What may be spent.", lambda line: line.limit),
    (semconv.METRIC_BUDGET_SPENT, "1", "What is spent.", lambda line: line.spent),
    (semconv.METRIC_BUDGET_RESERVED, "1", "What calls hold.", lambda line: line.reserved),
    (semconv.METRIC_BUDGET_RESETS_IN, "s", "Until the window ends.", lambda line: line.resets_in_s),
)


def observe_budgets(clock: Callable[[], float] = time.monotonic) -> None:
    """Export limit, spent, reserved and the rest of the window of each budget of this process.

    Each point names its ledger (`ledger_name`): what is spent in several adds up. Costs are in US
    dollars; `clock` gives monotonic seconds. A ledger that can't be read gives
    no points. The ledger is read on the thread that collects metrics, never on a call's path.
    """
    lines, meter = _Lines(clock), metrics.get_meter("spanledger.guard")
    for name, unit, description, value in _GAUGES:
        meter.create_observable_gauge(name, [_reading(lines, value)], unit, description)


class _Lines:
    """The last look at the ledger."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = float("-inf")
        self._lines: list[BudgetLine] = []

    def __call__(self) -> "list[BudgetLine]":
        if self._clock() - self._at > _FRESH_S:
            self._lines, self._at = _look(), self._clock()
        return self._lines


def _look() -> "list[BudgetLine]":
    from spanledger.guard.reporting import budget_lines  # loaded when metrics are collected

    try:
        return budget_lines(guard.current(), MOST_COUNTERS)
    except guard.StoreUnavailable:
        # The calls that it refuses for this say so loudly enough.
        return []


def _reading(
    lines: _Lines, value: "Callable[[BudgetLine], float | None]"
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(_options: CallbackOptions) -> Iterable[Observation]:
        from spanledger.processors.ledger_name import ledger_name  # as above

        found = [(value(line), line) for line in lines()]
        ledger = ledger_name(guard.current().store)
        return [Observation(n, _labels(line, ledger)) for n, line in found if n is not None]

    return read


def _labels(line: "BudgetLine", ledger: str) -> dict[str, str]:
    return {
        semconv.GUARD_RULE: line.rule,
        semconv.GUARD_SCOPE: line.scope,
        semconv.GUARD_METRIC: line.metric,
        semconv.GUARD_WINDOW: line.window,
        semconv.GUARD_LEDGER: ledger,
    }
