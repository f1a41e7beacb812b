"""The life of a circuit breaker, as one table and the arithmetic around it. Pure.

Rules of this file:

1. No clock, no lock, no I/O: *now* is an argument (monotonic seconds); the caller holds the lock.
2. The state changes by `TRANSITIONS` only. An event that has no place in a state changes nothing.
3. Each change begins a new generation; what a permit of an older one reports is ignored.
4. Half-open, at most ``rule.permits`` calls are out or have passed. A permit that comes back
   without a verdict (cancelled, throttled) is free again; one that never comes back counts as
   failed when its lease ends.
5. Throttling ("429, come back in 20 s") is no failure and no state: it has its own end.
"""

import math
from collections.abc import Mapping
from dataclasses import field
from typing import Literal, NamedTuple, TypeAlias

from spanledger.guard.breaker_rule import BreakerRule, Target
from spanledger.guard.rolling import Counts, RollingCounts
from spanledger.lean import dataclass

State = Literal["closed", "open", "half_open", "forced_open", "forced_closed"]
Event = Literal[
    "tripped",
    "open_time_over",
    "probes_passed",
    "probe_failed",
    "probe_lost",
    "force_open",
    "force_closed",
    "reset",
]

INITIAL: State = "closed"

#: What the operator may do in every state.
_BY_HAND: Mapping[Event, State] = {
    "force_open": "forced_open",
    "force_closed": "forced_closed",
    "reset": "closed",
}

TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    "closed": {"tripped": "open", **_BY_HAND},
    "open": {"open_time_over": "half_open", **_BY_HAND},
    "half_open": {
        "probes_passed": "closed",
        "probe_failed": "open",
        "probe_lost": "open",
        **_BY_HAND,
    },
    "forced_open": {"force_closed": "forced_closed", "reset": "closed"},
    "forced_closed": {"force_open": "forced_open", "reset": "closed"},
}


class Throttled(NamedTuple):
    """The provider answered "too many requests"; seconds until it wants to be asked again."""

    retry_after_s: float | None = None


#: How a call ended: `slow` came, but its first token too late; `cancelled` says nothing of the
#: other side (our own refusals, a caller that went away).
Outcome: TypeAlias = Literal["ok", "slow", "failed", "cancelled"] | Throttled

BlockReason = Literal["circuit_open", "circuit_half_open", "circuit_forced_open", "throttled"]


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state, with what the window held just before."""

    rule: str
    target: Target
    before: State
    event: Event
    after: State
    at: float
    """Monotonic seconds."""
    counts: Counts
    open_s: float | None = None
    """How long it stays open, if that is what it does now."""


class Permit:
    """A call that was let through. It is reported once; what comes after that is ignored.

    `transition` is the change that asking for it brought about.
    """

    # By hand, for every call makes one for each breaker.
    __slots__ = ("breaker", "generation", "reported", "transition")

    def __init__(
        self, breaker: "Breaker", generation: int, transition: Transition | None = None
    ) -> None:
        self.breaker = breaker
        self.generation = generation
        self.transition = transition
        self.reported = False


@dataclass(frozen=True, slots=True)
class Blocked:
    """A call that was held back. `retry_after_s` is None where nobody can know."""

    rule: str
    target: Target
    reason: BlockReason
    retry_after_s: float | None
    transition: Transition | None = None

    def sentence(self) -> str:
        """Why the call was held back, for a person; the time is left to `retry_after_s`."""
        return f"Breaker {self.rule!r}: {self.target.name} {_WHY[self.reason]}."


_WHY: Mapping[BlockReason, str] = {
    "circuit_open": "is failing or slow; calls are held back until it has had time to recover",
    "circuit_half_open": "is being tried out by a few calls; the others wait for how these end",
    "circuit_forced_open": "was switched off by an operator, who can switch it on again",
    "throttled": "asked for fewer calls (429 with Retry-After)",
}


@dataclass(slots=True, eq=False)
class Breaker:
    """The breaker of one target. See the rules at the top of the file."""

    rule: BreakerRule
    target: Target
    state: State = INITIAL
    generation: int = 0
    trips: int = 0
    """How often it opened since it was last closed."""
    open_until: float = -math.inf
    throttled_until: float = -math.inf
    window: RollingCounts = field(default_factory=RollingCounts)
    out: int = 0
    """Half-open: permits that have not come back."""
    passed: int = 0
    """Half-open: permits that came back well."""
    _lease_until: float = math.inf

    def acquire(self, now: float) -> Permit | Blocked:
        """Let a call through or hold it back. Every permit wants a `report`."""
        if self.state == "closed" and now >= self.throttled_until:
            return Permit(self, self.generation)
        if self.state == "forced_closed":
            return Permit(self, self.generation)
        if self.state == "forced_open":
            return self._blocked("circuit_forced_open", None)
        return self._acquire_carefully(now)

    def report(self, permit: Permit, outcome: Outcome, now: float) -> Transition | None:
        """Take note of how a call ended; the change of state that follows, if any."""
        if permit.reported:
            return None
        permit.reported = True
        if isinstance(outcome, Throttled):
            # Also of an older generation: what the provider said holds until the time it gave.
            self._throttle(outcome.retry_after_s, now)
        if permit.generation != self.generation:
            return None
        if self.state == "half_open":
            return self._judge_probe(outcome, now)
        if self.state != "closed" or isinstance(outcome, Throttled) or outcome == "cancelled":
            return None
        self.window.add(outcome, now, self.rule.window_s)
        return self._move("tripped", now) if self._too_bad() else None

    def force(self, to: Literal["open", "closed"] | None, now: float) -> Transition | None:
        """Hold the breaker in a state, or hand it back to its rule (None).

        Forced closed lets everything through, throttled or not: the breaker is out of use.
        """
        if to is None:
            self.throttled_until = -math.inf
            return self._move("reset", now)
        wanted: Event = "force_open" if to == "open" else "force_closed"
        return self._move(wanted, now) if wanted in TRANSITIONS[self.state] else None

    def retry_after_s(self, now: float) -> float | None:
        """Seconds until a call may pass; 0 if it may now, None where nobody can know."""
        if self.state == "forced_closed":
            return 0.0
        if self.state == "forced_open":
            return None
        until = max(self.throttled_until, self.open_until if self.state == "open" else -math.inf)
        if self.state == "half_open" and until <= now and not self._has_permit():
            return None
        return max(0.0, until - now)

    def _acquire_carefully(self, now: float) -> Permit | Blocked:
        change = self._time_passes(now)
        if self.state == "open":
            return self._blocked("circuit_open", self.retry_after_s(now), change)
        if now < self.throttled_until:
            return self._blocked("throttled", self.throttled_until - now, change)
        if not self._has_permit():
            return self._blocked("circuit_half_open", None, change)
        self.out += 1
        self._lease_until = now + self.rule.permit_lease_s
        return Permit(self, self.generation, change)

    def _time_passes(self, now: float) -> Transition | None:
        if self.state == "open" and now >= self.open_until:
            return self._move("open_time_over", now)
        if self.state == "half_open" and self.out and now >= self._lease_until:
            return self._move("probe_lost", now)
        return None

    def _has_permit(self) -> bool:
        return self.out + self.passed < self.rule.permits

    def _judge_probe(self, outcome: Outcome, now: float) -> Transition | None:
        if outcome in ("failed", "slow"):
            return self._move("probe_failed", now)
        self.out -= 1
        if outcome != "ok":
            return None
        self.passed += 1
        return self._move("probes_passed", now) if self.passed >= self.rule.permits else None

    def _too_bad(self) -> bool:
        calls, failed, slow = self.window.counts()
        # Divided, not multiplied: 3 / 30 is the very float that 0.1 is, 30 × 0.1 is above 3.
        return calls >= self.rule.min_calls and (
            failed / calls >= self.rule.failure_rate or slow / calls >= self.rule.slow_rate
        )

    def _throttle(self, after_s: float | None, now: float) -> None:
        if after_s is not None and after_s > 0:
            until = now + min(after_s, self.rule.max_throttle_s)
            self.throttled_until = max(self.throttled_until, until)

    def _move(self, event: Event, now: float) -> Transition:
        before, after = self.state, next_state(self.state, event)
        counts = self.window.counts()
        self.state = after
        self.generation += 1
        self.window = RollingCounts()
        self.out = self.passed = 0
        open_s = self._enter(after, now)
        return Transition(self.rule.name, self.target, before, event, after, now, counts, open_s)

    def _enter(self, state: State, now: float) -> float | None:
        if state == "half_open":
            return None
        self.trips = self.trips + 1 if state == "open" else 0
        if state != "open":
            return None
        open_s = self.rule.open_time_s(self.trips)
        self.open_until = now + open_s
        return open_s

    def _blocked(
        self, reason: BlockReason, after_s: float | None, change: Transition | None = None
    ) -> Blocked:
        return Blocked(self.rule.name, self.target, reason, after_s, change)


def next_state(state: State, event: Event) -> State:
    """The state that follows. Raises `ValueError` for an event that has no place in `state`."""
    after = TRANSITIONS[state].get(event)
    if after is None:
        allowed = ", ".join(TRANSITIONS[state])
        raise ValueError(f"a breaker that is {state} knows no {event!r}; it knows: {allowed}")
    return after
