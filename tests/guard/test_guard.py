"""A policy held against a ledger."""

import asyncio
import logging

import pytest

from spanledger.config import ConfigError, GuardSettings
from spanledger.guard import (
    NOTHING_SPENT,
    Budget,
    BudgetExceeded,
    Estimate,
    Guard,
    GuardEvent,
    MemoryStore,
    Policy,
    Spending,
)
from spanledger.guard import current as current_guard
from spanledger.guard import use as use_guard
from spanledger.guard.policy import UNATTRIBUTED
from spanledger.testing.clock import TickingClock
from tests.guard._calls import NOON_S, WAIT, Events, call, guard
from tests.guard._wait import InThread, until

USED = Spending(tokens=10, cost_nano_usd=1_000_000_000)


def test_without_rules_every_call_is_allowed_and_nothing_is_held() -> None:
    """Metering only."""
    plain = Guard()
    decision = plain.admit(call())
    assert decision.allowed
    assert decision.reason == "allowed"
    assert decision.granted().entries == 0
    assert not plain.settle(decision.granted(), USED)
    assert not plain.holds_limits()


def test_a_limit_of_two_calls_lets_two_through() -> None:
    """The third names rule, limit and what is spent."""
    two = guard(Budget("two", "calls", 2))
    for _ in range(2):
        assert two.settle(two.admit(call()).granted(), USED)
    refusal = two.admit(call()).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.rule) == ("budget_exhausted", "two")
    assert (refusal.limit, refusal.spent, refusal.reserved, refusal.asked) == (2, 2, 0, 1)


def test_a_limit_of_nothing_refuses_everything_that_costs() -> None:
    """0 is not "unlimited"; what is free still passes."""
    nothing = guard(Budget("none", "cost", 0))
    assert not nothing.admit(call(cost=1)).allowed
    assert nothing.admit(call(cost=0)).allowed
    assert not guard(Budget("none", "calls", 0)).admit(call(cost=0)).allowed


def test_three_scopes_are_held_together_or_not_at_all() -> None:
    """The session has no room: neither the agent nor the process pays for the refusal."""
    three = guard(
        Budget("all", "tokens", 100),
        Budget("agent", "tokens", 50, scope="agent"),
        Budget("session", "tokens", 10, scope="session"),
    )
    first = three.admit(call("planner", tokens=8, session="s")).granted()
    refusal = three.admit(call("planner", tokens=8, session="s")).refusal
    assert refusal is not None
    assert (refusal.rule, refusal.scope, refusal.reason) == (
        "session",
        "session s",
        "budget_contended",
    )
    state = three.state(call("planner", session="s"))
    assert [(s.spent, s.reserved, s.remaining) for s in state] == [
        (0, 8, 92),
        (0, 8, 42),
        (0, 8, 2),
    ]
    three.settle(first, Spending(tokens=3, cost_nano_usd=None))
    assert [s.spent for s in three.state(call("planner", session="s"))] == [3, 3, 3]


def test_a_sub_agent_cannot_outspend_its_parent() -> None:
    """A call counts for every agent on the path."""
    each = guard(Budget("each", "calls", 2, scope="agent"))
    for _ in range(2):
        each.settle(each.admit(call("planner", "writer")).granted(), USED)
    assert each.admit(call("critic")).allowed
    for path in (("planner",), ("planner", "critic"), ("writer",)):
        assert not each.admit(call(*path)).allowed


def test_calls_of_nobody_share_one_counter() -> None:
    """Under a rule for each agent they are not free."""
    each = guard(Budget("each", "calls", 1, scope="agent"))
    assert each.admit(call()).allowed
    refusal = each.admit(call()).refusal
    assert refusal is not None
    assert refusal.scope == f"agent {UNATTRIBUTED}"
    assert each.admit(call("planner")).allowed


def test_a_released_call_costs_nothing_and_a_second_settlement_does_nothing() -> None:
    """It provably never reached the provider."""
    one = guard(Budget("one", "calls", 1))
    held = one.admit(call()).granted()
    assert one.release(held)
    assert not one.settle(held, USED)
    assert one.state(call())[0].spent == 0


def test_what_is_not_known_is_charged_as_reserved() -> None:
    """Unknown usage is not zero usage."""
    both = guard(Budget("cost", "cost", 10**10), Budget("tokens", "tokens", 100))
    both.settle(both.admit(call(tokens=30)).granted(), Spending(tokens=None, cost_nano_usd=None))
    assert [s.spent for s in both.state(call())] == [1_000_000_000, 30]


def test_more_than_was_reserved_is_charged_in_full() -> None:
    """And the next call is refused."""
    one = guard(Budget("tokens", "tokens", 100))
    one.settle(one.admit(call(tokens=100)).granted(), Spending(tokens=130, cost_nano_usd=0))
    assert one.state(call())[0].spent == 130
    assert one.state(call())[0].remaining == 0
    assert not one.admit(call(tokens=0)).allowed


# --- prices ---------------------------------------------------------------------------------


def test_a_model_without_a_price_is_refused_under_a_cost_budget() -> None:
    """By a reason of its own, not as an exhausted budget."""
    refusal = guard(Budget("cost", "cost", 10**9)).admit(call(cost=None)).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.rule) == ("price_unknown", "cost")


def test_a_model_without_a_price_may_be_counted_in_tokens_only() -> None:
    """Then token and call budgets hold, and the cost budget holds nothing for it."""
    tokens_only = guard(
        Budget("cost", "cost", 10**9),
        Budget("tokens", "tokens", 25),
        settings=GuardSettings(on_unpriced="count_tokens_only", on_contention="refuse"),
    )
    assert tokens_only.admit(call(cost=None)).allowed
    assert [s.reserved for s in tokens_only.state(call())] == [0, 10]
    assert tokens_only.admit(call(cost=None)).allowed
    assert not tokens_only.admit(call(cost=None)).allowed


def test_a_price_does_not_matter_where_no_rule_looks_at_money() -> None:
    """Token budgets let unpriced models through."""
    tokens = guard(Budget("tokens", "tokens", 100))
    assert tokens.admit(call(cost=None)).allowed
    assert not tokens.needs_cost()
    assert tokens.needs_tokens()
    assert not guard(Budget("calls", "calls", 1)).needs_tokens()


# --- an unreadable policy -------------------------------------------------------------------


async def test_a_policy_that_cannot_be_read_refuses_every_call() -> None:
    """Waving calls through would open every limit."""
    error = ConfigError("not valid TOML", key="(syntax)", source="spanledger.toml")
    closed = Guard(policy_error=error)
    assert closed.holds_limits()
    for decision in (closed.admit(call()), await closed.admit_async(call())):
        assert decision.reason == "policy_unreadable"
        assert decision.refusal is not None
        assert "spanledger.toml" in decision.refusal.sentence()


# --- windows --------------------------------------------------------------------------------


def test_a_new_window_has_a_new_counter_and_a_late_settlement_stays_in_the_old_one() -> None:
    """Admitted just before midnight, settled just after."""
    clock = TickingClock(NOON_S + 12 * 3600 - 0.1)
    daily = guard(Budget("day", "calls", 1, "day"), clock=clock)
    late = daily.admit(call()).granted()
    refused = daily.admit(call())
    assert refused.refusal is not None
    clock.advance(5.1)
    daily.settle(late, USED)
    assert daily.state(call())[0].spent == 0
    assert daily.admit(call()).allowed


def test_a_clock_that_is_set_back_finds_the_old_window_as_it_was() -> None:
    """No window is opened twice."""
    clock = TickingClock(NOON_S)
    hourly = guard(Budget("hour", "calls", 1, "hour"), clock=clock)
    hourly.settle(hourly.admit(call()).granted(), USED)
    clock.jump(3600)
    assert hourly.admit(call()).allowed
    clock.jump(-3600)
    assert not hourly.admit(call()).allowed


def test_old_windows_are_forgotten_after_a_day() -> None:
    """A year of minutes would be half a million counters for each rule and scope."""
    clock = TickingClock(NOON_S)
    budgets = Budget("minute", "calls", 5, "minute"), Budget("month", "calls", 10**6, "month")
    both = guard(*budgets, clock=clock)
    store = both.store
    assert isinstance(store, MemoryStore)
    held = both.admit(call()).granted()
    for _ in range(3 * 24 * 60):
        clock.advance(60)
        both.release(both.admit(call()).granted())
    assert len(store._ledger.counters) <= 24 * 60 + 5
    assert both.settle(held, USED)
    assert both.state(call())[1].spent == 1


def test_a_clock_that_is_set_back_by_hours_finds_what_was_spent() -> None:
    """Also after many windows have come and gone."""
    clock = TickingClock(NOON_S)
    hourly = guard(Budget("hour", "calls", 1, "hour"), clock=clock)
    for _ in range(8):
        hourly.settle(hourly.admit(call()).granted(), USED)
        clock.advance(3600)
    clock.jump(-8 * 3600)
    assert not hourly.admit(call()).allowed


def test_a_refusal_says_when_the_next_window_begins() -> None:
    """Except for windows without an end, and for calls in flight."""
    hourly = guard(Budget("hour", "calls", 0, "hour"), clock=lambda: NOON_S + 600)
    refusal = hourly.admit(call()).refusal
    assert refusal is not None
    assert refusal.retry_after_s == 3000.0
    forever = guard(Budget("total", "calls", 0)).admit(call()).refusal
    assert forever is not None
    assert forever.retry_after_s is None


# --- waiting and streams --------------------------------------------------------------------


def test_a_contended_call_waits_and_says_how_long() -> None:
    """The default."""
    events = Events()
    one = guard(Budget("one", "tokens", 10), listeners=[events], settings=WAIT)
    held = one.admit(call()).granted()
    store = one.store
    assert isinstance(store, MemoryStore)
    waiting = InThread(lambda: one.admit(call(tokens=5)))
    until(store.waiting)
    one.settle(held, Spending(tokens=2, cost_nano_usd=0))
    decision = waiting.result()
    assert decision.allowed
    assert decision.waited_s > 0
    assert [(event.kind, event.reason) for event in events.seen] == [("waited", "allowed")]
    assert events.seen[0].waited_s == decision.waited_s
    assert "waited" in events.seen[0].message


async def test_a_coroutine_waits_for_another_coroutine() -> None:
    """On one thread, so it must not block."""
    one = guard(Budget("one", "tokens", 10), settings=WAIT)
    held = (await one.admit_async(call())).granted()
    waiting = asyncio.create_task(one.admit_async(call(tokens=5)))
    await asyncio.sleep(0)
    assert not waiting.done()
    one.settle(held, Spending(tokens=2, cost_nano_usd=0))
    assert (await waiting).allowed


async def test_coroutines_are_answered_like_threads() -> None:
    """The same refusals; nothing is held without a rule."""
    spent = guard(Budget("none", "calls", 0))
    assert (await spent.admit_async(call())).reason == "budget_exhausted"
    assert (await Guard().admit_async(call())).allowed
    refused = guard(Budget("one", "tokens", 10))
    refused.admit(call())
    assert (await refused.admit_async(call())).reason == "budget_contended"


def test_a_stream_may_grow_while_there_is_room_and_is_cut_when_there_is_none() -> None:
    """Cost and tokens grow, calls do not."""
    events = Events()
    stream = guard(Budget("tokens", "tokens", 30), Budget("calls", "calls", 5), listeners=[events])
    held = stream.admit(call(tokens=10)).granted()
    assert stream.extend(held, tokens=15, cost_nano_usd=0) is None
    assert [s.reserved for s in stream.state(call())] == [25, 1]
    refusal = stream.extend(held, tokens=15, cost_nano_usd=0)
    assert refusal is not None
    assert (refusal.reason, refusal.rule) == ("stream_exhausted", "tokens")
    assert [(e.kind, e.reason) for e in events.seen] == [("cut", "stream_exhausted")]
    assert [s.reserved for s in stream.state(call())] == [25, 1]
    partial = refusal.error(partial="half an answer")
    assert isinstance(partial, BudgetExceeded)
    assert partial.partial == "half an answer"


def test_a_stream_without_rules_grows_freely() -> None:
    """Nothing is held, so nothing can run out."""
    assert Guard().extend(Guard().admit(call()).granted(), tokens=1, cost_nano_usd=1) is None


def test_another_policy_over_the_same_ledger_keeps_what_is_spent_and_open() -> None:
    """P13: a limit that is lowered below what is spent refuses; open calls still settle."""
    first = guard(Budget("b", "calls", 5))
    for _ in range(2):
        first.settle(first.admit(call()).granted(), USED)
    held = first.admit(call()).granted()
    second = first.replaced(Policy((Budget("b", "calls", 1),)))
    assert not second.admit(call()).allowed
    assert second.extend(held, tokens=1, cost_nano_usd=1) is None
    assert second.settle(held, USED)
    assert second.state(call())[0].spent == 3


# --- listeners ------------------------------------------------------------------------------


def test_a_listener_that_raises_stops_neither_the_call_nor_the_other_listeners(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is foreign code."""

    def broken(_event: GuardEvent) -> None:
        raise RuntimeError("listener")

    events = Events()
    refusing = guard(Budget("none", "calls", 0), listeners=[broken])
    refusing.with_listener(events)
    assert refusing.admit(call()).reason == "budget_exhausted"
    assert [event.kind for event in events.seen] == ["refused"]
    assert "a guard listener failed" in caplog.text


def test_an_event_tells_whose_call_it_was_and_why() -> None:
    """With an id of its own and the wall time of the decision."""
    events = Events()
    refusing = guard(Budget("none", "calls", 0), listeners=[events])
    asked = call("planner")
    refusal = refusing.admit(asked).refusal
    refusing.admit(call("planner"))
    first, second = events.seen
    assert (first.kind, first.reason, first.refusal) == ("refused", "budget_exhausted", refusal)
    assert (first.call, first.at) == (asked, NOON_S)
    assert first.id != second.id
    assert refusal is not None
    assert first.message == refusal.sentence()


def test_a_plain_admission_is_no_event() -> None:
    """There would be one for each call."""
    events = Events()
    allowing = guard(Budget("one", "calls", 1), listeners=[events])
    allowing.settle(allowing.admit(call()).granted(), NOTHING_SPENT)
    assert events.seen == []


def test_refusals_are_logged_as_warnings(caplog: pytest.LogCaptureFixture) -> None:
    """By the listener that is always there."""
    from spanledger.guard import log_event

    with caplog.at_level(logging.INFO, "spanledger.guard"):
        guard(Budget("none", "calls", 0), listeners=[log_event]).admit(call())
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Budget 'none' is used up" in caplog.text


# --- the guard of the process ---------------------------------------------------------------


def test_the_guard_of_the_process_only_meters_until_another_one_is_used() -> None:
    """And stays the same object."""
    before = current_guard()
    try:
        mine = guard(Budget("none", "calls", 0))
        assert use_guard(mine) is mine
        assert current_guard() is mine
    finally:
        use_guard(before)
    assert current_guard() is before


def test_an_estimate_asks_for_one_call_and_all_its_tokens() -> None:
    """What has no price asks for no money; the refusal of such calls is another matter."""
    estimate = Estimate(100, 50, None, "test")
    assert [estimate.amount(metric) for metric in ("calls", "tokens", "cost")] == [1, 150, 0]
