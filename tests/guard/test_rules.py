"""Whom a rule counts: scopes, one counter for each or for all, patterns, tools."""

from typing import Any

import pytest

from spanledger.guard import Budget, Call, Estimate, RateLimit
from spanledger.guard.rules import (
    SCOPES,
    TOOL_CALL,
    TRACE_ID,
    UNATTRIBUTED,
    Match,
    concerns,
    counted,
    matches,
    run_of,
    values_of,
)

NOBODY = (UNATTRIBUTED,)


def _call(operation: str = "chat", **more: Any) -> Call:
    given = {"provider": "openai", "model": "gpt-4o", **more}
    return Call("c", operation=operation, estimate=Estimate(1, 1, 1, "test"), **given)


FULL = _call(
    session="s-1",
    agents=("planner", "writer"),
    user="eu-7",
    tool="search",
    attributes={"team": "red"},
)


@pytest.mark.parametrize(
    ("scope", "of_full", "of_bare"),
    [
        ("global", ("",), ("",)),
        ("session", ("s-1",), NOBODY),
        ("agent", ("planner", "writer"), NOBODY),
        ("user", ("eu-7",), NOBODY),
        ("model", ("gpt-4o",), ("gpt-4o",)),
        ("provider", ("openai",), ("openai",)),
        ("tool", ("search",), NOBODY),
        ("attribute:team", ("red",), NOBODY),
        ("attribute:colour", NOBODY, NOBODY),
    ],
)
def test_a_call_has_a_value_in_every_scope(
    scope: str, of_full: tuple[str, ...], of_bare: tuple[str, ...]
) -> None:
    """What it does not have is counted under one name, so that nothing escapes."""
    assert values_of(scope, FULL) == of_full
    assert values_of(scope, _call()) == of_bare


def test_the_table_above_knows_every_scope() -> None:
    """A new scope wants a line there."""
    assert set(SCOPES) == {"global", "session", "agent", "user", "model", "provider", "tool"}


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ((), True),
        ((("model", "gpt-*"),), True),
        ((("model", "gpt-?o"),), True),
        ((("model", "gpt-[345]o"),), True),
        ((("model", "GPT-*"),), False),
        ((("model", "gpt"),), False),
        ((("model", "gpt-*"), ("provider", "openai")), True),
        ((("model", "gpt-*"), ("provider", "azure")), False),
        ((("agent", "planner"),), True),
        ((("agent", "writer"),), True),
        ((("agent", "critic"),), False),
        ((("user", "eu-*"), ("attribute:team", "r?d")), True),
        ((("attribute:colour", "*"),), False),
    ],
)
def test_a_rule_counts_the_calls_that_fit_all_its_patterns(match: Match, fits: bool) -> None:
    """Upper and lower case are not the same, and a pattern is for the whole value."""
    assert matches(match, FULL) is fits
    assert bool(counted("global", True, match, FULL)) is fits


def test_a_star_does_not_fit_what_is_not_there() -> None:
    """A rule for ``user = "*"`` is for calls that have a user."""
    for scope in ("session", "agent", "user", "tool", "attribute:team"):
        assert matches(((scope, "*"),), FULL)
        assert not matches(((scope, "*"),), _call())


@pytest.mark.parametrize(
    ("scope", "each", "match", "counters"),
    [
        ("global", True, (), ("",)),
        ("global", False, (), ("",)),
        ("user", True, (), ("eu-7",)),
        ("user", False, (), ("",)),
        ("user", True, (("user", "eu-*"),), ("eu-7",)),
        ("user", False, (("user", "eu-*"),), ("",)),
        ("user", True, (("user", "us-*"),), ()),
        ("user", False, (("user", "us-*"),), ()),
        ("user", True, (("model", "gpt-*"),), ("eu-7",)),
        ("user", True, (("model", "claude-*"),), ()),
        ("agent", True, (), ("planner", "writer")),
        ("agent", False, (), ("",)),
        ("agent", True, (("agent", "w*"),), ("writer",)),
        ("agent", True, (("agent", "*"),), ("planner", "writer")),
        ("agent", False, (("agent", "w*"),), ("",)),
        ("session", True, (("agent", "w*"),), ("s-1",)),
        ("attribute:team", True, (("attribute:team", "red"),), ("red",)),
        ("attribute:team", False, (("attribute:team", "red"),), ("",)),
    ],
)
def test_a_rule_has_one_counter_for_each_value_or_one_for_all_that_fit(
    scope: str, each: bool, match: Match, counters: tuple[str, ...]
) -> None:
    """Of the agents around a call only those that the pattern names."""
    assert counted(scope, each, match, FULL) == counters
    assert Budget("b", "calls", 1, scope=scope, each=each, match=match).values(FULL) == counters
    rate = RateLimit("r", "calls", 1, "minute", scope=scope, each=each, match=match)
    assert rate.values(FULL) == counters


def test_calls_of_nobody_share_a_counter_unless_a_pattern_asks_for_somebody() -> None:
    """Under a rule without a pattern they are not free."""
    assert counted("user", True, (), _call()) == NOBODY
    assert counted("user", True, (("user", "*"),), _call()) == ()
    assert counted("user", True, (("model", "*"),), _call()) == NOBODY


#: Kind of call, metric, and whether a rule on tools and one on anything else look at it.
MODEL, INSIDE, TOOL = _call(), _call(tool="search"), _call(TOOL_CALL, model="", tool="search")


@pytest.mark.parametrize(
    ("call", "metric", "on_tools", "on_others"),
    [
        (MODEL, "cost", False, True),
        (MODEL, "tokens", False, True),
        (MODEL, "calls", False, True),
        (MODEL, "concurrency", False, True),
        (INSIDE, "cost", True, True),
        (INSIDE, "tokens", True, True),
        (INSIDE, "calls", False, True),
        (INSIDE, "concurrency", False, True),
        (TOOL, "cost", False, False),
        (TOOL, "tokens", False, False),
        (TOOL, "calls", True, False),
        (TOOL, "concurrency", True, False),
    ],
)
def test_a_tool_costs_what_the_model_calls_inside_of_it_cost(
    call: Call, metric: Any, on_tools: bool, on_others: bool
) -> None:
    """And a call of a tool is a call for rules on tools only."""
    make: Any = Budget if metric == "cost" else RateLimit
    assert concerns(make("r", metric, 1, scope="tool"), call) is on_tools
    assert concerns(make("r", metric, 1, match=(("tool", "*"),)), call) is on_tools
    assert concerns(make("r", metric, 1), call) is on_others
    assert concerns(make("r", metric, 1, scope="agent"), call) is on_others


@pytest.mark.parametrize(
    ("limit", "thresholds", "enforce", "marks"),
    [
        (100, (0.8, 0.9, 0.95), "hard", (80, 90, 95)),
        (100, (0.8,), "soft", (80, 100)),
        (100, (), "soft", (100,)),
        (100, (), "hard", ()),
        (100, (0.8, 1.0), "soft", (80, 100)),
        (100, (0.55, 0.57, 0.07), "hard", (7, 55, 57)),
        (3, (0.8, 0.9), "hard", (3,)),
        (0, (0.8,), "soft", ()),
        (9_007_199_254_740_993, (1.0,), "hard", (9_007_199_254_740_993,)),
    ],
)
def test_the_amounts_that_are_told_are_the_written_parts_of_the_limit(
    limit: int, thresholds: tuple[float, ...], enforce: Any, marks: tuple[int, ...]
) -> None:
    """Exactly, and rounded up to a whole amount: 0.8 of 3 calls is reached with the third."""
    budget = Budget("b", "tokens", limit, thresholds=thresholds, enforce=enforce)
    assert budget.marks() == marks


def test_what_follows_on_each_other_is_told_by_session_or_else_by_trace() -> None:
    """The calls of two strangers would look like the loop of one."""
    trace = {TRACE_ID: "ab" * 16}
    assert run_of(_call(session="s", attributes=trace)) == "s"
    assert run_of(_call(attributes=trace)) == "ab" * 16
    assert run_of(_call()) == UNATTRIBUTED
