"""The health of the process as metrics."""

from collections.abc import Iterator

import pytest
from opentelemetry import metrics
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from spanledger import semconv
from spanledger.health import observe


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", provider)
    assert metrics.get_meter_provider() is provider
    yield reader
    provider.shutdown()


def test_score_memory_threads_and_files_are_told_at_each_collection(
    reader: InMemoryMetricReader,
) -> None:
    observe()
    data = reader.get_metrics_data()
    assert data is not None
    found = {
        metric.name: metric.data.data_points[0].value  # type: ignore[union-attr]  # no histograms
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert 0 <= found[semconv.METRIC_HEALTH_SCORE] <= 100
    assert found[semconv.METRIC_PROCESS_MEMORY] > 0
    assert found[semconv.METRIC_PROCESS_THREADS] > 0
    assert found[semconv.METRIC_PROCESS_FILES] > 0
