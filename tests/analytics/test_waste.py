"""Sessions and how they ended, retries, refusals and caches."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.analytics import (
    SESSION_ORDERS,
    CacheUse,
    Scope,
    cache_savings,
    cache_use,
    refused_work,
    retries,
    session_outcomes,
    top_sessions,
)
from spanledger.warehouse import Warehouse
from tests.analytics._history import DAYS, History

pytestmark = pytest.mark.storage


def test_the_dearest_session_comes_first(known: History) -> None:
    first = top_sessions(known.warehouse, limit=1)[0]
    assert first.session_id == f"s-{known.dear_day:%m%d}"
    assert first.started_at.tzinfo is not None
    assert top_sessions(known.warehouse, by="failures", limit=1)[0].session_id == "w-1"
    assert top_sessions(known.warehouse, by="recent", limit=1)[0].started_at >= (known.days()[-1])
    for order in SESSION_ORDERS:
        assert len(top_sessions(known.warehouse, by=order, limit=100)) == DAYS + 1


def test_sessions_end_as_they_told_else_as_their_agent_did(known: History) -> None:
    mondays = sum(day.weekday() == 0 for day in known.days())
    tuesdays = sum(day.weekday() == 1 for day in known.days())
    found = session_outcomes(known.warehouse, only=[Scope("agent", "planner")])
    assert (found.sessions, found.unknown) == (DAYS, 0)
    assert found.failed == mondays + tuesdays
    assert found.successful == DAYS - found.failed
    assert found.cost_usd == known.planned_usd
    assert found.cost_per_successful_session_usd == (known.planned_usd / found.successful).quantize(
        Decimal("1e-9")
    )


def test_where_an_end_is_not_known_a_success_has_no_price(known: History) -> None:
    found = session_outcomes(known.warehouse)
    assert (found.sessions, found.unknown) == (DAYS + 1, 1)
    assert found.cost_per_successful_session_usd is None


def test_attempts_that_were_made_again_are_counted_with_what_is_known(known: History) -> None:
    limited, timeout = retries(known.warehouse)
    assert (limited.agent, limited.model, limited.error_type) == (
        "writer",
        "claude-y",
        "RateLimitError",
    )
    assert (limited.attempts, limited.cost_usd, limited.waited_s) == (1, Decimal("5E-7"), 2)
    assert (timeout.error_type, timeout.cost_usd, timeout.unpriced_attempts) == ("Timeout", None, 1)
    assert retries(known.warehouse, only=[Scope("agent", "planner")]) == []


def test_what_was_refused_would_have_cost_as_much_as_other_calls(known: History) -> None:
    (row,) = refused_work(known.warehouse)
    assert (row.rule, row.reason, row.refused, row.sessions) == ("daily", "budget_exhausted", 2, 1)
    assert row.most_usd == Decimal("0.01")
    assert row.saved_usd is not None
    assert float(row.saved_usd) == pytest.approx(2 * float(known.planned_usd) / known.planned)


def test_a_cache_is_seen_by_model(known: History) -> None:
    by_model = {use.model: use for use in cache_use(known.warehouse)}
    planned = by_model["gpt-x"]
    assert (planned.provider, planned.calls) == ("openai", known.planned)
    assert planned.read_share == 0.4
    (only,) = cache_use(known.warehouse, only=[Scope("agent", "writer")])
    assert only.model == "claude-y"


def test_a_question_that_knows_no_such_kind_says_which_it_knows(known: History) -> None:
    with pytest.raises(ValueError, match="only to service, agent, provider or model"):
        cache_use(known.warehouse, only=[Scope("session", "s")])
    with pytest.raises(ValueError, match="sessions can't be narrowed to a model"):
        top_sessions(known.warehouse, only=[Scope("model", "gpt-x")])


def test_an_empty_database_wasted_nothing(warehouse: Warehouse) -> None:
    assert top_sessions(warehouse) == []
    assert retries(warehouse) == []
    assert refused_work(warehouse) == []
    assert cache_use(warehouse) == []
    found = session_outcomes(warehouse)
    assert (found.sessions, found.cost_usd) == (0, Decimal(0))
    assert found.cost_per_successful_session_usd is None


@given(st.integers(1, 1000), st.integers(0, 5000), st.integers(0, 100))
def test_a_saving_is_the_difference_of_an_average_call(calls: int, read: int, percent: int) -> None:
    """With cached tokens at `percent` of the price of others."""
    use = CacheUse("p", "m", calls, calls * 5000, calls * read, 0)

    def price(_provider: str, _model: str, tokens: int, read: int, _written: int) -> int:
        return (tokens - read) * 100 + read * percent

    (saving,) = cache_savings([use], price)
    assert saving.saved_usd == Decimal(calls * read * (100 - percent)) / 10**9


def test_without_a_price_a_saving_is_not_known() -> None:
    (saving,) = cache_savings([CacheUse("p", "m", 1, 5, 5, 0)], lambda *_: None)
    assert saving.saved_usd is None
    assert cache_savings([CacheUse("p", "m", 0, 0, 0, 0)], lambda *_: 1) == []
