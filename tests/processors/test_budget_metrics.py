"""Where budgets stand, as gauges."""

from collections.abc import Iterator

import pytest
from opentelemetry import metrics
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from spanledger import guard as guards
from spanledger import semconv
from spanledger.guard import Budget, Guard, MemoryStore, Spending, StoreUnavailable
from spanledger.guard.ledger import Counter, Key
from spanledger.processors.budget_metrics import MOST_COUNTERS, observe_budgets
from tests.guard._calls import call, guard

DOLLAR = 1_000_000_000
Points = dict[str, dict[tuple[str, ...], float]]


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    """The metrics of the test."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", provider)
    assert metrics.get_meter_provider() is provider
    yield reader
    provider.shutdown()


@pytest.fixture
def held() -> Iterator[list[Guard]]:
    """Puts the guard of the process back."""
    before = guards.current()
    yield []
    guards.use(before)


def told(reader: InMemoryMetricReader) -> Points:
    """Values by gauge, then by rule, scope, metric and window."""
    data = reader.get_metrics_data()
    if data is None:
        return {}
    names = semconv.GUARD_RULE, semconv.GUARD_SCOPE, semconv.GUARD_METRIC, semconv.GUARD_WINDOW
    return {
        metric.name: {
            tuple(str((point.attributes or {})[name]) for name in names): point.value  # type: ignore[union-attr]  # gauges only
            for point in metric.data.data_points
        }
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def spend(held: Guard, *agents: str, cost: int) -> None:
    reservation = held.admit(call(*agents, cost=cost)).granted()
    held.settle(reservation, Spending(tokens=5, cost_nano_usd=cost))


@pytest.mark.usefixtures("held")
def test_limit_spent_held_and_the_rest_of_the_window_are_told(reader: InMemoryMetricReader) -> None:
    limited = guards.use(guard(Budget("daily", "cost", 10 * DOLLAR, "day")))
    observe_budgets()
    spend(limited, cost=4 * DOLLAR)
    limited.admit(call(cost=DOLLAR))
    key = ("daily", "global", "cost", "day")
    assert told(reader) == {
        semconv.METRIC_BUDGET_LIMIT: {key: 10.0},
        semconv.METRIC_BUDGET_SPENT: {key: 4.0},
        semconv.METRIC_BUDGET_RESERVED: {key: 1.0},
        semconv.METRIC_BUDGET_RESETS_IN: {key: 12 * 3600.0},
    }


@pytest.mark.usefixtures("held")
def test_a_budget_that_counted_nothing_yet_stands_at_zero(reader: InMemoryMetricReader) -> None:
    """So that a dashboard shows it; for each agent there is nothing to show yet."""
    guards.use(
        guard(
            Budget("ever", "tokens", 500),
            Budget("all agents", "calls", 9, "day", scope="agent", each=False),
            Budget("agents", "calls", 7, "day", scope="agent"),
        )
    )
    observe_budgets()
    assert told(reader)[semconv.METRIC_BUDGET_SPENT] == {
        ("ever", "global", "tokens", "total"): 0,
        ("all agents", "agent", "calls", "day"): 0,
    }


@pytest.mark.usefixtures("held")
def test_a_window_without_an_end_never_says_when_it_ends(reader: InMemoryMetricReader) -> None:
    guards.use(guard(Budget("ever", "tokens", 500)))
    observe_budgets()
    assert semconv.METRIC_BUDGET_RESETS_IN not in told(reader)


@pytest.mark.usefixtures("held")
def test_of_many_counters_the_fullest_are_told(reader: InMemoryMetricReader) -> None:
    limited = guards.use(guard(Budget("each", "cost", 100 * DOLLAR, "day", scope="agent")))
    observe_budgets()
    for number in range(MOST_COUNTERS + 5):
        spend(limited, f"agent-{number}", cost=(1 + number) * DOLLAR)
    spent = told(reader)[semconv.METRIC_BUDGET_SPENT]
    assert sorted(spent.values()) == [float(n) for n in range(6, MOST_COUNTERS + 6)]
    assert ("each", f"agent agent-{MOST_COUNTERS + 4}", "cost", "day") in spent


@pytest.mark.usefixtures("held")
def test_the_ledger_is_looked_at_once_for_all_gauges(reader: InMemoryMetricReader) -> None:
    store, looks = _Counting(), iter([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    guards.use(guard(Budget("daily", "calls", 5, "day"), store=store))
    observe_budgets(clock=lambda: next(looks))
    assert len(told(reader)) == 4
    assert store.looks == 1


@pytest.mark.usefixtures("held")
def test_a_ledger_that_cannot_be_read_gives_no_points(reader: InMemoryMetricReader) -> None:
    guards.use(guard(Budget("daily", "calls", 5, "day"), store=_Broken()))
    observe_budgets()
    assert told(reader) == {}


class _Counting(MemoryStore):
    """Counts how often all counters are read."""

    looks = 0

    def counters(self, rule: str | None = None) -> list[tuple[Key, Counter]]:
        self.looks += 1
        return super().counters(rule)


class _Broken(MemoryStore):
    def counters(self, rule: str | None = None) -> list[tuple[Key, Counter]]:
        raise StoreUnavailable("memory", "it is broken", "mend it")
