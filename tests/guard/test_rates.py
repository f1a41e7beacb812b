"""Rate limits: calls and tokens per time, and how many calls run at once."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.guard import (
    NOTHING_SPENT,
    Guard,
    MemoryStore,
    RateLimit,
    Reservation,
    Spending,
)
from spanledger.guard.rules import SECONDS, Per
from spanledger.testing.clock import TickingClock
from tests.guard._calls import NOON_S, WAIT, call, guard
from tests.guard._wait import InThread, until

MINUTE: Per = "minute"
USED = Spending(tokens=10, cost_nano_usd=0)


def _guard(clock: TickingClock, *rates: RateLimit) -> Guard:
    return guard(*rates, clock=clock)


def _admit(held: Guard, tokens: int = 10) -> bool:
    """One call that uses what it asks for; whether it was let through."""
    decision = held.admit(call(tokens=tokens))
    if decision.reservation is not None:
        held.settle(decision.reservation, Spending(tokens=tokens, cost_nano_usd=0))
    return decision.allowed


def _refusal_after_s(held: Guard, tokens: int = 10) -> float | None:
    refusal = held.admit(call(tokens=tokens)).refusal
    assert refusal is not None
    assert refusal.reason == "rate_limited"
    return refusal.retry_after_s


# --- the window -----------------------------------------------------------------------------


@given(
    per=st.sampled_from(sorted(SECONDS)),
    limit=st.integers(0, 12),
    steps=st.lists(st.tuples(st.floats(0, 0.7), st.integers(1, 5)), max_size=60),
)
def test_no_window_sees_more_than_the_limit_and_the_fading_part_of_the_bucket_before(
    per: Per, limit: int, steps: list[tuple[float, int]]
) -> None:
    """The bound of `RateLimit`: L in a bucket, L + f·N in any window, with f the part of the
    second bucket that has passed and N what the first one held; so less than 2·L.

    A window that ends at a time with part f spans at most that much of the second bucket.
    """
    clock, length = TickingClock(NOON_S + 0.25), SECONDS[per]
    limited = _guard(clock, RateLimit("r", "calls", limit, per))
    admitted: list[float] = []
    for pause, burst in steps:
        clock.advance(pause * length)
        admitted += [clock() for _ in range(burst) if _admit(limited)]
    for end in admitted:
        bucket = end // length * length
        window = [at for at in admitted if end - length < at <= end]
        first = [at for at in admitted if bucket - length <= at < bucket]
        second = [at for at in admitted if bucket <= at < bucket + length]
        assert len(second) <= limit
        assert len(window) <= limit + (end - bucket) / length * len(first) + 1e-6
        assert len(window) < max(1, 2 * limit)


def test_the_worst_case_of_the_bound_is_real() -> None:
    """All at the end of one bucket, then as soon as each fits: the bound is no idle fear."""
    clock = TickingClock(NOON_S + 59.9)
    limited = _guard(clock, RateLimit("r", "calls", 10, MINUTE))
    seen = sum(_admit(limited) for _ in range(20))
    for _ in range(599):
        clock.advance(0.1)
        seen += _admit(limited)
    assert 10 < seen < 20


def test_calls_that_come_evenly_get_the_limit_and_no_more() -> None:
    """Twice as many as allowed come, for ten minutes; rounding up costs less than a tenth."""
    clock = TickingClock(NOON_S)
    limited = _guard(clock, RateLimit("r", "calls", 60, MINUTE))
    admitted = 0
    for _ in range(1200):
        clock.advance(0.5)
        admitted += _admit(limited)
    assert 540 <= admitted <= 660


def test_a_bucket_that_is_long_gone_does_not_count() -> None:
    """After two times `per` everything is free again."""
    clock = TickingClock(NOON_S)
    limited = _guard(clock, RateLimit("r", "calls", 3, MINUTE))
    assert [_admit(limited) for _ in range(4)] == [True, True, True, False]
    clock.advance(120)
    assert [_admit(limited) for _ in range(4)] == [True, True, True, False]


def test_an_hour_of_calls_leaves_few_counters() -> None:
    """Buckets roll every second; their remains are swept."""
    clock = TickingClock(NOON_S)
    limited = _guard(clock, RateLimit("r", "calls", 5, "second"))
    for _ in range(3600):
        clock.advance(1)
        assert _admit(limited)
    assert len(limited.store.counters("r")) < 70


# --- what counts ----------------------------------------------------------------------------


def test_refused_calls_do_not_consume() -> None:
    """A client that hammers must not keep itself out for ever."""
    clock = TickingClock(NOON_S)
    limited = _guard(clock, RateLimit("r", "tokens", 10, MINUTE))
    assert _admit(limited, 8)
    for _ in range(50):
        assert not _admit(limited, 4)
    assert _admit(limited, 2)


def test_a_call_that_another_rule_refuses_burns_no_rate() -> None:
    """All rules or none: the concurrency limit says no, the rate has not seen the call."""
    clock = TickingClock(NOON_S)
    limited = _guard(clock, RateLimit("r", "calls", 2, MINUTE), RateLimit("n", "concurrency", 1))
    held = limited.admit(call()).granted()
    for _ in range(5):
        assert limited.admit(call()).reason == "concurrency_limited"
    limited.settle(held, USED)
    assert _admit(limited)
    assert limited.admit(call()).reason == "rate_limited"


def test_a_call_that_was_never_sent_is_given_back() -> None:
    """The provider saw nothing of it."""
    clock = TickingClock(NOON_S)
    limited = _guard(
        clock, RateLimit("r", "calls", 1, MINUTE), RateLimit("t", "tokens", 10, "hour")
    )
    for _ in range(3):
        assert limited.release(limited.admit(call()).granted())
    assert limited.settle(limited.admit(call()).granted(), NOTHING_SPENT)
    assert _admit(limited)
    assert not _admit(limited)


def test_tokens_are_held_as_asked_and_settle_to_what_was_used() -> None:
    """More than asked is counted in full."""
    clock = TickingClock(NOON_S)
    limited = _guard(clock, RateLimit("r", "tokens", 100, MINUTE))
    held = limited.admit(call(tokens=100)).granted()
    assert limited.admit(call(tokens=1)).reason == "rate_limited"
    limited.settle(held, Spending(tokens=30, cost_nano_usd=0))
    assert not limited.admit(call(tokens=71)).allowed
    held = limited.admit(call(tokens=70)).granted()
    limited.settle(held, Spending(tokens=90, cost_nano_usd=0))
    assert limited.store.counters("r")[0][1].spent == 120
    assert not limited.admit(call(tokens=1)).allowed


def test_a_late_settlement_counts_when_the_call_was_admitted() -> None:
    """A stream of ten minutes must not block the tenth minute."""
    clock = TickingClock(NOON_S)
    limited = _guard(clock, RateLimit("r", "tokens", 100, MINUTE))
    held = limited.admit(call(tokens=100)).granted()
    clock.advance(600)
    limited.settle(held, Spending(tokens=100, cost_nano_usd=0))
    assert _admit(limited, 100)


def test_each_user_has_a_rate_of_their_own() -> None:
    """And all agents together one."""
    clock = TickingClock(NOON_S)
    rates = (
        RateLimit("each", "calls", 1, MINUTE, scope="session"),
        RateLimit("all", "calls", 3, MINUTE, scope="session", each=False),
    )
    limited = _guard(clock, *rates)
    for session in "abc":
        assert limited.admit(call(session=session)).allowed
    for session, rule, scope in (("a", "each", "session a"), ("d", "all", "session")):
        refusal = limited.admit(call(session=session)).refusal
        assert refusal is not None
        assert (refusal.rule, refusal.scope, refusal.window) == (rule, scope, "minute")


# --- when to come back ----------------------------------------------------------------------


@given(
    per=st.sampled_from(sorted(SECONDS)),
    limit=st.integers(1, 1000),
    offset=st.floats(0, 2),
    bursts=st.lists(st.tuples(st.floats(0, 1.5), st.integers(0, 1500)), max_size=6),
    asked=st.integers(1, 1000),
)
def test_after_the_time_that_a_refusal_tells_the_call_fits(
    per: Per, limit: int, offset: float, bursts: list[tuple[float, int]], asked: int
) -> None:
    """If nothing else happened in between; also after calls that used more than they asked."""
    length = SECONDS[per]
    clock = TickingClock(NOON_S + offset * length)
    limited = _guard(clock, RateLimit("r", "tokens", limit, per))
    for pause, used in bursts:
        clock.advance(pause * length)
        decision = limited.admit(call(tokens=min(used, limit)))
        if decision.reservation is not None:
            limited.settle(decision.reservation, Spending(tokens=used, cost_nano_usd=0))
    refusal = limited.admit(call(tokens=asked)).refusal
    if refusal is None:
        return
    if asked > limit:
        assert refusal.retry_after_s is None
        return
    assert refusal.retry_after_s is not None
    assert 0 <= refusal.retry_after_s <= 2 * length + 1e-3
    clock.advance(refusal.retry_after_s)
    assert limited.admit(call(tokens=asked)).allowed


def test_a_call_that_can_never_fit_is_told_so() -> None:
    """Waiting would not help."""
    limited = _guard(TickingClock(NOON_S), RateLimit("r", "tokens", 10, MINUTE))
    refusal = limited.admit(call(tokens=11)).refusal
    assert refusal is not None
    assert refusal.retry_after_s is None
    assert "ask for less" in refusal.sentence()


def test_a_refusal_by_rate_names_what_counts_and_what_to_do() -> None:
    """`spent` is all that the sliding window holds."""
    clock = TickingClock(NOON_S)
    limited = _guard(clock, RateLimit("r", "calls", 2, MINUTE))
    assert _admit(limited)
    assert _admit(limited)
    clock.advance(61)
    assert not limited.admit(call()).allowed
    refusal = limited.admit(call()).refusal
    assert refusal is not None
    assert (refusal.limit, refusal.spent, refusal.asked) == (2, 2, 1)
    assert "Rate limit 'r' is reached" in refusal.sentence()
    assert "Slow down" in refusal.sentence()


# --- at once --------------------------------------------------------------------------------


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 4))
def test_never_more_than_the_limit_are_open(opens: list[bool], limit: int) -> None:
    """Whatever comes and goes."""
    limited = guard(RateLimit("n", "concurrency", limit))
    held: list[Reservation] = []
    for opening in opens:
        if opening:
            decision = limited.admit(call())
            assert decision.allowed == (len(held) < limit)
            held += [decision.reservation] if decision.reservation is not None else []
        elif held:
            limited.settle(held.pop(0), USED)
    assert [c.reserved for _, c in limited.store.counters("n")] in ([], [len(held)])
    assert all(c.spent == 0 for _, c in limited.store.counters("n"))


def test_calls_wait_in_their_order_for_one_to_end() -> None:
    """First come, first served; a settled and a released call both make room."""
    limited = guard(RateLimit("n", "concurrency", 1), settings=WAIT)
    store = limited.store
    assert isinstance(store, MemoryStore)
    held, order = limited.admit(call()).granted(), list[int]()

    def wait(number: int) -> object:
        decision = limited.admit(call())
        order.append(number)
        return decision.granted()

    first = InThread(lambda: wait(1))
    until(lambda: store.waiting() == 1)
    second = InThread(lambda: wait(2))
    until(lambda: store.waiting() == 2)
    limited.settle(held, USED)
    limited.release(first.result())
    assert second.result() is not None
    assert order == [1, 2]


async def test_a_waiting_coroutine_that_is_cancelled_leaves_no_trace() -> None:
    """The place that it waited for goes to the next one."""
    limited = guard(RateLimit("n", "concurrency", 1), settings=WAIT)
    held = (await limited.admit_async(call())).granted()
    waiting = asyncio.create_task(limited.admit_async(call()))
    behind = asyncio.create_task(limited.admit_async(call()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    limited.settle(held, USED)
    assert (await behind).allowed


def test_who_waits_in_vain_is_told_why() -> None:
    """After the wait that the settings allow."""
    limited = guard(RateLimit("n", "concurrency", 1))
    limited.admit(call())
    refusal = limited.admit(call()).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.window, refusal.retry_after_s) == (
        "concurrency_limited",
        "at once",
        None,
    )
    assert "as many calls as may run at once" in refusal.sentence()
