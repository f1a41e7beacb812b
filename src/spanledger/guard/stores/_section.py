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

    __slots__ = ("_catching_up", "inside", "late", "lock")

    def __init__(self) -> None:
        #: What guards the state. Who takes it itself, and not by the section (two functions in
        #: Python, on the way of every call), looks at `late` when it is released.
        self.lock = threading.RLock()
        #: Steps that were put off.
        self.late: deque[Callable[[], object]] = deque()
        #: Whether this very thread is in the locked part: then it was interrupted there.
        self.inside: Callable[[], bool] = self.lock._is_owned  # type: ignore[attr-defined]  # as `threading.Condition` does
        # Held, without ever waiting for it, by who runs the late steps: such a step enters and
        # leaves the section itself, and must not run the next ones one level deeper.
        self._catching_up = threading.Lock()

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *_error: object) -> None:
        self.lock.release()
        if self.late:
            self.catch_up()

    def put_off(self, step: Callable[[], object]) -> None:
        """Have `step` run when this thread leaves. Only for a thread that is inside."""
        self.late.append(step)

    def catch_up(self) -> None:
        """Run what was put off, unless this thread is still inside."""
        if self.inside():
            return
        # Looked at again after the release: one more may have come in between.
        while self.late and self._catching_up.acquire(blocking=False):
            try:
                while self.late:
                    self.late.popleft()()
            finally:
                self._catching_up.release()
