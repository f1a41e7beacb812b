"""What outlives a policy: breakers, loops, sessions, and who hears of what happens to them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from spanledger.guard._sessions import Sessions
from spanledger.guard._unasked import Unasked
from spanledger.guard.breaker import Transition
from spanledger.guard.breakers import Breakers
from spanledger.guard.events import Listener
from spanledger.guard.ledger import Crossing
from spanledger.guard.rules import Budget, RateLimit
from spanledger.guard.stores import Store

if TYPE_CHECKING:
    from spanledger.guard.loop_watch import DriftWatch, LoopWatch


class Follower(Protocol):
    """Brings rules that change to the guard of the process."""

    ready: bool
    """Whether the first look was made: before, a call may not know every rule."""

    def ensure(self) -> None:
        """Make the first look, and have the next ones made. Never raises."""
        ...

    async def ensure_async(self) -> None: ...

    def begin(self) -> None: ...

    def reload(self) -> None: ...

    def stop(self) -> None: ...


class Live:
    """Kept when limits change: an open breaker stays open, and a session goes on.

    A store is listened to once, however often the policy is replaced: the newest guard hears.
    `monotonic` gives seconds.
    """

    def __init__(
        self, store: Store, monotonic: Callable[[], float], listeners: Sequence[Listener] = ()
    ) -> None:
        self.listeners = tuple(listeners)
        self.follower: Follower | None = None
        #: Of the newest guard, by name: a call under way that asks for more is held to them.
        self.rules: Mapping[str, Budget | RateLimit] = {}
        self.breakers = Breakers(monotonic, listener=self._changed)
        self.sessions = Sessions(monotonic)
        self.unasked = Unasked(store, monotonic)
        self.on_transition: Callable[[Transition], object] = _ignore
        self.on_crossing: Callable[[Crossing], object] = _ignore
        self._monotonic = monotonic
        self._watches: dict[str, Any] = {}
        store.on_crossed(self._crossed)

    # Made, and their code loaded, by the first rule that needs them; most policies have none.

    @property
    def loops(self) -> "LoopWatch":
        """The steps of all sessions."""
        if (found := self._watches.get("loops")) is None:
            from spanledger.guard.loop_watch import LoopWatch

            # In one step, so that threads that come at once get the same.
            found = self._watches.setdefault("loops", LoopWatch(self._monotonic))
        watch: LoopWatch = found
        return watch

    @property
    def drifts(self) -> "DriftWatch":
        """The habits of all agents."""
        if (found := self._watches.get("drifts")) is None:
            from spanledger.guard.loop_watch import DriftWatch

            found = self._watches.setdefault("drifts", DriftWatch(self._monotonic))
        watch: DriftWatch = found
        return watch

    # Looked up when it happens: the guard that hears changes with the policy.

    def _changed(self, change: Transition) -> None:
        self.on_transition(change)

    def _crossed(self, crossing: Crossing) -> None:
        self.on_crossing(crossing)


def _ignore(_happened: object) -> None:
    """Before a guard listens."""
