"""A model that no price list knows, under a cost budget."""

import pytest
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from spanledger import semconv, track
from spanledger.guard import Budget, BudgetExceeded, Policy, PriceUnknown, current
from spanledger.instrumentation import _metrics
from spanledger.testing.providers import MockProvider
from tests.gate._gate import gated
from tests.scenarios._shared import USD, Events, ask, books, client, used

COST, TOKENS = Budget("cost", "cost", USD), Budget("tokens", "tokens", 10_000)


def test_scenario_11_an_unknown_model_is_refused_under_a_cost_rule(
    provider: MockProvider,
) -> None:
    events = Events()
    with gated(provider, Policy((COST, TOKENS))) as gate:
        current().with_listener(events)
        with pytest.raises(PriceUnknown, match="foo-9") as refused:
            ask(client(provider), model="foo-9")
        assert set(books().values()) <= {(0, 0)}
        assert gate.open == 0
    assert provider.calls() == 0
    assert refused.value.rule == "cost"
    # What the decisions metric counts, by this reason.
    assert [event.reason for event in events.of("refused")] == ["price_unknown"]


def test_scenario_11_an_unknown_model_may_be_charged_a_ceiling_price(
    provider: MockProvider,
) -> None:
    """$100 for a million tokens of any kind, unless it is set."""
    provider.on("foo-9", used(90))
    settings = {"guard__on_unpriced": "ceiling_price", "guard__ceiling_usd_per_mtok": "200"}
    with gated(provider, Policy((COST, TOKENS)), **settings) as gate:
        ask(client(provider), model="foo-9")
        assert books() == {("cost", ""): (100 * 200_000, 0), ("tokens", ""): (100, 0)}
        assert gate.attributes[semconv.COST_PROVENANCE] == "unpriced"
        with pytest.raises(BudgetExceeded):
            ask(client(provider), model="foo-9", max_tokens=6000)


def test_scenario_11_an_unknown_model_may_be_counted_in_tokens_and_is_marked_unpriced(
    provider: MockProvider,
) -> None:
    provider.on("foo-9", used(9000))
    settings = {"guard__on_unpriced": "count_tokens_only"}
    with gated(provider, Policy((COST, TOKENS)), **settings) as gate:
        with track.agent("planner"):
            ask(client(provider), model="foo-9")
        assert books() == {("cost", ""): (0, 0), ("tokens", ""): (9010, 0)}
        assert semconv.COST_NANO_USD not in gate.attributes
        (agent,) = gate.capture.named("invoke_agent planner")
        assert agent["attributes"][semconv.SUBTREE_UNPRICED_CALLS] == 1
        with pytest.raises(BudgetExceeded) as refused:
            ask(client(provider), model="foo-9", max_tokens=1000)
    assert refused.value.rule == "tokens"


def test_scenario_11_calls_without_a_price_are_counted_by_a_metric(
    provider: MockProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", meters)
    _metrics._unpriced_calls.cache_clear()
    provider.on("foo-9", used(9))
    with gated(provider, Policy((COST,)), guard__on_unpriced="count_tokens_only"):
        ask(client(provider), model="foo-9")
        ask(client(provider), model="gpt-4o-mini")
    data = reader.get_metrics_data()
    meters.shutdown()
    _metrics._unpriced_calls.cache_clear()
    assert data is not None
    counted = [
        (point.value, dict(point.attributes or {}))  # type: ignore[union-attr]  # a sum's point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == semconv.METRIC_UNPRICED_CALLS
        for point in metric.data.data_points
    ]
    assert counted == [(1, {"gen_ai.provider.name": "openai", "gen_ai.request.model": "foo-9"})]
