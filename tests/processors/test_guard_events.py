"""Decisions of the guard as log records and as a metric."""

from collections.abc import Iterator

import pytest
from opentelemetry import metrics
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from spanledger import semconv, track
from spanledger.guard import NOTHING_SPENT, Budget, Guard, Policy
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.processors import Books
from spanledger.processors.guard_events import GuardEventRecorder
from spanledger.processors.metrics import DecisionCounter, observe_books
from spanledger.testing.otlp_server import OtlpServer
from spanledger.testing.spans import capture_spans
from tests.guard._calls import NOON_S, call, guard
from tests.processors._exporting import exporting


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    """The metrics of the test."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", provider)
    assert metrics.get_meter_provider() is provider
    yield reader
    provider.shutdown()


def _points(reader: InMemoryMetricReader) -> dict[str, list[tuple[object, dict[str, object]]]]:
    data = reader.get_metrics_data()
    assert data is not None
    return {
        metric.name: [
            (point.value, dict(point.attributes or {}))  # type: ignore[union-attr]  # sums and gauges only
            for point in metric.data.data_points
        ]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_a_refusal_is_a_record_in_the_span_in_which_it_was_made(otlp_server: OtlpServer) -> None:
    """With all that a row of `guard_events` holds."""
    with (
        exporting(otlp_server.endpoint) as exporter,
        capture_spans(as_global=True) as spans,
        track.agent("planner"),
    ):
        refusing = guard(
            Budget("daily", "calls", 0, "day"), listeners=[GuardEventRecorder(exporter)]
        )
        asked = call("planner", session="s")
        refusal = refusing.admit(asked).refusal
        assert exporter.flush(5.0)
    assert refusal is not None
    stored = otlp_server.logs[0]
    agent = spans.named("invoke_agent planner")[0]
    assert (stored.trace_id, stored.span_id) == (agent["trace_id"], agent["span_id"])
    assert (stored.event_name, stored.severity) == (semconv.GUARD_EVENT_NAME, "WARN")
    assert stored.body == refusal.sentence()
    assert stored.time_ns == NOON_S * 1e9
    attributes = dict(stored.attributes)
    assert len(str(attributes.pop(semconv.GUARD_DECISION_ID))) == 32
    assert attributes == {
        semconv.GUARD_EVENT_KIND: "refused",
        semconv.GUARD_DECISION: "refused",
        semconv.GUARD_REASON: "budget_exhausted",
        semconv.GUARD_WAITED_S: 0.0,
        semconv.GUARD_ESTIMATE: "input:bytes output:request",
        semconv.CALL_ID: asked.call_id,
        semconv.CALL_ATTEMPT: 1,
        semconv.OPERATION_NAME: "chat",
        semconv.PROVIDER_NAME: "openai",
        semconv.REQUEST_MODEL: "gpt-4o",
        semconv.CONVERSATION_ID: "s",
        semconv.AGENT_NAME: "planner",
        semconv.GUARD_RULE: "daily",
        semconv.GUARD_SCOPE: "global",
        semconv.GUARD_METRIC: "calls",
        semconv.GUARD_WINDOW: "day",
        semconv.GUARD_LIMIT: 0,
        semconv.GUARD_SPENT: 0,
        semconv.GUARD_RESERVED: 0,
        semconv.GUARD_ASKED: 1,
        semconv.GUARD_RETRY_AFTER_S: 12 * 3600.0,
    }


def test_the_change_of_a_breaker_says_which_one_it_is(otlp_server: OtlpServer) -> None:
    with exporting(otlp_server.endpoint) as exporter:
        rule = BreakerRule("fragile", min_calls=1)
        breaking = Guard(Policy(breakers=(rule,)), listeners=[GuardEventRecorder(exporter)])
        reservation = breaking.admit(call()).granted()
        breaking.settle(reservation, NOTHING_SPENT, outcome="failed")
        assert exporter.flush(5.0)
    attributes = otlp_server.logs[0].attributes
    assert (attributes[semconv.GUARD_EVENT_KIND], attributes[semconv.GUARD_REASON]) == (
        "breaker",
        "tripped",
    )
    assert (attributes[semconv.GUARD_RULE], attributes[semconv.GUARD_SCOPE]) == (
        "fragile",
        "openai/gpt-4o",
    )


def test_decisions_are_counted_by_kind_reason_and_rule(reader: InMemoryMetricReader) -> None:
    """Never by session or user: there are millions of them."""
    refusing = guard(Budget("daily", "calls", 0, "day"), listeners=[DecisionCounter()])
    for _ in range(3):
        refusing.admit(call())
    assert _points(reader)[semconv.METRIC_GUARD_DECISIONS] == [
        (
            3,
            {semconv.GUARD_EVENT_KIND: "refused", "reason": "budget_exhausted", "rule": "daily"},
        )
    ]


def test_the_books_are_metrics(reader: InMemoryMetricReader) -> None:
    """accepted = delivered + spooled + dropped, for everybody to see."""
    observe_books(lambda: Books(10, 6, 3, 1, {"queue_full": 1}))
    points = {name: value[0][0] for name, value in _points(reader).items()}
    assert points == {
        semconv.METRIC_EXPORT_ACCEPTED: 10,
        semconv.METRIC_EXPORT_DELIVERED: 6,
        semconv.METRIC_EXPORT_SPOOLED: 3,
        semconv.METRIC_EXPORT_DROPPED: 1,
        semconv.METRIC_EXPORT_SPOOL_ERRORS: 0,
    }
