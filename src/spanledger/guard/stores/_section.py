"""A lock that a finaliser can't hang on."""

import threading
from collections import deque
from collections.abc import Callable


class Section:
    """Mutual exclusion for a state that finalisers change too.

    The garbage collector may run in the middle of the locked part, on the thread that is in it,
    and collect a stream there that settles its call. A plain lock would wait for itself for
    ever; a re-entrant one would let the settlement into a state that is half changed. So such
    a step asks `inside` first, and is put off until the thread has left.
    """

    __slots__ = ("_catching_up", "_depth", "_late", "_lock", "_owner")

    def __init__(self) -> None:
        # Re-entrant: the collector may also run when the lock is taken and the owner not noted
        # yet, or not any more. Nothing is half changed then, so the step is just done.
        self._lock = threading.RLock()
        self._owner = 0
        self._depth = 0
        self._late: deque[Callable[[], object]] = deque()
        # Held, without ever waiting for it, by who runs the late steps: such a step enters and
        # leaves the section itself, and must not run the next ones one level deeper.
        self._catching_up = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()
        self._owner = threading.get_ident()
        self._depth += 1

    def __exit__(self, *_error: object) -> None:
        self._depth -= 1
        if self._depth:
            self._lock.release()
            return
        self._owner = 0
        self._lock.release()
        # Looked at again after the release: one more may have come in between.
        while self._late and self._catching_up.acquire(blocking=False):
            try:
                self._catch_up()
            finally:
                self._catching_up.release()

    def inside(self) -> bool:
        """Whether this very thread is in the locked part: then it was interrupted there."""
        return self._owner == threading.get_ident()

    def put_off(self, step: Callable[[], object]) -> None:
        """Have `step` run when this thread leaves. Only for a thread that is inside."""
        self._late.append(step)

    def _catch_up(self) -> None:
        while self._late:
            self._late.popleft()()
