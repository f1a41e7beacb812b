"""The guard with rules other than budgets: breakers, ceilings, loops; and with new policies."""

import asyncio
import gc
import os
import threading
from typing import Any

import pytest

from spanledger.config import GuardSettings
from spanledger.guard import (
    NOTHING_SPENT,
    Budget,
    Call,
    Decision,
    Estimate,
    Guard,
    MemoryStore,
    Policy,
    RateLimit,
    Spending,
)
from spanledger.guard.breaker import Throttled
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.guard.ceilings import Ceilings
from spanledger.guard.fingerprints import fingerprint
from spanledger.guard.loops import LoopRule
from spanledger.guard.rules import TOOL_CALL, TRACE_ID
from spanledger.testing.clock import TickingClock, sequential_ids
from tests.guard._calls import NOON_S, REFUSE, WAIT, Events, call
from tests.guard._wait import InThread, until

USED = Spending(tokens=10, cost_nano_usd=0)
FRAGILE = BreakerRule("fragile", min_calls=4, open_s=30, permits=2)
_new_id = sequential_ids("tool")


def _guard(clock: TickingClock, *rules: Any, **more: Any) -> Guard:
    """A guard of any rules on a clock that the test moves."""
    kinds: dict[type, str] = {
        Budget: "budgets",
        RateLimit: "rate_limits",
        BreakerRule: "breakers",
        LoopRule: "loops",
        Ceilings: "ceilings",
    }
    tables: dict[str, Any] = dict.fromkeys(kinds.values(), ())
    for rule in rules:
        tables[kinds[type(rule)]] += (rule,)
    given = {"settings": REFUSE, "clock": clock, "monotonic": clock.monotonic, **more}
    return Guard(Policy(**tables), **given)


def _tool(name: str, *arguments: Any, **more: Any) -> Call:
    return Call(
        _new_id(), "", "", TOOL_CALL, Estimate(0, 0, 0, "none"),
        tool=name, fingerprint=fingerprint(name, arguments), **more,
    )  # fmt: skip


def _run(held: Guard, asked: Call, outcome: Any = "ok", result: object = None) -> Decision:
    """One call from its admission to its end."""
    decision = held.admit(asked)
    if decision.reservation is not None:
        held.settle(decision.reservation, USED, outcome=outcome)
        if asked.fingerprint is not None:
            held.observe_result(asked, result)
    return decision


# --- breakers -------------------------------------------------------------------------------


def test_a_breaker_opens_after_failures_that_settlements_report_and_recovers() -> None:
    """Open, half-open with two permits, closed; every change is told."""
    clock, events = TickingClock(NOON_S), Events()
    guarded = _guard(clock, FRAGILE, listeners=[events])
    for _ in range(4):
        assert _run(guarded, call(), "failed").allowed
    refusal = guarded.admit(call()).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.rule, refusal.scope) == (
        "circuit_open",
        "fragile",
        "openai/gpt-4o",
    )
    assert refusal.retry_after_s == 30
    clock.advance(30)
    first, second = (guarded.admit(call()).granted() for _ in range(2))
    assert guarded.admit(call()).reason == "circuit_open"
    guarded.settle(first, USED)
    guarded.settle(second, USED)
    assert all(_run(guarded, call()).allowed for _ in range(10))
    kinds = [(event.kind, event.reason) for event in events.seen]
    assert kinds == [
        ("breaker", "tripped"),
        ("refused", "circuit_open"),
        ("breaker", "open_time_over"),
        ("refused", "circuit_open"),
        ("breaker", "probes_passed"),
    ]
    assert events.seen[-1].message == "Breaker 'fragile': openai/gpt-4o is closed."


def test_each_model_and_each_tool_has_a_breaker_of_its_own() -> None:
    """A tool that fails does not take the model away."""
    guarded = _guard(TickingClock(NOON_S), FRAGILE)
    for _ in range(4):
        _run(guarded, call(), "failed")
        _run(guarded, _tool("search"), "failed")
    assert guarded.admit(call()).reason == "circuit_open"
    assert guarded.admit(_tool("search")).reason == "circuit_open"
    assert guarded.admit(call(model="gpt-4o-mini")).allowed
    assert guarded.admit(_tool("calculator")).allowed


def test_a_call_that_a_breaker_holds_back_reserves_nothing() -> None:
    """It is asked before the ledger is."""
    guarded = _guard(
        TickingClock(NOON_S),
        FRAGILE,
        Budget("b", "tokens", 10**6),
        RateLimit("n", "concurrency", 9),
    )
    for _ in range(4):
        _run(guarded, call(), "failed")
    spent = [counter.spent for _, counter in guarded.store.counters()]
    for _ in range(5):
        assert guarded.admit(call()).reason == "circuit_open"
    assert [counter.spent for _, counter in guarded.store.counters()] == spent
    assert all(counter.reserved == 0 for _, counter in guarded.store.counters())


def _half_open(clock: TickingClock, *rules: Any, **more: Any) -> Guard:
    guarded = _guard(clock, FRAGILE, *rules, **more)
    for _ in range(4):
        _run(guarded, call(), "failed")
    clock.advance(30)
    return guarded


def _permits_out(guarded: Guard) -> int:
    return sum(status.permits_out for status in guarded.breakers.statuses())


def test_a_permit_comes_back_when_the_ledger_refuses() -> None:
    """Else a budget that is full would hold a breaker half-open for ever."""
    guarded = _half_open(TickingClock(NOON_S), Budget("b", "tokens", 40))
    for _ in range(5):
        assert guarded.admit(call()).reason == "budget_exhausted"
    assert _permits_out(guarded) == 0


def test_a_permit_comes_back_when_the_call_was_never_sent() -> None:
    """It says nothing about the provider."""
    guarded = _half_open(TickingClock(NOON_S))
    for _ in range(5):
        guarded.release(guarded.admit(call()).granted())
    assert _permits_out(guarded) == 0
    assert guarded.breakers.statuses()[0].state == "half_open"


def test_a_permit_comes_back_when_another_breaker_says_no() -> None:
    """The calls that one rule lets through to try must not wait for the other's."""
    clock = TickingClock(NOON_S)
    guarded = _half_open(clock, BreakerRule("strict", min_calls=2, open_s=300))
    for _ in range(5):
        assert guarded.admit(call()).reason == "circuit_open"
    assert _permits_out(guarded) == 0


async def test_a_permit_comes_back_when_a_waiting_call_is_cancelled() -> None:
    """On a loop; and a cancelled wait is no step of the session."""
    ceiling = Ceilings("c", max_steps=6)
    guarded = _half_open(TickingClock(NOON_S), RateLimit("n", "concurrency", 1), ceiling,
                         settings=WAIT)  # fmt: skip
    held = guarded.admit(call()).granted()
    waiting = asyncio.create_task(guarded.admit_async(call()))
    await asyncio.sleep(0)
    assert _permits_out(guarded) == 2
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert _permits_out(guarded) == 1
    guarded.settle(held, USED)
    assert (await guarded.admit_async(call())).allowed


def test_a_permit_comes_back_when_a_waiting_thread_is_interrupted() -> None:
    """Ctrl-C in the middle of the wait, or a ledger that fails: nobody hears the refusal."""

    class Interrupted(MemoryStore):
        def reserve(self, *arguments: Any, **more: Any) -> Any:
            if interrupted:
                raise KeyboardInterrupt
            return super().reserve(*arguments, **more)

    interrupted = False
    rules = Budget("b", "calls", 9), Ceilings("c", max_steps=5)
    guarded = _half_open(TickingClock(NOON_S), *rules, store=Interrupted())
    interrupted = True
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            guarded.admit(call())
    assert _permits_out(guarded) == 0
    interrupted = False
    assert [_run(guarded, call()).allowed for _ in range(2)] == [True, False]


def test_a_throttled_provider_is_left_alone_until_the_time_it_gave() -> None:
    """And its breaker has not counted a failure."""
    clock = TickingClock(NOON_S)
    guarded = _guard(clock, FRAGILE)
    _run(guarded, call(), Throttled(20.0))
    refusal = guarded.admit(call()).refusal
    assert refusal is not None
    assert refusal.retry_after_s == 20
    assert "429" in refusal.sentence()
    clock.advance(20)
    assert guarded.admit(call()).allowed
    assert guarded.breakers.statuses()[0].counts.failed == 0


# --- ceilings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ceilings", "asked", "metric"),
    [
        (Ceilings("c", max_steps=3), [call(), _tool("t"), call(), call()], "steps"),
        (Ceilings("c", max_calls=2), [call(), _tool("t"), call(), call()], "calls"),
        (Ceilings("c", max_depth=1), [call(), call("a"), _tool("t"), call("a", "b")], "depth"),
        (Ceilings("c", max_tokens=25), [call(), call(), call(), call()], "tokens"),
    ],
)
def test_a_session_stops_at_its_ceiling(ceilings: Ceilings, asked: list[Call], metric: str) -> None:
    """The last call is one too many; it is told which ceiling that was."""
    guarded = _guard(TickingClock(NOON_S), ceilings)
    *before, last = asked
    assert all(_run(guarded, each).allowed for each in before)
    refusal = guarded.admit(last).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.rule, refusal.metric) == ("ceiling_reached", "c", metric)
    assert f"max_{metric}" in refusal.sentence()


def test_a_session_stops_when_its_time_is_over() -> None:
    """The time of the wall, by a clock that nobody sets back."""
    clock = TickingClock(NOON_S)
    guarded = _guard(clock, Ceilings("c", max_wall_s=60))
    assert guarded.admit(call(session="a")).allowed
    clock.advance(60)
    clock.jump(-7200)
    assert guarded.admit(call(session="a")).reason == "ceiling_reached"
    assert guarded.admit(call(session="b")).allowed


def test_calls_at_the_same_time_can_not_pass_a_ceiling_together() -> None:
    """Each counts from its admission."""
    guarded = _guard(TickingClock(NOON_S), Ceilings("c", max_calls=3))
    decisions = [guarded.admit(call(session="s")) for _ in range(10)]
    assert [decision.allowed for decision in decisions] == [True] * 3 + [False] * 7


@pytest.mark.parametrize("_race", range(20))
def test_threads_that_race_make_exactly_as_many_steps_as_the_ceiling(_race: int) -> None:
    """Eight threads, a hundred calls, seventeen steps."""
    guarded = _guard(TickingClock(NOON_S), Ceilings("c", max_steps=17))
    start, passed = threading.Barrier(8), list[bool]()

    def work() -> None:
        start.wait()
        passed.extend(_run(guarded, call(session="s")).allowed for _ in range(12))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(passed) == 17


def test_what_was_never_sent_or_refused_by_another_rule_is_no_step() -> None:
    """By a budget, a rate, a breaker or a loop rule."""
    guarded = _half_open(
        TickingClock(NOON_S), Ceilings("c", max_steps=6), Budget("b", "tokens", 200)
    )
    for _ in range(10):
        assert guarded.admit(call(tokens=300)).reason == "budget_exhausted"
    for _ in range(10):
        guarded.release(guarded.admit(call()).granted())
    assert [_run(guarded, call()).allowed for _ in range(3)] == [True, True, False]


def test_a_settlement_that_comes_twice_counts_once() -> None:
    """Also with a release behind it."""
    guarded = _guard(TickingClock(NOON_S), Ceilings("c", max_steps=3, max_tokens=25))
    held = guarded.admit(call()).granted()
    for spending in (USED, USED, NOTHING_SPENT):
        guarded.settle(held, spending)
    assert [_run(guarded, call()).allowed for _ in range(3)] == [True, True, False]


def test_sessions_and_traces_without_a_session_do_not_count_for_each_other() -> None:
    """A server whose requests have no session must not stop after the first hundred."""
    guarded = _guard(TickingClock(NOON_S), Ceilings("c", max_steps=1))
    strangers = [_tool("t", attributes={TRACE_ID: f"{n:032x}"}) for n in range(3)]
    assert all(_run(guarded, each).allowed for each in strangers)
    again = _tool("t", attributes={TRACE_ID: f"{0:032x}"})
    assert guarded.admit(again).reason == "ceiling_reached"


def test_a_step_that_only_a_span_tells_of_counts_too() -> None:
    """`check` asks and counts at once; nothing is to be settled."""
    guarded = _guard(TickingClock(NOON_S), Ceilings("c", max_steps=2), LoopRule("l"))
    assert guarded.check(_tool("t")) is None
    assert _run(guarded, call()).allowed
    refusal = guarded.check(_tool("t"))
    assert refusal is not None
    assert refusal.reason == "ceiling_reached"


def test_a_million_sessions_take_bounded_room() -> None:
    """The one that was quiet for longest is forgotten; its open call still settles."""
    from spanledger.guard._sessions import Sessions

    sessions, ceilings = Sessions(capacity=10), (Ceilings("c", max_steps=1),)
    for number in range(1000):
        assert sessions.begin(str(number), f"s{number}", ceilings, calls=1, depth=0) is None
    for number in range(1000):
        sessions.end(str(number), calls=1, tokens=1)
    assert not sessions.open
    assert len(sessions._sessions) == 10
    assert sessions.begin("again", "s999", ceilings, calls=1, depth=0) is not None
    assert sessions.begin("back", "s0", ceilings, calls=1, depth=0) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_hang_on_the_parents_lock() -> None:
    """Another thread of the parent is in the locked part while it forks."""
    guarded = _guard(TickingClock(NOON_S), Ceilings("c", max_steps=5))
    _run(guarded, call())
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with guarded._live.sessions._section:
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(10)
    child = os.fork()
    if child == 0:
        allowed = [_run(guarded, call()).allowed for _ in range(5)]
        os._exit(0 if allowed == [True] * 4 + [False] else 1)
    leave.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


def test_a_stream_that_the_collector_ends_inside_of_the_ceilings_still_counts() -> None:
    """Its settlement runs a moment later, once the locked part is left."""
    guarded = _guard(TickingClock(NOON_S), Ceilings("c", max_tokens=20))
    held = guarded.admit(call()).granted()

    class Abandoned:
        def __del__(self) -> None:
            guarded.settle(held, Spending(tokens=20, cost_nano_usd=0))

    abandoned: Any = Abandoned()
    with guarded._live.sessions._section:
        del abandoned
        gc.collect()
    assert guarded.admit(call()).reason == "ceiling_reached"


# --- loops ----------------------------------------------------------------------------------

CIRCLE = LoopRule("circle", action="block", warn_at=3, block_at=5)


def test_an_agent_that_runs_in_a_circle_is_warned_and_then_stopped() -> None:
    """The sixth identical call is refused; another one passes and ends the circle."""
    events = Events()
    guarded = _guard(TickingClock(NOON_S), CIRCLE, listeners=[events])
    for _ in range(5):
        assert _run(guarded, _tool("search", "cats"), result="nothing").allowed
    refusal = guarded.admit(_tool("search", "cats")).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.rule) == ("loop_detected", "circle")
    assert "search came 5 times in a row" in refusal.sentence()
    assert [event.kind for event in events.seen] == ["loop", "loop", "refused"]
    assert _run(guarded, _tool("search", "dogs"), result="nothing").allowed
    assert _run(guarded, _tool("search", "cats"), result="nothing").allowed


def test_the_circles_of_one_session_are_not_those_of_another() -> None:
    """And strangers without a session are told apart by their traces."""
    guarded = _guard(TickingClock(NOON_S), CIRCLE)
    for who in ({"session": "a"}, {"attributes": {TRACE_ID: "1" * 32}}, {}):
        more: dict[str, Any] = dict(who)
        for _ in range(5):
            assert _run(guarded, _tool("search", "cats", **more), result="nothing").allowed
        assert guarded.admit(_tool("search", "cats", **more)).reason == "loop_detected"
    assert guarded.admit(_tool("search", "cats", session="b")).allowed


def test_a_loop_rule_that_warns_refuses_nothing() -> None:
    """The default."""
    events = Events()
    guarded = _guard(TickingClock(NOON_S), LoopRule("warns"), listeners=[events])
    assert all(_run(guarded, _tool("t"), result=1).allowed for _ in range(30))
    assert [event.kind for event in events.seen] == ["loop"] * 3


def test_a_refused_call_holds_nothing() -> None:
    """Neither a permit nor a place nor a step."""
    guarded = _guard(
        TickingClock(NOON_S), CIRCLE, FRAGILE, Ceilings("c", max_steps=6),
        RateLimit("n", "concurrency", 1, scope="tool"),
    )  # fmt: skip
    for _ in range(5):
        _run(guarded, _tool("search"), result="nothing")
    for _ in range(9):
        assert guarded.admit(_tool("search")).reason == "loop_detected"
    assert _run(guarded, _tool("other")).allowed


# --- models without a price -----------------------------------------------------------------

CEILING = GuardSettings(
    on_unpriced="ceiling_price", ceiling_usd_per_mtok="20", on_contention="refuse"
)


def test_a_price_is_asked_for_only_where_a_hard_cost_budget_counts_the_call() -> None:
    """A budget for one provider says nothing about the models of another one."""
    guarded = _guard(
        TickingClock(NOON_S), Budget("theirs", "cost", 10**9, match=(("provider", "anthropic"),))
    )
    assert guarded.admit(call(cost=None)).allowed
    theirs = call(cost=None)._replace(provider="anthropic")
    refusal = guarded.admit(theirs).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.rule) == ("price_unknown", "theirs")


def test_a_ceiling_price_is_reserved_extended_and_charged() -> None:
    """20 dollars for a million tokens: 10 tokens are 200 000 nano-USD."""
    guarded = _guard(TickingClock(NOON_S), Budget("b", "cost", 10**6), settings=CEILING)
    held = guarded.admit(call(cost=None, tokens=10)).granted()
    assert guarded.state(call())[0].reserved == 200_000
    assert guarded.extend(held, tokens=30, cost_nano_usd=0) is None
    assert guarded.state(call())[0].reserved == 800_000
    refusal = guarded.extend(held, tokens=30, cost_nano_usd=0)
    assert refusal is not None
    assert refusal.reason == "stream_exhausted"
    guarded.settle(held, Spending(tokens=40, cost_nano_usd=None))
    assert guarded.state(call())[0].spent == 800_000


def test_tokens_only_means_that_a_stream_holds_no_money_either() -> None:
    """Token rules hold all the same."""
    settings = GuardSettings(on_unpriced="count_tokens_only", on_contention="refuse")
    guarded = _guard(
        TickingClock(NOON_S), Budget("b", "cost", 5), Budget("t", "tokens", 50), settings=settings
    )
    held = guarded.admit(call(cost=None, tokens=10)).granted()
    assert guarded.extend(held, tokens=30, cost_nano_usd=0) is None
    assert [state.reserved for state in guarded.state(call())] == [0, 40]
    assert guarded.extend(held, tokens=30, cost_nano_usd=0) is not None


# --- another policy -------------------------------------------------------------------------


def test_open_calls_settle_under_a_new_policy() -> None:
    """Their reservations, permits and steps are those of the guard before."""
    clock = TickingClock(NOON_S)
    steps = Ceilings("c", max_steps=2)
    before = _guard(clock, FRAGILE, Budget("b", "tokens", 100), steps)
    held = before.admit(call(tokens=60)).granted()
    after = before.replaced(
        Policy((Budget("b", "tokens", 50),), breakers=(FRAGILE,), ceilings=(steps,))
    )
    assert after.admit(call(tokens=1)).reason == "budget_contended"
    assert after.settle(held, Spending(tokens=20, cost_nano_usd=0))
    assert after.state(call())[0].spent == 20
    assert _run(after, call(tokens=1)).allowed
    assert after.admit(call(tokens=1)).reason == "ceiling_reached"


def test_an_open_breaker_stays_open_under_a_new_policy() -> None:
    """A reload of the file must not send everybody to a provider that is down."""
    clock, events = TickingClock(NOON_S), Events()
    before = _guard(clock, FRAGILE, listeners=[events])
    for _ in range(4):
        _run(before, call(), "failed")
    after = before.replaced(Policy(breakers=(FRAGILE,), budgets=(Budget("b", "calls", 9),)))
    assert after.admit(call()).reason == "circuit_open"
    clock.advance(30)
    assert after.admit(call()).allowed
    assert [e.reason for e in events.seen] == ["tripped", "circuit_open", "open_time_over"]


def test_a_loop_goes_on_under_a_new_policy() -> None:
    """An agent does not get out of its circle by a reload."""
    before = _guard(TickingClock(NOON_S), CIRCLE)
    for _ in range(5):
        _run(before, _tool("search"), result="nothing")
    after = before.replaced(Policy(loops=(CIRCLE,), budgets=(Budget("b", "calls", 9),)))
    assert after.admit(_tool("search")).reason == "loop_detected"


def test_who_waits_while_the_policy_changes_is_served() -> None:
    """The queue is the ledger's."""
    before = _guard(TickingClock(NOON_S), Budget("b", "tokens", 10), settings=WAIT)
    store = before.store
    assert isinstance(store, MemoryStore)
    held = before.admit(call(tokens=10)).granted()
    waiting = InThread(lambda: before.admit(call(tokens=5)))
    until(store.waiting)
    after = before.replaced(Policy((Budget("b", "tokens", 20),)))
    after.settle(held, Spending(tokens=2, cost_nano_usd=0))
    assert waiting.result().allowed
