"""The registry of breakers: threads, finalisers, forks, forced states, bounds."""

import os
import sys
import threading
from collections.abc import Callable

import pytest

from spanledger.guard.breaker import Blocked, Permit, Throttled, Transition
from spanledger.guard.breaker_rule import BreakerRule, Target, model_target, tool_target
from spanledger.guard.breakers import Breakers
from spanledger.testing.clock import TickingClock

RULE = BreakerRule("provider")
GPT = model_target("openai", "gpt-4o")
CLAUDE = model_target("anthropic", "claude")


class _Bench:
    """A registry, its clock and what its listener heard."""

    def __init__(self, capacity: int = 1024) -> None:
        self.clock = TickingClock()
        self.heard: list[Transition] = []
        self.breakers = Breakers(
            self.clock.monotonic, capacity=capacity, listener=self.heard.append
        )

    def call(self, outcome: str, target: Target = GPT, rule: BreakerRule = RULE) -> None:
        permit = self.breakers.acquire(target, rule)
        assert isinstance(permit, Permit)
        self.breakers.report(permit, outcome)  # type: ignore[arg-type]  # the literals below

    def trip(self, target: Target = GPT, rule: BreakerRule = RULE) -> None:
        for _ in range(rule.min_calls):
            self.call("failed", target, rule)

    def state(self, target: Target = GPT) -> str:
        (found,) = [s.state for s in self.breakers.statuses() if s.name == target.name]
        return found

    def reason(self, target: Target = GPT, rule: BreakerRule = RULE) -> str:
        answer = self.breakers.acquire(target, rule)
        return answer.reason if isinstance(answer, Blocked) else "passes"


def _together(count: int, work: Callable[[], object]) -> None:
    """Run `work` in so many threads that begin at the same moment."""
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait(10)
        work()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("attempt", range(20))
def test_sixteen_threads_at_half_open_get_exactly_three_permits(attempt: int) -> None:
    """Of all that ask at the same moment; and the change is told once."""
    bench = _Bench()
    bench.trip()
    bench.clock.advance(30.0)
    answers: list[Permit | Blocked] = []
    _together(16, lambda: answers.append(bench.breakers.acquire(GPT, RULE)))
    permits = [answer for answer in answers if isinstance(answer, Permit)]
    assert (len(permits), len(answers)) == (3, 16)
    assert [change.event for change in bench.heard] == ["tripped", "open_time_over"]
    for permit in permits:
        bench.breakers.report(permit, "ok")
    assert bench.state() == "closed"


@pytest.mark.parametrize("attempt", range(20))
def test_a_permit_that_many_threads_report_counts_once(attempt: int) -> None:
    """A close, a finaliser and a span's end may all find the same call finished."""
    bench = _Bench()
    bench.trip()
    bench.clock.advance(30.0)
    permit = bench.breakers.acquire(GPT, RULE)
    assert isinstance(permit, Permit)
    _together(16, lambda: bench.breakers.report(permit, "cancelled"))
    answers = [bench.breakers.acquire(GPT, RULE) for _ in range(16)]
    assert sum(isinstance(answer, Permit) for answer in answers) == 3


@pytest.mark.parametrize("attempt", range(20))
def test_threads_that_fail_together_open_it_once(attempt: int) -> None:
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        bench = _Bench()

        def calls() -> None:
            for _ in range(20):
                answer = bench.breakers.acquire(GPT, RULE)
                if isinstance(answer, Permit):
                    bench.breakers.report(answer, "failed")

        _together(8, calls)
    finally:
        sys.setswitchinterval(switch)
    assert [change.event for change in bench.heard] == ["tripped"]
    assert bench.heard[0].counts.calls == 10


def test_calls_of_one_target_do_not_wait_for_each_other() -> None:
    """A call that is under way holds no lock."""
    bench = _Bench()
    open_calls = [bench.breakers.acquire(GPT, RULE) for _ in range(8)]
    done: list[str] = []
    _together(2, lambda: done.append(bench.reason()))
    assert done == ["passes", "passes"]
    assert len(open_calls) == 8


def test_each_target_has_its_own_breaker() -> None:
    bench = _Bench()
    bench.trip()
    assert bench.reason() == "circuit_open"
    assert bench.reason(CLAUDE) == "passes"
    assert bench.reason(GPT._replace(region="eu")) == "passes"
    assert bench.reason(tool_target("gpt-4o")) == "passes"


def test_two_rules_on_one_target_are_two_breakers() -> None:
    bench = _Bench()
    strict = BreakerRule("strict", min_calls=2)
    bench.trip(rule=strict)
    assert bench.reason(rule=strict) == "circuit_open"
    assert bench.reason(rule=RULE) == "passes"


def test_a_rule_that_was_read_anew_keeps_the_state() -> None:
    bench = _Bench()
    bench.trip()
    assert bench.reason(rule=BreakerRule("provider", min_calls=99)) == "circuit_open"
    bench.clock.advance(30.0)
    one = BreakerRule("provider", permits=1)
    assert [bench.reason(rule=one) for _ in range(2)] == ["passes", "circuit_half_open"]


def test_a_finaliser_in_the_locked_part_neither_hangs_nor_is_lost() -> None:
    """The garbage collector may end a stream on the thread that is just asking."""
    bench = _Bench()
    permits = [bench.breakers.acquire(GPT, RULE) for _ in range(10)]

    def finalise() -> float:
        while permits:
            permit = permits.pop()
            assert isinstance(permit, Permit)
            bench.breakers.report(permit, "failed")
        return bench.clock.monotonic()

    bench.breakers._clock = finalise  # read inside the locked part, as an allocation would be
    assert bench.reason() == "passes"
    assert [change.event for change in bench.heard] == ["tripped"]
    assert bench.reason() == "circuit_open"


def test_a_listener_may_ask_the_registry() -> None:
    """It is called when the lock is free again."""
    seen: list[str] = []
    breakers = Breakers(listener=lambda _: seen.extend(s.state for s in breakers.statuses()))
    for _ in range(10):
        permit = breakers.acquire(GPT, RULE)
        assert isinstance(permit, Permit)
        breakers.report(permit, "failed")
    assert seen == ["open"]


# --- forced -------------------------------------------------------------------------------


def test_a_breaker_is_forced_by_the_name_of_its_target() -> None:
    bench = _Bench()
    bench.call("ok")
    bench.call("ok", CLAUDE)
    (change,) = bench.breakers.force("openai/gpt-4o", "open")
    assert (change.event, change.target) == ("force_open", GPT)
    assert bench.heard == [change]
    assert bench.reason() == "circuit_forced_open"
    assert bench.reason(CLAUDE) == "passes"
    bench.breakers.force("openai/gpt-4o", None)
    assert bench.reason() == "passes"


def test_a_rules_name_forces_all_its_breakers_and_those_to_come() -> None:
    bench = _Bench()
    bench.call("ok")
    assert len(bench.breakers.force("provider", "open")) == 1
    assert bench.reason() == "circuit_forced_open"
    assert bench.reason(CLAUDE) == "circuit_forced_open"


def test_a_targets_own_state_wins_over_its_rules() -> None:
    bench = _Bench()
    bench.breakers.force("provider", "open")
    bench.breakers.force(GPT.name, "closed")
    assert bench.reason() == "passes"
    assert bench.reason(CLAUDE) == "circuit_forced_open"
    bench.breakers.force(GPT.name, None)
    assert bench.reason() == "circuit_forced_open"


def test_a_reset_closes_a_breaker_that_opened_by_itself() -> None:
    bench = _Bench()
    bench.trip()
    (change,) = bench.breakers.force(GPT.name, None)
    assert (change.before, change.after) == ("open", "closed")
    assert bench.breakers.force(GPT.name, None) == []


def test_forced_states_are_taken_over_from_a_shared_store() -> None:
    """Exactly what the store has: what left it is handed back, what opened by itself stays."""
    bench = _Bench()
    bench.trip(CLAUDE)
    bench.call("ok")
    bench.breakers.set_forced({GPT.name: "open"})
    assert bench.state() == "forced_open"
    assert bench.breakers.set_forced({GPT.name: "open"}) == []
    bench.breakers.set_forced({"tool:search": "closed"})
    assert bench.state() == "closed"
    assert bench.state(CLAUDE) == "open"
    assert bench.breakers.forced() == {"tool:search": "closed"}


# --- bounds and listing -------------------------------------------------------------------


def test_a_million_models_take_the_room_of_the_capacity() -> None:
    bench = _Bench(capacity=100)
    for number in range(5000):
        bench.call("ok", model_target("p", str(number)))
    assert len(bench.breakers.statuses()) == 100


def test_an_open_breaker_outlives_idle_ones() -> None:
    bench = _Bench(capacity=20)
    bench.trip()
    for number in range(200):
        bench.call("ok", model_target("p", str(number)))
    assert bench.state() == "open"


def test_a_forced_state_is_never_evicted() -> None:
    bench = _Bench(capacity=5)
    bench.call("ok")
    bench.breakers.force(GPT.name, "open")
    for number in range(50):
        bench.call("ok", model_target("p", str(number)))
    assert bench.reason() == "circuit_forced_open"


def test_a_permit_of_an_evicted_breaker_touches_no_other() -> None:
    bench = _Bench(capacity=1)
    old = bench.breakers.acquire(GPT, RULE)
    assert isinstance(old, Permit)
    bench.call("ok", CLAUDE)
    bench.call("ok")
    bench.breakers.report(old, "failed")
    assert [s.counts for s in bench.breakers.statuses()] == [(1, 0, 0)]


def test_the_list_says_what_an_operator_wants_to_know() -> None:
    bench = _Bench()
    bench.trip()
    bench.call("ok", CLAUDE)
    permit = bench.breakers.acquire(tool_target("search"), RULE)
    assert isinstance(permit, Permit)
    bench.breakers.report(permit, Throttled(7.0))
    bench.clock.advance(2.0)
    rows = [(s.name, s.rule, s.state, s.trips, s.retry_after_s) for s in bench.breakers.statuses()]
    assert rows == [
        ("anthropic/claude", "provider", "closed", 0, 0.0),
        ("openai/gpt-4o", "provider", "open", 1, 28.0),
        ("tool:search", "provider", "closed", 0, 5.0),
    ]


def test_the_list_counts_only_what_is_still_in_the_window() -> None:
    bench = _Bench()
    bench.call("failed")
    bench.clock.advance(61.0)
    assert [s.counts for s in bench.breakers.statuses()] == [(0, 0, 0)]


def test_the_list_shows_a_recovery_under_way() -> None:
    """Nobody can know when the calls that are out come back."""
    bench = _Bench()
    bench.trip()
    bench.clock.advance(30.0)
    (waiting,) = bench.breakers.statuses()
    assert (waiting.state, waiting.retry_after_s) == ("open", 0.0)
    for _ in range(3):
        assert bench.reason() == "passes"
    (full,) = bench.breakers.statuses()
    assert (full.state, full.permits_out, full.retry_after_s) == ("half_open", 3, None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_of_a_fork_does_not_hang_on_the_parents_lock() -> None:
    """Another thread of the parent is in the locked part at that moment."""
    bench = _Bench()
    bench.breakers.force(CLAUDE.name, "open")
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with bench.breakers._section:
            held.set()
            free.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    pid = os.fork()
    if pid == 0:
        fine = bench.reason() == "passes" and bench.reason(CLAUDE) == "circuit_forced_open"
        os._exit(0 if fine else 1)
    _pid, status = os.waitpid(pid, 0)
    free.set()
    holder.join(10)
    assert os.waitstatus_to_exitcode(status) == 0
