"""The health of this process as metrics. What reads it is loaded when they are first collected."""

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from spanledger import semconv

if TYPE_CHECKING:
    from spanledger.health.process import Vitals

_Value = Callable[[], float | None]


def observe() -> None:
    """Export score, memory, CPU, threads and open files of this process as metrics.

    They are read on the thread that collects metrics, never on a call's path.
    """
    meter = metrics.get_meter("spanledger.health")
    meter.create_observable_gauge(
        semconv.METRIC_HEALTH_SCORE,
        [_reading(_score)],
        "1",
        "How well the process is, 0 to 100.",
    )
    meter.create_observable_gauge(
        semconv.METRIC_PROCESS_CPU,
        [_reading(lambda: _vitals().cpu)],
        "1",
        "Share of the processors that the process may use.",
    )
    for name, unit, what, value in _COUNTS:
        meter.create_observable_up_down_counter(name, [_reading(value)], unit, what)


def _score() -> float:
    from spanledger.health._report import report

    return report().score


def _vitals() -> "Vitals":
    from spanledger.health.process import vitals

    return vitals()


_COUNTS: tuple[tuple[str, str, str, _Value], ...] = (
    (semconv.METRIC_PROCESS_MEMORY, "By", "Resident memory.", lambda: _vitals().memory_bytes),
    (semconv.METRIC_PROCESS_THREADS, "{thread}", "Threads.", lambda: _vitals().threads),
    (
        semconv.METRIC_PROCESS_FILES,
        "{file_descriptor}",
        "Open files and connections.",
        lambda: _vitals().open_files,
    ),
)


def _reading(value: _Value) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(_options: CallbackOptions) -> Iterable[Observation]:
        found = value()
        # Processes of one service are otherwise one series: most resources don't tell them apart.
        return [] if found is None else [Observation(found, {semconv.PROCESS_PID: os.getpid()})]

    return read
