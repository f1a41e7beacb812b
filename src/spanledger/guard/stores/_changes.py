"""The settlement journal of a store that lasts: what was charged, when, and how sure that is."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from spanledger.guard.ledger import Demand, Key

Kind = Literal["settled", "expired", "corrected", "reset"]


class Change(NamedTuple):
    """One row of the settlement journal: what was charged to one counter, and when.

    The sum of `charged` over a counter's changes is what it has spent, as long as none was
    pruned. `estimated` is None where nobody said.
    """

    reservation_id: str
    at: float
    """Seconds since the epoch."""
    kind: Kind
    key: Key
    metric: str
    """Empty for a reset, which belongs to no call."""
    reserved: int
    charged: int
    estimated: bool | None


def changes_of(
    reservation_id: str,
    at: float,
    kind: Kind,
    demands: Sequence[Demand],
    charged: Sequence[int],
    estimated: bool | None,
) -> Iterator[Change]:
    """The rows of one settlement: one for each counter."""
    for demand, amount in zip(demands, charged, strict=True):
        metric = "" if kind == "reset" else demand.metric
        yield Change(reservation_id, at, kind, demand.key, metric, demand.amount, amount, estimated)
