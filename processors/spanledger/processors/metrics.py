"""The metrics of ours, on whatever meter provider the host has."""

import os
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from spanledger import semconv
from spanledger.guard import GuardEvent
from spanledger.processors.queue import Books


def observe_books(books: Callable[[], Books]) -> None:
    """Export the books of the exporter: ``accepted = delivered + spooled + dropped``.

    Each process has series of its own: counters of two in one series are no counter any more.
    """
    meter = metrics.get_meter("spanledger.export")

    def reading(field: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _options: [Observation(getattr(books(), field), _whose())]

    def by_reason(_options: CallbackOptions) -> Iterable[Observation]:
        dropped = books().dropped_by_reason
        return [Observation(n, {"reason": reason, **_whose()}) for reason, n in dropped.items()]

    for name, field in (
        (semconv.METRIC_EXPORT_ACCEPTED, "accepted"),
        (semconv.METRIC_EXPORT_DELIVERED, "delivered"),
    ):
        meter.create_observable_counter(
            name, [reading(field)], "{item}", f"Spans and records {field}."
        )
    meter.create_observable_counter(
        semconv.METRIC_EXPORT_DROPPED, [by_reason], "{item}", "Spans and records dropped."
    )
    meter.create_observable_counter(
        semconv.METRIC_EXPORT_SPOOL_ERRORS,
        [reading("spool_errors")],
        "{error}",
        "How often the spool could not be written to.",
    )
    meter.create_observable_gauge(
        semconv.METRIC_EXPORT_SPOOLED, [reading("spooled")], "{item}", "Spans and records waiting."
    )


def _whose() -> dict[str, str]:
    return {semconv.EXPORT_PROCESS: _id_of(os.getpid())}


@lru_cache(maxsize=1)
def _id_of(_pid: int) -> str:
    """A forked child has another number, and so another id."""
    return os.urandom(8).hex()


class DecisionCounter:
    """A guard listener that counts decisions by reason and rule."""

    def __init__(self) -> None:
        self._counter: Any = metrics.get_meter("spanledger.guard").create_counter(
            semconv.METRIC_GUARD_DECISIONS, "{decision}", "Decisions other than plain admissions."
        )

    def __call__(self, event: GuardEvent, /) -> None:
        rule = event.refusal.rule if event.refusal is not None else ""
        self._counter.add(
            1, {semconv.GUARD_EVENT_KIND: event.kind, "reason": event.reason, "rule": rule}
        )
