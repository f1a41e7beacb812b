"""Loops and drift of many sessions: threads, finalisers, forks, bounds."""

import os
import threading
from dataclasses import replace

import pytest

from spanledger.guard.drift import DriftRule
from spanledger.guard.fingerprints import fingerprint, result_print
from spanledger.guard.loop_watch import DriftWatch, LoopWatch
from spanledger.guard.loops import LoopFinding, LoopRule
from spanledger.testing.clock import TickingClock

RULE = LoopRule("loops", action="block")
DRIFT = DriftRule("drift", tokens_per_min=1000)
CALL = fingerprint("search", {"q": "cats"})
NOTHING = result_print("nothing")


def _watch(capacity: int = 100) -> LoopWatch:
    return LoopWatch(TickingClock().monotonic, capacity=capacity)


def _repeat(watch: LoopWatch, session: str, count: int, rule: LoopRule = RULE) -> None:
    for _ in range(count):
        watch.observe(session, CALL, NOTHING, rule)


def test_sessions_do_not_see_each_other() -> None:
    watch = _watch()
    _repeat(watch, "one", 10)
    assert watch.blocked("one", CALL, RULE) is not None
    assert watch.blocked("two", CALL, RULE) is None


def test_two_rules_count_each_for_itself() -> None:
    watch, other = _watch(), replace(RULE, name="other")
    _repeat(watch, "one", 10)
    assert watch.blocked("one", CALL, other) is None


def test_a_changed_rule_holds_at_once_and_counts_from_now() -> None:
    watch, strict = _watch(), replace(RULE, warn_at=2, block_at=3)
    _repeat(watch, "one", 10)
    assert watch.blocked("one", CALL, strict) is None
    _repeat(watch, "one", 3, strict)
    assert watch.blocked("one", CALL, strict) is not None


def test_a_session_can_begin_anew() -> None:
    watch = _watch()
    _repeat(watch, "one", 10)
    _repeat(watch, "two", 10)
    watch.forget("one")
    assert watch.blocked("one", CALL, RULE) is None
    assert watch.blocked("two", CALL, RULE) is not None


def test_sessions_are_bounded_and_the_oldest_goes_first() -> None:
    watch = _watch(capacity=10)
    _repeat(watch, "oldest", 10)
    _repeat(watch, "old", 10)
    for number in range(9):
        _repeat(watch, f"s{number}", 1)
        _repeat(watch, "old", 1)
    assert len(watch) == 10
    assert watch.blocked("old", CALL, RULE) is not None
    assert watch.blocked("oldest", CALL, RULE) is None


@pytest.mark.parametrize("attempt", range(20))
def test_threads_of_one_session_lose_no_step(attempt: int) -> None:
    """Eighty equal calls from eight threads warn at 5, 10, 20, 40 and 80, each once."""
    watch, found = _watch(), list[LoopFinding | None]()
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait(10)
        for _ in range(10):
            found.append(watch.observe("one", CALL, NOTHING, RULE))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(f.count for f in found if f is not None) == [5, 10, 20, 40, 80]


def test_a_finaliser_in_the_locked_part_neither_hangs_nor_is_lost() -> None:
    """A generator tool may be collected on the thread that is just counting another one."""
    watch, late = _watch(), [NOTHING] * 9

    def finalise() -> float:
        while late:
            watch.observe("one", CALL, late.pop(), RULE)
        return 0.0

    watch._clock = finalise
    watch.observe("one", CALL, NOTHING, RULE)
    assert watch.blocked("one", CALL, RULE) is not None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_of_a_fork_does_not_hang_on_the_parents_lock() -> None:
    watch, drift = _watch(), DriftWatch()
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with watch._section, drift._section:
            held.set()
            free.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    pid = os.fork()
    if pid == 0:
        watch.observe("one", CALL, NOTHING, RULE)
        drift.settled("a", 1, 1, DRIFT)
        os._exit(0 if len(watch) == len(drift) == 1 else 1)
    _pid, status = os.waitpid(pid, 0)
    free.set()
    holder.join(10)
    assert os.waitstatus_to_exitcode(status) == 0


def test_agents_have_habits_of_their_own_and_are_bounded() -> None:
    watch = DriftWatch(TickingClock().monotonic, capacity=5)
    (found,) = watch.settled("burner", 1001, None, DRIFT)
    assert (found.kind, found.agent) == ("burn_rate", "burner")
    for number in range(50):
        assert watch.settled(f"a{number}", 900, 10, DRIFT) == ()
    assert len(watch) == 5


def test_a_settlement_by_a_finaliser_in_the_locked_part_is_counted() -> None:
    """The garbage collector may end a stream on the thread that is just counting."""
    watch, late = DriftWatch(), [900]

    def finalise() -> float:
        while late:
            assert watch.settled("a", late.pop(), None, DRIFT) == ()
        return 0.0

    watch._clock = finalise
    assert watch.settled("a", 50, None, DRIFT) == ()
    (found,) = watch.settled("a", 51, None, DRIFT)
    assert found.value == 1001
