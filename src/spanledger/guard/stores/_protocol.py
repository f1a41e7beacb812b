"""What every store of the ledger can do."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from spanledger.guard.ledger import Counter, Demand, Key, Shortage


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

    def settle(self, reservation_id: str, actual: Callable[[Demand], int]) -> bool: ...

    def read(self, key: Key) -> Counter: ...

    def forget(self, rule: str, before: int) -> None:
        """Drop what no open call holds of a rule's windows that began before (epoch seconds)."""
        ...
