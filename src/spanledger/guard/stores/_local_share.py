"""This process's part of what was left when the shared ledger went away. Pure.

Each of N processes may use 1/N of limit − spent − reserved, as it last saw them. So all together
stay within the limit if the share is right and what they saw was recent. Nothing trips meanwhile; a
counter that was seen tripped has nothing left.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

from spanledger.guard.ledger import Demand, Key, Ledger, Shortage

_MOST_SEEN = 100_000


class LocalShare:
    """What was seen of each counter, and a ledger of what is left of it for this process."""

    def __init__(self, share: float) -> None:
        self._share = Fraction(share).limit_denominator(1_000_000)
        self._used: dict[Key, int] = {}
        self._ledger = Ledger()

    def saw(self, key: Key, used: int) -> None:
        """`used` was spent or reserved on a counter, by all processes."""
        self._used.pop(key, None)
        self._used[key] = used
        if len(self._used) > _MOST_SEEN:
            del self._used[next(iter(self._used))]

    def unknown(self, demands: Sequence[Demand], last_contact: float) -> Key | None:
        """A counter of which nobody here knows what others have spent.

        A window that began after `last_contact` (seconds since the epoch) began at 0.
        """
        return next(
            (
                d.key
                for d in demands
                if d.limit is not None
                and d.key not in self._used
                and d.key.window_start <= last_contact
            ),
            None,
        )

    def reserve(
        self, reservation_id: str, demands: Sequence[Demand], lease_until: float
    ) -> Shortage | None:
        """Hold every demand within this process's part, or none."""
        return self._ledger.reserve(reservation_id, self._parts(demands), lease_until)

    def extend(
        self, reservation_id: str, more: Callable[[Demand], Demand | None]
    ) -> Shortage | None:
        """Hold more within this process's part, or none."""

        def part(entry: Demand) -> Demand | None:
            demand = more(entry)
            return None if demand is None else self._part(demand)

        return self._ledger.extend(reservation_id, part)

    def settle(self, reservation_id: str, actual: Callable[[Demand], int]) -> bool:
        """Turn what is held into what was used."""
        return self._ledger.settle(reservation_id, actual)

    def ended(self) -> None:
        """The shared ledger is back: it counts again."""
        self._ledger = Ledger()

    def _parts(self, demands: Sequence[Demand]) -> list[Demand]:
        return [self._part(demand) for demand in demands]

    def _part(self, demand: Demand) -> Demand:
        if demand.limit is None:
            return demand
        left = max(0, demand.limit - self._used.get(demand.key, 0))
        return demand._replace(limit=int(left * self._share), marks=(), trip=False)
