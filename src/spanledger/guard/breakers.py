"""All breakers of a process: a lock and a clock around the pure ones.

Breakers are kept by rule and target, the least recently used go first. What an operator forced
is kept by name and outlives them: a breaker that comes back is forced again.
"""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Literal
from weakref import WeakSet

from spanledger.guard.breaker import Blocked, Breaker, Outcome, Permit, State, Transition
from spanledger.guard.breaker_rule import BreakerRule, Target
from spanledger.guard.rolling import Counts, RollingCounts
from spanledger.guard.stores._section import Section
from spanledger.lean import dataclass

ForcedState = Literal["open", "closed"]

#: So many of the oldest are looked at for one that holds nothing back, before the oldest goes.
_LOOK_AT = 16


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """One breaker, as `Breakers.statuses` shows it."""

    name: str
    rule: str
    state: State
    counts: Counts
    trips: int
    permits_out: int
    retry_after_s: float | None
    """Seconds until a call may pass; 0 if it may now, None where nobody can know."""


class Breakers:
    """The breakers of this process, safe for threads and finalisers.

    `clock` gives monotonic seconds. `listener` gets each change of state, after the lock is
    released, on the thread that caused it; it must return at once and not raise.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        capacity: int = 1024,
        listener: Callable[[Transition], object] | None = None,
    ) -> None:
        self._clock = clock
        self._capacity = capacity
        self._listener = listener
        self._forced: dict[str, ForcedState] = {}
        self._reset()
        _registries.add(self)

    def _reset(self) -> None:
        # Guards the breakers and what is forced. Never held while foreign code runs.
        self._section = Section()
        self._breakers: OrderedDict[tuple[str, Target], Breaker] = OrderedDict()

    def acquire(self, target: Target, rule: BreakerRule) -> Permit | Blocked:
        """Let a call through or hold it back. Never waits. Every permit wants a `report`."""
        with self._section:
            answer = self._breaker(target, rule).acquire(self._clock())
        if answer.transition is not None:
            self._tell([answer.transition])
        return answer

    def look(self, target: Target, rule: BreakerRule) -> Blocked | None:
        """Why a call would be held back now; None: it would pass. Changes and tells nothing."""
        with self._section:
            found = self._breakers.get((rule.name, target)) or self._made(rule, target)
            copy = replace(found, rule=rule, window=RollingCounts())
            answer = copy.acquire(self._clock())
        return answer if isinstance(answer, Blocked) else None

    def report(self, permit: Permit, outcome: Outcome) -> None:
        """Say how a call ended. Only the first report of a permit counts."""
        if self._section.inside():
            # The garbage collector runs a finaliser in the middle of our own locked part.
            self._section.put_off(partial(self.report, permit, outcome))
            return
        with self._section:
            change = permit.breaker.report(permit, outcome, self._clock())
        if change is not None:
            self._tell([change])

    def force(self, name: str, to: ForcedState | None) -> list[Transition]:
        """Hold all breakers of this name open or closed, or hand them back to their rules (None).

        `name` is that of a target (``openai/gpt-4o``, ``tool:search``) or of a rule; a target's
        own state wins over its rule's. It holds for breakers to come as well. None also resets
        a breaker that opened by itself. The changes that it made are returned and told.
        """
        with self._section:
            if to is None:
                self._forced.pop(name, None)
            else:
                self._forced[name] = to
            changes = self._apply({name}, reset=to is None)
        self._tell(changes)
        return changes

    def set_forced(self, forced: Mapping[str, ForcedState]) -> list[Transition]:
        """Force exactly these names and no other, as a shared store has them."""
        with self._section:
            changed = {
                name
                for name in self._forced.keys() | forced.keys()
                if self._forced.get(name) != forced.get(name)
            }
            self._forced = dict(forced)
            changes = self._apply(changed, reset=False)
        self._tell(changes)
        return changes

    def forced(self) -> dict[str, ForcedState]:
        """What is forced, by name."""
        with self._section:
            return dict(self._forced)

    def statuses(self) -> list[BreakerStatus]:
        """All breakers, by name."""
        with self._section:
            now = self._clock()
            found = [_status(breaker, now) for breaker in self._breakers.values()]
        return sorted(found, key=lambda status: (status.name, status.rule))

    def _breaker(self, target: Target, rule: BreakerRule) -> Breaker:
        key = (rule.name, target)
        breaker = self._breakers.get(key)
        if breaker is None:
            return self._new(key, rule)
        self._breakers.move_to_end(key)
        if breaker.rule is not rule:
            # The policy was read anew: the new numbers, the state as it is.
            breaker.rule = rule
        return breaker

    def _new(self, key: tuple[str, Target], rule: BreakerRule) -> Breaker:
        breaker = self._made(rule, key[1])
        self._breakers[key] = breaker
        if len(self._breakers) > self._capacity:
            self._evict()
        return breaker

    def _made(self, rule: BreakerRule, target: Target) -> Breaker:
        breaker = Breaker(rule, target)
        if (wanted := self._wanted(breaker)) is not None:
            breaker.force(wanted, self._clock())
        return breaker

    def _evict(self) -> None:
        # An open breaker knows something; a closed one forgets a minute of counts at the most,
        # and a forced one comes back forced.
        oldest = list(islice(self._breakers.items(), min(_LOOK_AT, self._capacity)))
        idle = [key for key, b in oldest if b.state not in ("open", "half_open")]
        del self._breakers[idle[0] if idle else oldest[0][0]]

    def _wanted(self, breaker: Breaker) -> ForcedState | None:
        return self._forced.get(breaker.target.name) or self._forced.get(breaker.rule.name)

    def _apply(self, names: set[str], *, reset: bool) -> list[Transition]:
        """Bring the breakers of these names to what is forced now."""
        now = self._clock()
        changes = [
            _bring(breaker, self._wanted(breaker), now, reset=reset)
            for breaker in self._breakers.values()
            if breaker.target.name in names or breaker.rule.name in names
        ]
        return [change for change in changes if change and change.before != change.after]

    def _tell(self, changes: list[Transition]) -> None:
        if self._listener is not None:
            for change in changes:
                self._listener(change)


def _bring(
    breaker: Breaker, wanted: ForcedState | None, now: float, *, reset: bool
) -> Transition | None:
    is_forced = breaker.state in ("forced_open", "forced_closed")
    if wanted is not None or is_forced or reset:
        return breaker.force(wanted, now)
    return None


def _status(breaker: Breaker, now: float) -> BreakerStatus:
    breaker.window.forget(now, breaker.rule.window_s)
    return BreakerStatus(
        breaker.target.name,
        breaker.rule.name,
        breaker.state,
        breaker.window.counts(),
        breaker.trips,
        breaker.out,
        breaker.retry_after_s(now),
    )


_registries: WeakSet[Breakers] = WeakSet()


def _after_fork_in_child() -> None:
    # Another thread of the parent may have been in the locked part: the lock would stay locked
    # and a breaker half changed. The child learns anew; what is forced stays.
    for registry in _registries:
        registry._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
