"""What this process knows of the reservations that it made. The caller holds the lock."""

from itertools import islice

from spanledger.guard.ledger import Demand
from spanledger.guard.stores._sqlite_queue import Waiter

#: A reservation that nobody settled is forgotten here this long after its lease, in seconds.
_KEEP_S = 3600.0
#: Remembered of the parent's reservations after a fork, newest last.
_MOST_INHERITED = 10_000


class Held:
    """Demands by reservation: to settle without the store, and to tell a parent's from ours."""

    def __init__(self) -> None:
        self._mine: dict[str, tuple[str, tuple[Demand, ...], float]] = {}
        self._inherited = frozenset[str]()

    def __contains__(self, reservation_id: str) -> bool:
        return reservation_id in self._mine

    def add(self, asked: Waiter, now: float) -> None:
        """Note a reservation that was granted."""
        self._mine[asked.reservation_id] = asked.text, tuple(asked.demands), now + asked.lease_s

    def replace(self, reservation_id: str, text: str, demands: tuple[Demand, ...]) -> None:
        """It holds more now."""
        if (known := self._mine.get(reservation_id)) is not None:
            self._mine[reservation_id] = text, demands, known[2]

    def get(self, reservation_id: str) -> tuple[str, tuple[Demand, ...]] | None:
        """Text and demands of a reservation of this process; None for others."""
        known = self._mine.get(reservation_id)
        return None if known is None else known[:2]

    def drop(self, reservation_id: str) -> None:
        self._mine.pop(reservation_id, None)

    def prune(self, now: float) -> None:
        """Forget those whose lease is long over."""
        for rid in [rid for rid, held in self._mine.items() if held[2] + _KEEP_S < now]:
            del self._mine[rid]

    def inherit(self) -> None:
        """After a fork, in the child: what is open is the parent's, whose streams live on there.

        The child has copies of them, and its collector must not settle what still runs.
        """
        skipped = max(0, len(self._mine) - _MOST_INHERITED)
        self._inherited |= frozenset(islice(self._mine, skipped, None))
        self._mine = {}

    def inherited(self, reservation_id: str) -> bool:
        return reservation_id in self._inherited
