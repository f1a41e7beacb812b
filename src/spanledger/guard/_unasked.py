"""Calls that nobody asked for: only a span tells of them.

What they used is counted in full, and what follows is refused. The ledger is asked here as it is
everywhere else, but never on an event loop's thread if it does I/O: then a thread of our own asks
it, and what begins meanwhile is answered from the last look.
"""

import asyncio
import atexit
import logging
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

from spanledger.guard.ledger import Demand, Key, Shortage, Trip
from spanledger.guard.stores import Store, StoreUnavailable

if TYPE_CHECKING:
    from spanledger.guard.stores._sqlite_writer import Writer

_log = logging.getLogger("spanledger.guard")

#: How long an answer that was looked up for event loops is good for.
_FRESH_S = 1.0
_MOST_LOOKS, _MOST_UNPAID = 4096, 10_000
_END_S = 2.0

Used = Callable[[Demand], int]


class _Charge(NamedTuple):
    """What one call is charged, on every counter that concerns it."""

    id: str
    demands: Sequence[Demand]
    used: Used
    estimated: bool
    lease_s: float


class _Look(NamedTuple):
    """What a counter said when it was looked at."""

    at: float
    spent: int
    reserved: int
    tripped: Trip | None = None


_NEVER = _Look(float("-inf"), 0, 0)


class Unasked:
    """Charges and questions about such calls. `clock` gives monotonic seconds."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._writer: Writer | None = None
        self._looks: OrderedDict[Key, _Look] = OrderedDict()
        #: Charges that the ledger could not take, the last ones.
        self._unpaid: deque[_Charge] = deque(maxlen=_MOST_UNPAID)

    # --- charging -------------------------------------------------------------------------

    def charge(
        self,
        call_id: str,
        demands: Sequence[Demand],
        used: Used,
        *,
        estimated: bool,
        lease_s: float,
    ) -> None:
        """Count one call that is over. Nothing is refused: it has happened."""
        unlimited = [demand._replace(limit=None) for demand in demands]
        charge = _Charge(call_id, unlimited, used, estimated, lease_s)
        if self._may_wait():
            self._pay(charge)
        else:
            self._later(partial(self._pay, charge))

    def _pay(self, charge: _Charge) -> None:
        """What could not be paid before comes first."""
        self._unpaid.append(charge)
        for _ in range(len(self._unpaid)):
            try:
                first = self._unpaid.popleft()
            except IndexError:
                return  # another thread has done it
            try:
                self._write(first)
            except StoreUnavailable as error:
                self._keep(first, error)
                return

    def _keep(self, charge: _Charge, error: StoreUnavailable) -> None:
        if not self._unpaid:
            _log.warning("Calls that only spans tell of are charged later: %s", error)
        self._unpaid.appendleft(charge)

    def _write(self, charge: _Charge) -> None:
        self._store.reserve(charge.id, charge.demands, lease_s=charge.lease_s, max_wait_s=0.0)
        self._store.settle(charge.id, charge.used, estimated=charge.estimated)
        if not self._store.in_memory:
            for demand in charge.demands:
                self._look(demand.key)

    # --- asking ---------------------------------------------------------------------------

    def exhausted(self, demands: Sequence[Demand]) -> Shortage | None:
        """The first budget that has nothing left. Raises `StoreUnavailable`."""
        for demand in demands:
            if demand.limit is None or demand.before is not None or demand.metric == "concurrency":
                continue
            _at, spent, reserved, tripped = self._standing(demand.key)
            if demand.trip and tripped:
                return Shortage(demand, spent, reserved, "tripped", tripped)
            if spent >= demand.limit:
                return Shortage(demand, spent, reserved, "exhausted")
        return None

    def _standing(self, key: Key) -> _Look:
        if self._may_wait():
            return self._seen(key)
        found = self._looks.get(key, _NEVER)
        if self._clock() - found.at > _FRESH_S:
            self._later(partial(self._try_look, key))
        return found

    def _seen(self, key: Key) -> _Look:
        counter = self._store.read(key)
        return _Look(self._clock(), counter.spent, counter.reserved, counter.tripped)

    def _try_look(self, key: Key) -> None:
        try:
            self._look(key)
        except StoreUnavailable:
            # The next call that is asked for says so.
            _log.debug("the ledger could not be looked at", exc_info=True)

    def _look(self, key: Key) -> None:
        seen = self._seen(key)
        with self._lock:
            self._looks[key] = seen
            self._looks.move_to_end(key)
            if len(self._looks) > _MOST_LOOKS:
                self._looks.popitem(last=False)

    # --- tripping -------------------------------------------------------------------------

    def trip(self, demand: Demand, at: int) -> None:
        """Trip the budget that had no room for `demand`; a moment later where one can't wait."""
        if self._may_wait():
            self._trip(demand, at)
        else:
            self._later(partial(self._trip, demand, at))

    def _trip(self, demand: Demand, at: int) -> None:
        try:
            self._store.trip(demand, at)
            if not self._store.in_memory:
                self._look(demand.key)
        except StoreUnavailable as error:
            # Whatever asks of that ledger now is refused anyway, or has been let through on
            # purpose.
            _log.warning("A budget could not be tripped: %s", error)

    # --- where ----------------------------------------------------------------------------

    def _may_wait(self) -> bool:
        return self._store.in_memory or asyncio._get_running_loop() is None

    def _later(self, step: Callable[[], None]) -> None:
        with self._lock:
            if self._writer is None:
                # Loaded beside a ledger that does I/O only.
                from spanledger.guard.stores._sqlite_writer import Writer

                self._writer = Writer("spanledger-unasked")
            writer = self._writer
        writer.submit(step)

    def flush(self, timeout_s: float = _END_S) -> bool:
        """Wait until the ledger knows what it was told; False if it does not within the time."""
        writer = self._writer
        done = writer is None or writer.flush(timeout_s)
        return done and not self._unpaid


_all: WeakSet[Unasked] = WeakSet()


def _end() -> None:
    """The process ends: what is under way has a moment left."""
    for unasked in list(_all):
        unasked.flush()
        if unasked._unpaid:
            _log.error(
                "%d calls that only spans told of are missing from the ledger: it could not be "
                "written.",
                len(unasked._unpaid),
            )


atexit.register(_end)


def _after_fork_in_child() -> None:
    # The thread stayed behind, and what it had to do is the parent's.
    for unasked in _all:
        unasked._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
