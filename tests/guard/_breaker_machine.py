"""Random lives of a breaker, beside a simple model of it.

The properties, by their numbers:

B1 the state changes by the table only, and only with a transition that says so
B2 half-open, never more than the rule's permits are out or have passed
B3 no permit is lost: what came back without a verdict can be had again
B4 it opens exactly when the calls of the window are bad enough
B5 open times grow, by doubling, up to the limit, and begin anew after a recovery
B6 nothing passes while it is open or throttled
B7 what belongs to an older generation changes nothing
"""

from collections.abc import Callable
from typing import Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from spanledger.guard.breaker import TRANSITIONS, Blocked, Breaker, Permit, Throttled, Transition
from spanledger.guard.breaker_rule import BreakerRule, model_target

RULE = BreakerRule(
    "r", window_s=5, min_calls=3, open_s=2.0, max_open_s=9.0, permits=2, permit_lease_s=20.0
)
TARGET = model_target("p", "m")
VERDICTS = ("ok", "slow", "failed")


class BreakerMachine(RuleBasedStateMachine):
    """One random life; `make` gives the breaker that is tested."""

    make: Callable[[], Breaker] = staticmethod(lambda: Breaker(RULE, TARGET))

    def __init__(self) -> None:
        super().__init__()
        self.breaker = type(self).make()
        self.now = 0.0
        self.state = "closed"
        self.era = 0
        #: Permits that are out, with the era that they belong to.
        self.out: list[tuple[Permit, int]] = []
        self.passed = 0
        self.window: list[tuple[float, str]] = []
        self.trips = 0
        self.open_until = self.throttled_until = self.lease_until = float("-inf")

    # --- what may happen ------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.0, 0.3, 1.0, 2.0, 4.0, 9.0, 25.0)))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def acquire(self) -> None:
        answer = self.breaker.acquire(self.now)
        self._follow(answer.transition, self._timed_event())
        assert isinstance(answer, Permit) == self._may_pass(), "B3, B6"
        if isinstance(answer, Blocked):
            assert answer.retry_after_s is None or answer.retry_after_s > 0
            return
        self.out.append((answer, self.era))
        if self.state == "half_open":
            self.lease_until = self.now + RULE.permit_lease_s

    @precondition(lambda self: self.out)
    @rule(data=st.data(), verdict=st.sampled_from((*VERDICTS, "failed", "cancelled", "throttled")))
    def report(self, data: st.DataObject, verdict: str) -> None:
        self._report(data.draw(st.integers(0, len(self.out) - 1)), verdict)

    def _report(self, place: int, verdict: str) -> None:
        permit, era = self.out.pop(place)
        outcome = Throttled(1.5) if verdict == "throttled" else verdict
        change = self.breaker.report(permit, outcome, self.now)  # type: ignore[arg-type]  # a literal of the list above
        if verdict == "throttled":
            self.throttled_until = max(self.throttled_until, self.now + 1.5)
        self._follow(change, self._verdict_event(verdict) if era == self.era else None)
        again = self.breaker.report(permit, "failed", self.now)
        assert again is None, "B7"

    @precondition(lambda self: self.state in ("closed", "half_open"))
    @rule()
    def outage(self) -> None:
        """Chance alone would seldom get as far as half-open."""
        for _ in range(RULE.min_calls):
            if self._may_pass():
                self.acquire()
                self._report(len(self.out) - 1, "failed")
        self.now = max(self.now, self.open_until)

    @rule(to=st.sampled_from(("open", "closed", None)), often=st.integers(0, 4))
    def force(self, to: Literal["open", "closed"] | None, often: int) -> None:
        if often and not self.state.startswith("forced"):
            return
        event = "reset" if to is None else f"force_{to}"
        if to is None:
            self.throttled_until = float("-inf")
        expected = event if event in TRANSITIONS[self.breaker.state] else None
        self._follow(self.breaker.force(to, self.now), expected)

    # --- the model ------------------------------------------------------------------------

    def _timed_event(self) -> str | None:
        if self.state == "open" and self.now >= self.open_until:
            return "open_time_over"
        lost = self.state == "half_open" and self._probes() and self.now >= self.lease_until
        return "probe_lost" if lost else None

    def _verdict_event(self, verdict: str) -> str | None:
        if self.state == "closed" and verdict in VERDICTS:
            self.window.append((self.now, verdict))
            return "tripped" if self._is_bad() else None
        if self.state != "half_open":
            return None
        if verdict in ("failed", "slow"):
            return "probe_failed"
        self.passed += verdict == "ok"
        return "probes_passed" if self.passed == RULE.permits else None

    def _is_bad(self) -> bool:
        seen = [v for at, v in self.window if int(at) > int(self.now) - RULE.window_s]
        failed, slow = seen.count("failed"), seen.count("slow")
        bad = failed >= RULE.failure_rate * len(seen) or slow >= RULE.slow_rate * len(seen)
        return len(seen) >= RULE.min_calls and bad

    def _may_pass(self) -> bool:
        if self.state.startswith("forced"):
            return self.state == "forced_closed"
        if self.state == "open" or self.now < self.throttled_until:
            return False
        return self.state == "closed" or self._probes() + self.passed < RULE.permits

    def _probes(self) -> int:
        return sum(era == self.era for _permit, era in self.out)

    def _follow(self, change: Transition | None, expected: str | None) -> None:
        assert (change.event if change else None) == expected, "B4"
        if change is None:
            return
        assert change.before == self.state, "B1"
        assert TRANSITIONS[change.before][change.event] == change.after, "B1"
        self.state = change.after
        self.era += 1
        self.window, self.passed = [], 0
        self._open_time(change)

    def _open_time(self, change: Transition) -> None:
        if change.after == "open":
            expected = min(RULE.max_open_s, RULE.open_s * 2**self.trips)
            assert change.open_s == expected, "B5"
            self.trips += 1
            self.open_until = self.now + expected
        elif change.after != "half_open":
            self.trips = 0

    # --- what always holds ----------------------------------------------------------------

    @invariant()
    def the_state_is_the_models(self) -> None:
        assert self.breaker.state == self.state, "B1"

    @invariant()
    def half_open_keeps_to_its_permits(self) -> None:
        if self.state == "half_open":
            assert self._probes() + self.passed <= RULE.permits, "B2"
            assert (self.breaker.out, self.breaker.passed) == (self._probes(), self.passed), "B3"
