"""What every store of the ledger can do."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from spanledger.guard.ledger import Counter, Crossing, Demand, Key, Shortage


class Grant(NamedTuple):
    """The answer to a reservation: held, or short. `waited_s` is how long it took to decide."""

    shortage: Shortage | None
    waited_s: float = 0.0


class Store(Protocol):
    """Keeps counters and reservations. Every method is one atomic step; all are thread-safe.

    `max_wait_s` bounds the wait for calls in flight when the demands are contended; 0 answers
    at once. Waiters are served first come, first served for each counter.
    """

    #: Whether the methods may run on an event loop's thread (they touch nothing but memory).
    in_memory: bool

    def reserve(
        self, reservation_id: str, demands: Sequence[Demand], *, lease_s: float, max_wait_s: float
    ) -> Grant: ...

    async def reserve_async(
        self, reservation_id: str, demands: Sequence[Demand], *, lease_s: float, max_wait_s: float
    ) -> Grant: ...

    def extend(
        self, reservation_id: str, more: Callable[[Demand], Demand | None]
    ) -> Shortage | None: ...

    def trip(self, demand: Demand, at: int) -> bool:
        """Refuse, from now on, whatever asks of the counter that had no room for `demand`.

        Until it is reset, or its window ends. `at`: seconds since the epoch. False if it had
        tripped before, or has room by now. Waits for the store: not for an event loop's thread.
        """
        ...

    def settle(
        self,
        reservation_id: str,
        actual: Callable[[Demand], int],
        *,
        estimated: bool | None = None,
    ) -> bool:
        """`estimated`: whether what was used is a guess of ours, for a store's journal."""
        ...

    def read(self, key: Key) -> Counter: ...

    def forget(self, rule: str, before: int) -> None:
        """Drop what no open call holds of a rule's windows that began before (epoch seconds).

        A store that lasts does it in a while, so that no call waits for it.
        """
        ...

    def on_crossed(self, listener: Callable[[Crossing], None]) -> None:
        """Tell `listener` of every mark that is crossed, and of trips, outside of any lock.

        A durable store tells each crossing once for all processes that share it, and again
        after a crash that came before its listener returned.
        """
        ...

    def counters(self, rule: str | None = None) -> list[tuple[Key, Counter]]:
        """Copies of all counters, or of those of one rule."""
        ...

    def reset(self, rule: str, value: str | None = None) -> int:
        """Set what is spent back to 0, tripped or not; for a rule, or one value; how many."""
        ...

    def rules(self) -> Mapping[str, str]:
        """Rules that were made at run time: name and definition (JSON). They override the file."""
        ...

    def put_rule(self, name: str, definition: str | None) -> None:
        """Keep a rule; None takes it out."""
        ...

    def forced(self) -> Mapping[str, str]:
        """Breakers that were forced ``open`` or ``closed``, by name."""
        ...

    def force(self, name: str, state: str | None) -> None:
        """Force a breaker; None lets it go."""
        ...
