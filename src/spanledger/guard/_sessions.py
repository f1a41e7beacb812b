"""What each session has used in this process, for ceilings."""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple
from weakref import WeakSet

from spanledger.guard.ceilings import CeilingHit, Ceilings, SessionUse, reached
from spanledger.guard.stores._section import Section
from spanledger.lean import dataclass

#: Sessions beyond this many: the one that was quiet for longest is forgotten. So are calls that
#: are open for longest, should anybody forget to settle them.
_CAPACITY = 65_536


@dataclass(slots=True)
class _Session:
    """What one session has used."""

    began: float
    steps: int = 0
    calls: int = 0
    tokens: int = 0


class _Open(NamedTuple):
    """A call under way, and what was counted for it when it was let through."""

    session: _Session
    calls: int


def one_more(use: SessionUse, *, calls: int, depth: int) -> SessionUse:
    """The use after one more step, of `calls` model calls."""
    # At least one token: where none is left, no call may pass.
    return use.plus(steps=1, calls=calls, tokens=calls, depth=depth)


def _use(session: _Session, now: float) -> SessionUse:
    return SessionUse(session.steps, 0, now - session.began, session.calls, session.tokens)


class Sessions:
    """Uses by session, bounded. `clock` gives monotonic seconds.

    Steps and calls count from the moment they are let through, so that calls at the same time
    can't pass a ceiling together; tokens count once they are used.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, capacity: int = _CAPACITY
    ) -> None:
        self._clock = clock
        self._capacity = capacity
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        # Guards the sessions and the open calls. Nothing foreign runs under it.
        self._section = Section()
        #: Calls under way.
        self.open: OrderedDict[str, _Open] = OrderedDict()

    def begin(
        self, call_id: str, session: str, ceilings: Sequence[Ceilings], *, calls: int, depth: int
    ) -> CeilingHit | None:
        """Count one step, of `calls` model calls, or say which ceiling is in its way.

        The first question begins a session. A call that is already open counts no second time.
        """
        with self._section:
            if call_id in self.open:
                return None
            found = self._session(session)
            after = one_more(_use(found, self._clock()), calls=calls, depth=depth)
            hits = (hit for each in ceilings if (hit := reached(each, after)) is not None)
            if (hit := next(hits, None)) is not None:
                return hit
            found.steps += 1
            found.calls += calls
            self.open[call_id] = _Open(found, calls)
            if len(self.open) > self._capacity:
                self.open.popitem(last=False)
        return None

    def end(self, call_id: str, *, calls: int, tokens: int) -> None:
        """Say what an open call used; 0 `calls`: it never happened. The second time: nothing."""
        if self._section.inside():
            # The garbage collector ended a stream in the middle of our own locked part.
            self._section.put_off(partial(self.end, call_id, calls=calls, tokens=tokens))
            return
        with self._section:
            opened = self.open.pop(call_id, None)
            if opened is None:
                return
            session, counted = opened
            session.tokens += tokens
            if not calls:
                session.steps -= 1
                session.calls -= counted
            elif counted:
                session.calls += calls - counted

    def use(self, session: str) -> SessionUse:
        """What a session has used until now. It does not begin one."""
        with self._section:
            found = self._sessions.get(session)
            return SessionUse() if found is None else _use(found, self._clock())

    def _session(self, name: str) -> _Session:
        found = self._sessions.get(name)
        if found is None:
            found = self._sessions[name] = _Session(self._clock())
            if len(self._sessions) > self._capacity:
                self._sessions.popitem(last=False)
        else:
            self._sessions.move_to_end(name)
        return found


_all: WeakSet[Sessions] = WeakSet()


def _after_fork_in_child() -> None:
    # Another thread of the parent may have held the lock; its open calls are not the child's.
    for sessions in _all:
        sessions._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
