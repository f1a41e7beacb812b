"""What outlives a policy: breakers, loops, sessions, and who hears of what happens to them."""

from collections.abc import Callable

from spanledger.guard._sessions import Sessions
from spanledger.guard.breaker import Transition
from spanledger.guard.breakers import Breakers
from spanledger.guard.ledger import Crossing
from spanledger.guard.loop_watch import LoopWatch
from spanledger.guard.stores import Store


class Live:
    """Kept when limits change: an open breaker stays open, and a session goes on.

    A store is listened to once, however often the policy is replaced: the newest guard hears.
    `monotonic` gives seconds.
    """

    def __init__(self, store: Store, monotonic: Callable[[], float]) -> None:
        self.breakers = Breakers(monotonic, listener=self._changed)
        self.loops = LoopWatch(monotonic)
        self.sessions = Sessions(monotonic)
        self.on_transition: Callable[[Transition], object] = _ignore
        self.on_crossing: Callable[[Crossing], object] = _ignore
        store.on_crossed(self._crossed)

    # Looked up when it happens: the guard that hears changes with the policy.

    def _changed(self, change: Transition) -> None:
        self.on_transition(change)

    def _crossed(self, crossing: Crossing) -> None:
        self.on_crossing(crossing)


def _ignore(_happened: object) -> None:
    """Before a guard listens."""
