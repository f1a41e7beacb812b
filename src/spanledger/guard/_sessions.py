"""What each session has used in this process, for ceilings and loop rules."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from spanledger.guard.ceilings import SessionUse

#: Sessions beyond this many: the one that was quiet for longest is forgotten.
_CAPACITY = 65_536


class Sessions:
    """Uses by session, bounded. `clock` gives monotonic seconds."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, capacity: int = _CAPACITY
    ) -> None:
        self._clock = clock
        self._capacity = capacity
        # Re-entrant: a finaliser may settle a call while this thread is in here.
        self._lock = threading.RLock()
        self._began: OrderedDict[str, float] = OrderedDict()
        self._uses: dict[str, SessionUse] = {}

    def use(self, session: str) -> SessionUse:
        """What a session has used until now; the first question begins it."""
        with self._lock:
            now = self._clock()
            began = self._began.setdefault(session, now)
            self._began.move_to_end(session)
            while len(self._began) > self._capacity:
                oldest, _ = self._began.popitem(last=False)
                self._uses.pop(oldest, None)
            found = self._uses.get(session, SessionUse())
            return SessionUse(found.steps, found.depth, now - began, found.calls, found.tokens)

    def add(self, session: str, *, steps: int = 0, calls: int = 0, tokens: int = 0) -> None:
        """Count what was used."""
        with self._lock:
            found = self._uses.get(session, SessionUse())
            self._uses[session] = found.plus(steps=steps, calls=calls, tokens=tokens)
