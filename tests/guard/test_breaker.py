"""A breaker opens on rates, recovers by probes, and its state is what the table says."""

import math
from dataclasses import replace
from typing import Any, get_args

import pytest

from spanledger.guard.breaker import (
    INITIAL,
    TRANSITIONS,
    Blocked,
    Breaker,
    Event,
    Outcome,
    Permit,
    State,
    Throttled,
    Transition,
    next_state,
)
from spanledger.guard.breaker_rule import BreakerRule, model_target, tool_target

RULE = BreakerRule("provider")
TARGET = model_target("openai", "gpt-4o")


def _breaker(**rule: Any) -> Breaker:
    return Breaker(replace(RULE, **rule), TARGET)


def _permit(breaker: Breaker, now: float) -> Permit:
    answer = breaker.acquire(now)
    assert isinstance(answer, Permit)
    return answer


def _blocked(breaker: Breaker, now: float) -> Blocked:
    answer = breaker.acquire(now)
    assert isinstance(answer, Blocked)
    return answer


def _call(breaker: Breaker, outcome: Outcome, now: float) -> Transition | None:
    return breaker.report(_permit(breaker, now), outcome, now)


def _opened(**rule: Any) -> Breaker:
    breaker = _breaker(**rule)
    for _ in range(breaker.rule.min_calls):
        _call(breaker, "failed", 0.0)
    assert breaker.state == "open"
    return breaker


def _half_open(**rule: Any) -> tuple[Breaker, float]:
    breaker = _opened(**rule)
    return breaker, breaker.open_until


# --- the table ----------------------------------------------------------------------------


def test_the_table_names_every_state_and_every_event() -> None:
    assert set(TRANSITIONS) == set(get_args(State))
    assert {event for row in TRANSITIONS.values() for event in row} == set(get_args(Event))
    assert {after for row in TRANSITIONS.values() for after in row.values()} == set(get_args(State))
    assert INITIAL in TRANSITIONS


def test_an_operator_can_reach_every_forced_state_and_leave_it() -> None:
    for state, row in TRANSITIONS.items():
        assert row["reset"] == "closed"
        for event, after in (("force_open", "forced_open"), ("force_closed", "forced_closed")):
            assert state == after or row[event] == after  # type: ignore[index]  # checked above


def test_an_event_without_a_place_is_refused_and_changes_nothing() -> None:
    breaker = _breaker()
    with pytest.raises(ValueError, match="closed knows no 'probe_failed'; it knows: tripped"):
        next_state("closed", "probe_failed")
    with pytest.raises(ValueError, match="probe_failed"):
        breaker._move("probe_failed", 1.0)
    assert (breaker.state, breaker.generation) == ("closed", 0)


# --- closed -------------------------------------------------------------------------------


def test_eighty_percent_failures_open_it_at_the_tenth_call() -> None:
    """Four failures, one success, and so on: no five failures ever come in a row."""
    breaker = _breaker()
    for number in range(1, 11):
        change = _call(breaker, "ok" if number % 5 == 0 else "failed", 0.1 * number)
        assert (change is not None) == (number == 10)
    assert breaker.state == "open"
    assert change is not None
    assert (change.before, change.event, change.after) == ("closed", "tripped", "open")
    assert change.counts == (10, 8, 0)
    assert change.open_s == 30.0
    assert (change.rule, change.target.name, change.at) == ("provider", "openai/gpt-4o", 1.0)


def test_it_stays_closed_below_the_least_number_of_calls() -> None:
    breaker = _breaker()
    assert [_call(breaker, "failed", 0.0) for _ in range(9)] == [None] * 9
    assert breaker.state == "closed"


def test_it_stays_closed_below_the_failure_rate() -> None:
    breaker = _breaker()
    for number in range(200):
        _call(breaker, "failed" if number % 100 > 50 else "ok", 0.0)
    assert breaker.state == "closed"


def test_slow_calls_open_it_by_a_rate_of_their_own() -> None:
    breaker = _breaker()
    for number in range(10):
        _call(breaker, "ok" if number < 2 else "slow", 0.0)
    assert breaker.state == "open"
    milder = _breaker()
    for number in range(10):
        _call(milder, "ok" if number < 3 else "slow", 0.0)
    assert milder.state == "closed"


@pytest.mark.parametrize(
    ("first_token_s", "expected"), [(None, "ok"), (0.4, "ok"), (29.99, "ok"), (30.0, "slow")]
)
def test_slow_is_a_late_first_token(first_token_s: float | None, expected: str) -> None:
    assert RULE.verdict(first_token_s) == expected


def test_failures_leave_the_window() -> None:
    breaker = _breaker()
    for _ in range(9):
        _call(breaker, "failed", 0.5)
    assert _call(breaker, "failed", 60.5) is None
    assert breaker.state == "closed"
    assert breaker.window.counts() == (1, 1, 0)


def test_the_window_is_as_long_as_it_says() -> None:
    """A failure still counts just before a minute has passed."""
    breaker = _breaker()
    for _ in range(9):
        _call(breaker, "failed", 0.5)
    _call(breaker, "failed", 59.9)
    assert breaker.state == "open"


def test_a_clock_read_out_of_order_loses_nothing() -> None:
    """A thread may read the clock first and come in last."""
    breaker = _breaker(min_calls=3)
    _call(breaker, "failed", 10.99)
    _call(breaker, "failed", 11.01)
    _call(breaker, "failed", 10.995)
    assert breaker.state == "open"


def test_cancelled_calls_are_not_counted() -> None:
    breaker = _breaker()
    for _ in range(50):
        _call(breaker, "cancelled", 0.0)
    assert breaker.window.counts() == (0, 0, 0)


def test_a_permit_counts_once() -> None:
    breaker = _breaker()
    permit = _permit(breaker, 0.0)
    for _ in range(20):
        breaker.report(permit, "failed", 0.0)
    assert breaker.window.counts() == (1, 1, 0)


# --- open ---------------------------------------------------------------------------------


def test_an_open_breaker_says_when_to_come_back() -> None:
    breaker = _opened()
    answer = _blocked(breaker, 12.0)
    assert (answer.reason, answer.retry_after_s) == ("circuit_open", 18.0)
    assert (answer.rule, answer.target) == ("provider", TARGET)


def test_a_blocked_call_says_why() -> None:
    assert _blocked(_opened(), 1.0).sentence() == (
        "Breaker 'provider': openai/gpt-4o is failing or slow; "
        "calls are held back until it has had time to recover."
    )
    throttled = Blocked("provider", tool_target("search"), "throttled", 5.0)
    assert throttled.sentence() == (
        "Breaker 'provider': tool:search asked for fewer calls (429 with Retry-After)."
    )


def test_open_time_doubles_up_to_its_limit_and_begins_anew_after_a_recovery() -> None:
    breaker = _opened()
    seen = [30.0]
    for _ in range(5):
        change = _call(breaker, "failed", breaker.open_until)
        assert change is not None
        assert change.open_s is not None
        seen.append(change.open_s)
    assert seen == [30.0, 60.0, 120.0, 240.0, 300.0, 300.0]
    for _ in range(3):
        _call(breaker, "ok", breaker.open_until)
    assert breaker.state == "closed"
    for _ in range(10):
        change = _call(breaker, "failed", 5000.0)
    assert change is not None
    assert change.open_s == 30.0


def test_open_time_does_not_overflow() -> None:
    assert RULE.open_time_s(10**9) == 300.0


# --- half-open ----------------------------------------------------------------------------


def test_half_open_lets_exactly_three_of_sixteen_through() -> None:
    breaker, now = _half_open()
    answers = [breaker.acquire(now) for _ in range(16)]
    assert [isinstance(answer, Permit) for answer in answers] == [True] * 3 + [False] * 13
    assert {a.reason for a in answers if isinstance(a, Blocked)} == {"circuit_half_open"}
    changes = [answer.transition for answer in answers]
    assert changes[0] is not None
    assert (changes[0].event, changes[0].after) == ("open_time_over", "half_open")
    assert changes[1:] == [None] * 15


def test_a_probe_that_passed_does_not_make_room_for_another() -> None:
    breaker, now = _half_open()
    first = _permit(breaker, now)
    _permit(breaker, now)
    _permit(breaker, now)
    breaker.report(first, "ok", now)
    assert _blocked(breaker, now).reason == "circuit_half_open"


def test_three_good_probes_close_it() -> None:
    breaker, now = _half_open()
    changes = [_call(breaker, "ok", now) for _ in range(3)]
    assert changes[:2] == [None, None]
    assert changes[2] is not None
    assert (changes[2].event, changes[2].after) == ("probes_passed", "closed")
    assert breaker.window.counts() == (0, 0, 0)


@pytest.mark.parametrize("outcome", ["failed", "slow"])
def test_one_bad_probe_opens_it_again(outcome: Outcome) -> None:
    breaker, now = _half_open()
    change = _call(breaker, outcome, now)
    assert change is not None
    assert (change.event, change.after, change.open_s) == ("probe_failed", "open", 60.0)


def test_a_cancelled_probe_returns_its_permit() -> None:
    breaker, now = _half_open()
    permits = [_permit(breaker, now) for _ in range(3)]
    assert breaker.report(permits[1], "cancelled", now) is None
    _permit(breaker, now)
    assert _blocked(breaker, now).reason == "circuit_half_open"


def test_a_probe_cancelled_twice_returns_one_permit() -> None:
    breaker, now = _half_open()
    permits = [_permit(breaker, now) for _ in range(3)]
    breaker.report(permits[0], "cancelled", now)
    breaker.report(permits[0], "cancelled", now)
    _permit(breaker, now)
    assert _blocked(breaker, now).reason == "circuit_half_open"


def test_a_probe_that_never_comes_back_counts_as_failed() -> None:
    """Else three lost calls would hold the breaker half-open for ever."""
    breaker, now = _half_open()
    for _ in range(3):
        _permit(breaker, now)
    assert _blocked(breaker, now + 599).reason == "circuit_half_open"
    answer = _blocked(breaker, now + 600)
    assert answer.reason == "circuit_open"
    assert answer.transition is not None
    assert (answer.transition.event, answer.transition.open_s) == ("probe_lost", 60.0)


def test_late_results_of_an_older_generation_are_ignored() -> None:
    """A success that began before it opened says nothing about the recovery; nor a failure."""
    breaker = _breaker()
    old = [_permit(breaker, 0.0) for _ in range(8)]
    for _ in range(10):
        _call(breaker, "failed", 0.0)
    for permit in old[:2]:
        assert breaker.report(permit, "ok", 1.0) is None
    now = breaker.open_until
    _permit(breaker, now)
    for permit, outcome in zip(old[2:], ("ok", "ok", "ok", "failed"), strict=False):
        assert breaker.report(permit, outcome, now) is None  # type: ignore[arg-type]  # literals
    assert (breaker.state, breaker.out, breaker.passed) == ("half_open", 1, 0)
    for _ in range(2):
        _call(breaker, "ok", now)
    assert breaker.state == "half_open"


# --- throttled ----------------------------------------------------------------------------


def test_retry_after_throttles_and_is_no_failure() -> None:
    breaker = _breaker()
    assert _call(breaker, Throttled(20.0), 100.0) is None
    answer = _blocked(breaker, 105.0)
    assert (answer.reason, answer.retry_after_s) == ("throttled", 15.0)
    assert (breaker.state, breaker.window.counts()) == ("closed", (0, 0, 0))
    _permit(breaker, 120.0)


@pytest.mark.parametrize("after_s", [None, 0.0, -5.0, math.nan])
def test_a_429_without_a_usable_time_holds_nothing_back(after_s: float | None) -> None:
    breaker = _breaker()
    _call(breaker, Throttled(after_s), 100.0)
    _permit(breaker, 100.0)


@pytest.mark.parametrize("after_s", [86400.0, 1e300, math.inf])
def test_a_very_long_retry_after_is_believed_for_an_hour(after_s: float) -> None:
    breaker = _breaker()
    _call(breaker, Throttled(after_s), 0.0)
    assert _blocked(breaker, 3599.0).reason == "throttled"
    _permit(breaker, 3600.0)


def test_a_shorter_retry_after_does_not_cut_a_longer_one() -> None:
    breaker = _breaker()
    permits = [_permit(breaker, 0.0) for _ in range(2)]
    breaker.report(permits[0], Throttled(30.0), 0.0)
    breaker.report(permits[1], Throttled(5.0), 1.0)
    assert _blocked(breaker, 10.0).retry_after_s == 20.0


def test_a_throttled_probe_returns_its_permit_and_the_state_stays() -> None:
    breaker, now = _half_open()
    assert _call(breaker, Throttled(20.0), now) is None
    assert (breaker.state, breaker.out) == ("half_open", 0)
    assert _blocked(breaker, now + 19).reason == "throttled"
    _permit(breaker, now + 20)


def test_an_open_breaker_that_is_throttled_longer_says_the_longer_time() -> None:
    breaker = _breaker()
    late = _permit(breaker, 0.0)
    for _ in range(10):
        _call(breaker, "failed", 0.0)
    breaker.report(late, Throttled(50.0), 0.0)
    assert _blocked(breaker, 10.0).retry_after_s == 40.0


# --- by hand ------------------------------------------------------------------------------


def test_forced_open_holds_everything_back_until_it_is_reset() -> None:
    breaker = _breaker()
    assert breaker.force("open", 0.0) is not None
    assert breaker.force("open", 0.0) is None
    answer = _blocked(breaker, 1e9)
    assert (answer.reason, answer.retry_after_s) == ("circuit_forced_open", None)
    breaker.force(None, 1e9)
    _permit(breaker, 1e9)


def test_forced_closed_lets_everything_through_whatever_happens() -> None:
    breaker = _opened()
    breaker.force("closed", 1.0)
    for number in range(100):
        _call(breaker, Throttled(60.0) if number % 2 else "failed", 2.0)
    assert breaker.state == "forced_closed"
    assert breaker.retry_after_s(2.0) == 0.0


def test_a_reset_forgets_trips_counts_and_throttling() -> None:
    breaker = _opened()
    breaker.throttled_until = 1000.0
    breaker.force(None, 1.0)
    assert (breaker.state, breaker.trips) == ("closed", 0)
    assert breaker.retry_after_s(1.0) == 0.0
    _permit(breaker, 1.0)


def test_what_was_out_when_it_was_forced_is_ignored() -> None:
    breaker, now = _half_open()
    permit = _permit(breaker, now)
    breaker.force("open", now)
    breaker.force(None, now)
    assert breaker.report(permit, "failed", now) is None
    assert breaker.window.counts() == (0, 0, 0)


# --- rules --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("failure_rate", 0.0),
        ("failure_rate", 1.01),
        ("failure_rate", math.nan),
        ("slow_rate", -0.1),
        ("window_s", 0),
        ("window_s", 1.5),
        ("min_calls", 0),
        ("min_calls", True),
        ("permits", 0),
        ("open_s", 0.0),
        ("open_s", math.inf),
        ("open_s", math.nan),
        ("max_open_s", 29.0),
        ("max_open_s", math.inf),
        ("slow_s", -1.0),
        ("permit_lease_s", 0.0),
        ("max_throttle_s", math.inf),
    ],
)
def test_a_rule_of_no_use_is_refused_with_its_name_and_value(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"breaker 'provider': {field} is .*it must be"):
        replace(RULE, **{field: value})


def test_a_rate_that_is_just_reached_opens_it() -> None:
    """3 of 30 is a tenth, though 30 × 0.1 is a little above 3 in floats."""
    breaker = _breaker(failure_rate=0.1, min_calls=30)
    for number in range(30):
        _call(breaker, "failed" if number < 3 else "ok", 0.0)
    assert breaker.state == "open"


def test_targets_have_names() -> None:
    assert model_target("openai", "gpt-4o").name == "openai/gpt-4o"
    assert model_target("aws.bedrock", "claude", "eu-west-1").name == "aws.bedrock/claude@eu-west-1"
    assert tool_target("search").name == "tool:search"
