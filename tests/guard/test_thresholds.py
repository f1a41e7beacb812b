"""Thresholds: told once for each rule, scope and window, when what is spent reaches them."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.guard import NOTHING_SPENT, Budget, Guard, Policy, Spending
from spanledger.testing.clock import TickingClock
from tests.guard._calls import NOON_S, Events, call, guard

HUNDRED = Budget("b", "tokens", 100)


def _told(events: Events) -> list[float]:
    """The parts of the limit that were told, in order; nothing else may have been told."""
    thresholds = [event.threshold for event in events.seen if event.kind == "threshold"]
    return [found.part for found in thresholds if found is not None]


def _spend(held: Guard, tokens: int, session: str | None = None) -> None:
    granted = held.admit(call(tokens=0, session=session)).granted()
    held.settle(granted, Spending(tokens=tokens, cost_nano_usd=0))


def test_one_settlement_from_70_to_96_percent_tells_80_90_and_95_in_order() -> None:
    """Each of them once, and none again afterwards."""
    events = Events()
    watched = guard(HUNDRED, listeners=[events])
    _spend(watched, 70)
    assert _told(events) == []
    _spend(watched, 26)
    assert _told(events) == [0.8, 0.9, 0.95]
    _spend(watched, 10)
    assert _told(events) == [0.8, 0.9, 0.95]


def test_what_is_only_held_or_given_back_crosses_nothing() -> None:
    """A threshold is about money that is gone."""
    events = Events()
    watched = guard(HUNDRED, listeners=[events])
    held = watched.admit(call(tokens=100)).granted()
    watched.release(held)
    watched.settle(watched.admit(call(tokens=90)).granted(), NOTHING_SPENT)
    held = watched.admit(call(tokens=50)).granted()
    assert watched.extend(held, tokens=50, cost_nano_usd=0) is None
    assert events.seen == []
    watched.settle(held, Spending(tokens=79, cost_nano_usd=0))
    assert events.seen == []


def test_the_next_window_tells_again() -> None:
    """Under ids of its own."""
    events, clock = Events(), TickingClock(NOON_S)
    daily = Budget("day", "tokens", 100, "day")
    watched = guard(daily, listeners=[events], clock=clock)
    for _ in range(2):
        _spend(watched, 85)
        clock.advance(86_400)
    assert _told(events) == [0.8, 0.8]
    assert len({event.id for event in events.seen}) == 2


def test_a_late_settlement_tells_in_the_window_that_it_belongs_to() -> None:
    """Yesterday's call crosses yesterday's mark."""
    events, clock = Events(), TickingClock(NOON_S)
    watched = guard(Budget("day", "tokens", 100, "day"), listeners=[events], clock=clock)
    late = watched.admit(call(tokens=85)).granted()
    clock.advance(86_400)
    _spend(watched, 85)
    watched.settle(late, Spending(tokens=85, cost_nano_usd=0))
    assert _told(events) == [0.8, 0.8]
    assert len({event.id for event in events.seen}) == 2


def test_every_value_of_a_scope_has_thresholds_of_its_own() -> None:
    """And they say whose they are."""
    events = Events()
    watched = guard(Budget("s", "tokens", 100, scope="session"), listeners=[events])
    for session in ("a", "b", "a"):
        _spend(watched, 85, session)
    scopes = [event.threshold.scope for event in events.seen if event.threshold]
    assert scopes == ["session a", "session b", "session a", "session a"]
    assert len({event.id for event in events.seen}) == 4


def test_an_event_has_the_same_id_wherever_it_is_told() -> None:
    """Two processes that share a ledger, and one that starts again, tell one and the same."""
    ids = []
    for _ in range(2):
        events = Events()
        watched = guard(HUNDRED, listeners=[events])
        _spend(watched, 96)
        ids.append([event.id for event in events.seen])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3


def test_an_event_says_what_was_reached() -> None:
    """In one sentence, with its numbers beside it."""
    events = Events()
    watched = guard(Budget("team", "cost", 10**10, "day", scope="session"), listeners=[events])
    held = watched.admit(call(session="s", cost=9 * 10**9)).granted()
    watched.settle(held, Spending(tokens=1, cost_nano_usd=8_500_000_000))
    (event,) = events.seen
    assert event.threshold is not None
    assert (event.kind, event.reason) == ("threshold", "budget_threshold")
    assert (event.threshold.mark, event.threshold.spent) == (8 * 10**9, 8_500_000_000)
    assert event.message == (
        "80% of budget 'team' is used (scope session s, window day): $8.50 of $10.00."
    )


@given(st.lists(st.integers(0, 60), max_size=20), st.randoms())
def test_each_threshold_is_told_once_in_order_as_soon_as_it_is_reached(
    amounts: list[int], random: object
) -> None:
    """P12, whatever is spent in whatever steps, with calls that overlap."""
    events = Events()
    watched = guard(HUNDRED, listeners=[events])
    held = [watched.admit(call(tokens=0)).granted() for _ in amounts]
    random.shuffle(held)  # type: ignore[attr-defined]  # a `random.Random`
    spent = 0
    for reservation, amount in zip(held, amounts, strict=True):
        watched.settle(reservation, Spending(tokens=amount, cost_nano_usd=0))
        spent += amount
        assert _told(events) == [part for part in (0.8, 0.9, 0.95) if spent >= part * 100]


@pytest.mark.parametrize("_race", range(20))
def test_threads_that_race_tell_each_threshold_once(_race: int) -> None:
    """96 calls of one token, from eight threads."""
    events = Events()
    watched = guard(HUNDRED, listeners=[events])
    start = threading.Barrier(8)

    def spend() -> None:
        start.wait()
        for _ in range(12):
            _spend(watched, 1)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(_told(events)) == [0.8, 0.9, 0.95]


# --- soft budgets ---------------------------------------------------------------------------


def test_a_soft_budget_never_refuses_and_tells_when_it_is_used_up() -> None:
    """Also a call that is larger than the whole limit."""
    events = Events()
    soft = guard(Budget("b", "tokens", 100, enforce="soft"), listeners=[events])
    for _ in range(5):
        held = soft.admit(call(tokens=60)).granted()
        soft.settle(held, Spending(tokens=60, cost_nano_usd=0))
    assert soft.admit(call(tokens=10_000)).allowed
    assert _told(events) == [0.8, 0.9, 0.95, 1.0]


def test_a_soft_budget_beside_a_hard_one_leaves_the_refusing_to_that() -> None:
    """And has counted nothing of what the other one refused."""
    both = guard(
        Budget("soft", "tokens", 10, enforce="soft"), Budget("hard", "tokens", 100, thresholds=())
    )
    assert both.admit(call(tokens=90)).allowed
    refusal = both.admit(call(tokens=20)).refusal
    assert refusal is not None
    assert refusal.rule == "hard"
    assert [state.reserved for state in both.state(call())] == [90, 90]


def test_an_unpriced_model_passes_a_soft_cost_budget() -> None:
    """It only tells, so it needs no price to hold."""
    soft = guard(Budget("b", "cost", 1, enforce="soft"))
    assert soft.admit(call(cost=None)).allowed


# --- limits that change ---------------------------------------------------------------------


def test_a_limit_that_is_lowered_below_what_is_spent_refuses() -> None:
    """The open call settles, and what it crosses is told against the limit of now."""
    events = Events()
    before = guard(HUNDRED, listeners=[events])
    _spend(before, 85)
    held = before.admit(call(tokens=5)).granted()
    after = before.replaced(Policy((Budget("b", "tokens", 50),)))
    refusal = after.admit(call(tokens=1)).refusal
    assert refusal is not None
    assert (refusal.limit, refusal.spent, refusal.reserved) == (50, 85, 5)
    assert after.state(call())[0].remaining == 0
    assert after.settle(held, Spending(tokens=5, cost_nano_usd=0))
    assert _told(events) == [0.8, 1.8]
    assert "180% of budget 'b'" in events.seen[-1].message


def test_a_policy_that_was_replaced_tells_nothing_twice() -> None:
    """However often the file was read anew, and whichever guard settles."""
    events = Events()
    first = guard(HUNDRED, listeners=[events])
    newest = first
    for _ in range(3):
        newest = newest.replaced(Policy((HUNDRED,)))
    _spend(newest, 85)
    _spend(first, 10)
    assert _told(events) == [0.8, 0.9, 0.95]


def test_a_rule_that_is_gone_is_not_told() -> None:
    """Its open calls settle all the same."""
    events = Events()
    first = guard(HUNDRED, listeners=[events])
    held = first.admit(call(tokens=90)).granted()
    second = first.replaced(Policy((Budget("other", "calls", 5),)))
    assert second.settle(held, Spending(tokens=90, cost_nano_usd=0))
    assert events.seen == []


def test_a_raised_limit_tells_its_own_marks_and_none_of_the_old_twice() -> None:
    """All of 100 were told; of 200 those above 95; and each amount once."""
    events = Events()
    small = guard(HUNDRED, listeners=[events])
    _spend(small, 96)
    large = small.replaced(Policy((Budget("b", "tokens", 200),)))
    for tokens in (50, 20, 20, 20):
        _spend(large, tokens)
    marks = [event.threshold.mark for event in events.seen if event.threshold]
    assert marks == [80, 90, 95, 160, 180, 190]
    assert len({event.id for event in events.seen}) == 6


def test_a_limit_that_is_raised_in_the_midst_tells_of_each_amount_once() -> None:
    """A mark below what was told already was passed long ago: it is not told."""
    events = Events()
    first = guard(HUNDRED, listeners=[events])
    _spend(first, 92)
    second = first.replaced(Policy((Budget("b", "tokens", 105),)))
    _spend(second, 12)
    marks = [event.threshold.mark for event in events.seen if event.threshold]
    assert marks == [80, 90, 95, 100]


def test_an_open_call_of_the_old_limit_tells_nothing_below_what_was_told() -> None:
    """It carries the marks that it was admitted under."""
    events = Events()
    first = guard(HUNDRED, listeners=[events])
    late = first.admit(call(tokens=0)).granted()
    second = first.replaced(Policy((Budget("b", "tokens", 1000),)))
    _spend(second, 800)
    second.settle(late, Spending(tokens=1, cost_nano_usd=0))
    marks = [event.threshold.mark for event in events.seen if event.threshold]
    assert marks == [800]
