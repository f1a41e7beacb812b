"""Spending that leaves an agent's habit is told, once."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.guard.drift import AgentDrift, DriftFinding, DriftRule

RULE = DriftRule("drift", tokens_per_min=10_000, turn_floor_nano_usd=1000)


def _minutes(agent: AgentDrift, tokens: list[int], first: int = 0) -> list[int]:
    """The minutes that were told, with so many tokens in each, in ten calls."""
    return [
        number
        for number, amount in enumerate(tokens, first)
        for call in range(10)
        if agent.tokens(amount // 10, number * 60.0 + call) is not None
    ]


def _turns(agent: AgentDrift, costs: list[int]) -> list[DriftFinding]:
    return [found for cost in costs if (found := agent.turn(cost)) is not None]


def test_below_the_absolute_limit_nothing_is_told() -> None:
    assert _minutes(AgentDrift(RULE, "a"), [10, 9000, 10, 10_000]) == []


def test_a_new_agent_is_told_at_the_absolute_limit() -> None:
    agent = AgentDrift(RULE, "a")
    assert agent.tokens(10_000, 0.0) is None
    found = agent.tokens(1, 59.0)
    assert found == DriftFinding("drift", "burn_rate", "a", 10_001, 10_000.0, 0.0)
    assert found.sentence() == (
        "Drift rule 'drift': agent 'a' uses 10001 tokens a minute, usually 0; "
        "the alert is at 10000."
    )


def test_a_busy_agent_is_told_at_five_times_its_habit() -> None:
    agent = AgentDrift(RULE, "a")
    assert _minutes(agent, [8000] * 30) == []
    assert _minutes(agent, [35_000, 8000, 60_000], 30) == [32]


def test_a_minute_is_told_once() -> None:
    assert _minutes(AgentDrift(RULE, "a"), [50_000, 50_000]) == [0, 1]


def test_idle_hours_are_no_habit() -> None:
    agent = AgentDrift(RULE, "a")
    _minutes(agent, [8000] * 30)
    assert _minutes(agent, [30_000], 10_000) == []


def test_running_away_does_not_become_the_habit_at_once() -> None:
    agent = AgentDrift(RULE, "a")
    _minutes(agent, [4000] * 30)
    assert _minutes(agent, [1_000_000] * 5, 30) == [30, 31, 32, 33, 34]


def test_a_turn_that_costs_more_and_more_is_told_once() -> None:
    agent = AgentDrift(RULE, "a")
    assert _turns(agent, [2000] * 50) == []
    (found,) = _turns(agent, [20_000] * 10)
    assert (found.kind, found.agent) == ("cost_per_turn", "a")
    assert found.value > found.threshold == 3 * found.usual


def test_one_dear_turn_is_no_drift() -> None:
    agent = AgentDrift(RULE, "a")
    assert _turns(agent, [2000] * 50 + [12_000] + [2000] * 50) == []


def test_a_level_that_came_back_is_told_again_when_it_leaves() -> None:
    agent = AgentDrift(RULE, "a")
    costs = [2000] * 50 + [20_000] * 10 + [2000] * 100 + [30_000] * 10
    assert len(_turns(agent, costs)) == 2


def test_cheap_turns_are_never_told() -> None:
    assert _turns(AgentDrift(RULE, "a"), [1] * 50 + [900] * 50) == []


def test_the_first_turns_only_teach() -> None:
    assert _turns(AgentDrift(RULE, "a"), [10, 10_000] * 10) == []


@given(cost=st.integers(0, 10**12), count=st.integers(1, 200))
def test_a_steady_agent_is_never_told(cost: int, count: int) -> None:
    assert _turns(AgentDrift(RULE, "a"), [cost] * count) == []


@given(st.lists(st.tuples(st.integers(0, 10**7), st.floats(0, 10**5)), max_size=50))
def test_at_most_one_finding_a_minute(calls: list[tuple[int, float]]) -> None:
    agent = AgentDrift(RULE, "a")
    told = [int(at // 60) for n, at in sorted(calls, key=lambda c: c[1]) if agent.tokens(n, at)]
    assert len(told) == len(set(told))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("burn_factor", 1.0),
        ("burn_factor", float("inf")),
        ("turn_factor", float("nan")),
        ("burn_weight", 0.0),
        ("turn_weight", 0.2),
        ("tokens_per_min", -1),
        ("min_turns", -1),
    ],
)
def test_a_rule_of_no_use_is_refused_with_its_name_and_value(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"drift rule 'drift': {field} is .*it must be"):
        replace(RULE, **{field: value})
