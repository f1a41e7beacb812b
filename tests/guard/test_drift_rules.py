"""Drift rules of a policy: how they are written, what they see, and that they only tell."""

import tomllib

import pytest

from spanledger.config import ConfigError, Document
from spanledger.guard import NOTHING_SPENT, Budget, Guard, Policy, Spending, read_policy
from spanledger.guard.drift import DriftRule
from spanledger.guard.rules import TOOL_CALL
from spanledger.guard.webhook import ALERTING
from spanledger.testing.clock import TickingClock
from tests.guard._calls import NOON_S, Events, call

TABLE = '[[drifts]]\nname = "d"\n'
#: Told from 1001 tokens a minute on, or when a turn costs more than thrice the usual.
RULE = DriftRule("d", tokens_per_min=1000, min_turns=5, turn_floor_nano_usd=1000)


def _read(text: str) -> Policy:
    return read_policy(Document("spanledger.toml", text, tomllib.loads(text)))


def _guard(*rules: DriftRule, budgets: tuple[Budget, ...] = ()) -> tuple[Guard, Events]:
    events, clock = Events(), TickingClock()
    policy = Policy(budgets, drifts=rules or (RULE,))
    return (
        Guard(policy, clock=lambda: NOON_S, monotonic=clock.monotonic, listeners=[events]),
        events,
    )


def _use(guard: Guard, tokens: int | None, cost: int | None = None, *agents: str) -> None:
    held = guard.admit(call(*agents, tokens=0)).granted()
    guard.settle(held, Spending(tokens, cost))


def _told(events: Events) -> list[str]:
    return [event.message for event in events.seen if event.kind == "drift"]


# --- how they are written -------------------------------------------------------------------


def test_a_drift_rule_is_read_with_every_key_it_may_have() -> None:
    """Money in US dollars, as everywhere in the file."""
    text = (
        'tokens_per_min = 5000\nburn_factor = 4\nburn_weight = 0.2\nturn_factor = 2.5\n'
        'turn_weight = 0.01\nmin_turns = 7\nturn_floor_usd = "0.05"\n'
    )  # fmt: skip
    rule = DriftRule("d", 5000, 4, 0.2, 2.5, 0.01, 7, 50_000_000)
    assert _read(TABLE + text).drifts == (rule,)
    assert _read(TABLE).drifts == (DriftRule("d"),)


def test_a_policy_of_drift_rules_alone_holds_nothing() -> None:
    """It tells. A call that can't be examined is not refused for it."""
    policy = _read(TABLE)
    assert not policy
    assert not Guard(policy).holds_limits()
    assert list(policy.names()) == ["d"]


BAD: dict[str, tuple[str, str, int, object, str]] = {
    "other key": ("limit = 3", "limit", 3, 3, "tokens_per_min, burn_factor"),
    "the name inside": ("turn_floor_nano_usd = 1", "turn_floor_nano_usd", 3, 1, "turn_floor_usd"),
    "text": ('tokens_per_min = "many"', "tokens_per_min", 3, "many", "a whole number"),
    "true": ("tokens_per_min = true", "tokens_per_min", 3, True, "a whole number"),
    "half a token": ("tokens_per_min = 1.5", "tokens_per_min", 3, 1.5, "a whole number"),
    "negative": ("min_turns = -1", "min_turns", 3, -1, "at least 0"),
    "nan": ("burn_factor = nan", "burn_factor", 3, "nan", "above 1"),
    "no factor": ("turn_factor = 1", "turn_factor", 3, 1, "above 1"),
    "text as a factor": ('burn_factor = "5x"', "burn_factor", 3, "5x", "a number"),
    "heavy": ("turn_weight = 0.5", "turn_weight", 3, 0.5, "at most 0.1"),
    "money with a unit": (
        'turn_floor_usd = "5usd"', "turn_floor_usd", 3, "5usd", "US dollars of at least 0",
    ),
    "negative money": ("turn_floor_usd = -1", "turn_floor_usd", 3, -1, "US dollars of at least 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_a_drift_rule_that_cannot_be_used_is_named_with_all_that_mends_it(
    case: tuple[str, str, int, object, str],
) -> None:
    text, key, line, found, allowed = case
    with pytest.raises(ConfigError) as caught:
        _read(f"{TABLE}{text}\n")
    error = caught.value
    assert str(error).startswith(f"spanledger.toml, line {line}: drifts[0].{key}: ")
    assert str(error.found) == "nan" if found == "nan" else error.found == found
    assert allowed in str(error)


# --- what they see --------------------------------------------------------------------------


def test_an_agent_that_burns_more_than_is_usual_is_told_and_not_refused() -> None:
    guard, events = _guard()
    _use(guard, 900, None, "planner", "searcher")
    assert events.seen == []
    _use(guard, 200, None, "planner", "searcher")
    (event,) = events.seen
    assert (event.kind, event.reason, event.at) == ("drift", "drift_seen", NOON_S)
    assert event.call is not None
    assert event.message == (
        "Drift rule 'd': agent 'searcher' uses 1100 tokens a minute, usually 0; "
        "the alert is at 1000."
    )
    assert guard.admit(call("planner", "searcher")).allowed


def test_each_agent_has_a_habit_of_its_own_and_the_innermost_one_counts() -> None:
    guard, events = _guard()
    _use(guard, 900, None, "planner", "searcher")
    _use(guard, 900, None, "planner", "writer")
    _use(guard, 900, None, "planner")
    _use(guard, 900)
    assert _told(events) == []
    _use(guard, 200)
    (said,) = _told(events)
    assert "agent '(none)' uses 1100 tokens" in said


def test_a_turn_that_costs_more_than_is_usual_is_told() -> None:
    guard, events = _guard()
    for _ in range(20):
        _use(guard, 1, 2000, "a")
    for _ in range(10):
        _use(guard, 1, 20_000, "a")
    (said,) = _told(events)
    assert "a turn" in said


def test_what_is_not_known_is_no_cheap_turn_and_no_tokens() -> None:
    guard, events = _guard()
    for _ in range(20):
        _use(guard, None, 2000, "a")
        _use(guard, None, None, "a")
    for _ in range(10):
        _use(guard, None, 20_000, "a")
    assert len(_told(events)) == 1


@pytest.mark.parametrize("budgets", [(), (Budget("b", "calls", 10**6),)], ids=["alone", "counted"])
def test_what_never_reached_the_provider_is_no_turn(budgets: tuple[Budget, ...]) -> None:
    guard, events = _guard(budgets=budgets)
    for _ in range(20):
        _use(guard, 1, 2000, "a")
        guard.settle(guard.admit(call("a")).granted(), NOTHING_SPENT)
    for _ in range(10):
        _use(guard, 1, 20_000, "a")
    assert len(_told(events)) == 1


def test_a_settlement_that_comes_twice_is_one_turn() -> None:
    """Under a rule that counts, the ledger knows."""
    guard, events = _guard(budgets=(Budget("b", "calls", 10**6),))
    held = guard.admit(call("a")).granted()
    for _ in range(3):
        guard.settle(held, Spending(900, 1))
    assert events.seen == []


def test_tools_burn_no_tokens_of_their_own() -> None:
    guard, events = _guard()
    tool = call("a")._replace(operation=TOOL_CALL, tool="search")
    guard.settle(guard.admit(tool).granted(), Spending(5000, 5000))
    assert events.seen == []


def test_a_habit_outlives_the_policy() -> None:
    guard, events = _guard()
    _use(guard, 900, None, "a")
    _use(guard.replaced(Policy(drifts=(RULE,))), 200, None, "a")
    assert len(_told(events)) == 1


def test_an_alert_is_posted_like_the_others() -> None:
    assert "drift" in ALERTING


def test_two_rules_of_one_name_are_refused_here_too() -> None:
    with pytest.raises(ConfigError, match="two rules of one name"):
        _read(TABLE + '[[ceilings]]\nname = "d"\n')
