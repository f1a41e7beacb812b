"""Loops and drift of a process: a lock and a clock around the pure parts, for many sessions.

Sessions and agents are kept up to a number, the least recently seen go first; each of them
takes 2 KB at the most, however long it runs.
"""

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar
from weakref import WeakSet

from spanledger.guard.drift import AgentDrift, DriftFinding, DriftRule
from spanledger.guard.fingerprints import Fingerprint, ResultPrint
from spanledger.guard.loops import LoopFinding, LoopRule, SessionLoops
from spanledger.guard.stores._section import Section

V = TypeVar("V")


class _Recent(Generic[V]):
    """The most recently used values by key."""

    __slots__ = ("_capacity", "_values")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[tuple[str, str], V] = OrderedDict()

    def get(self, key: tuple[str, str]) -> V | None:
        return self._values.get(key)

    def touch(self, key: tuple[str, str], make: Callable[[], V]) -> V:
        value = self._values.get(key)
        if value is None:
            value = self._values[key] = make()
            if len(self._values) > self._capacity:
                self._values.popitem(last=False)
        else:
            self._values.move_to_end(key)
        return value

    def put(self, key: tuple[str, str], value: V) -> None:
        self._values[key] = value

    def drop(self, second: str) -> None:
        for key in [key for key in self._values if key[1] == second]:
            del self._values[key]

    def __len__(self) -> int:
        return len(self._values)


class LoopWatch:
    """The loops of all sessions of this process. Safe for threads.

    `clock` gives monotonic seconds. A session is whoever's calls follow on each other: where
    there is none, give the id of the trace, never one name for all: the calls of two
    strangers would look like the loop of one.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, capacity: int = 4096
    ) -> None:
        self._clock = clock
        self._capacity = capacity
        self._reset()
        _watches.add(self)

    def _reset(self) -> None:
        # Guards the sessions. Nothing foreign runs under it: hashing is done before.
        self._section = Section()
        self._sessions: _Recent[SessionLoops] = _Recent(self._capacity)

    def blocked(self, session: str, call: Fingerprint, rule: LoopRule) -> LoopFinding | None:
        """Whether this call must not be made. Changes nothing."""
        with self._section:
            loops = self._sessions.get((rule.name, session))
            return loops.blocked(call) if loops is not None and loops.rule == rule else None

    def observe(
        self, session: str, call: Fingerprint, result: ResultPrint, rule: LoopRule
    ) -> LoopFinding | None:
        """Take a finished call; what is to be said about it, if anything."""
        if self._section.inside():
            # The garbage collector ended a generator tool in the middle of our own locked part.
            self._section.put_off(partial(self.observe, session, call, result, rule))
            return None
        with self._section:
            key = (rule.name, session)
            loops = self._sessions.touch(key, partial(SessionLoops, rule))
            if loops.rule != rule:
                loops = self._renew(key, rule)
            return loops.observe(call, result, self._clock())

    def forget(self, session: str) -> None:
        """Let a session begin anew: nothing it did before counts."""
        with self._section:
            self._sessions.drop(session)

    def __len__(self) -> int:
        return len(self._sessions)

    def _renew(self, key: tuple[str, str], rule: LoopRule) -> SessionLoops:
        """Another rule of the same name: its thresholds and periods begin to count now."""
        loops = SessionLoops(rule)
        self._sessions.put(key, loops)
        return loops


class DriftWatch:
    """The habits of all agents of this process. Safe for threads. `clock`: monotonic seconds."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, capacity: int = 4096
    ) -> None:
        self._clock = clock
        self._capacity = capacity
        self._reset()
        _watches.add(self)

    def _reset(self) -> None:
        self._section = Section()
        self._agents: _Recent[AgentDrift] = _Recent(self._capacity)

    def settled(
        self, agent: str, tokens: int, cost_nano_usd: int | None, rule: DriftRule
    ) -> tuple[DriftFinding, ...]:
        """Count one settled call of an agent; what is to be said about it.

        A cost that is not known (None) is no turn: it must not look like a cheap one.
        """
        if self._section.inside():
            self._section.put_off(partial(self.settled, agent, tokens, cost_nano_usd, rule))
            return ()
        with self._section:
            drift = self._agents.touch((rule.name, agent), partial(AgentDrift, rule, agent))
            # Another rule of the same name: new thresholds, the habit stays.
            drift.rule = rule
            found = (
                drift.tokens(tokens, self._clock()),
                None if cost_nano_usd is None else drift.turn(cost_nano_usd),
            )
        return tuple(finding for finding in found if finding is not None)

    def __len__(self) -> int:
        return len(self._agents)


_watches: "WeakSet[LoopWatch | DriftWatch]" = WeakSet()


def _after_fork_in_child() -> None:
    # Another thread of the parent may have held the lock; the child's agents begin anew.
    for watch in _watches:
        watch._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
