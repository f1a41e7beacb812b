"""The ledger in Redis or Valkey: one budget for all processes of all hosts.

Every step is one Lua script, so it is atomic; the scripts are in ``lua/``. What is decided, and
every sum, is the same as in `MemoryStore`.

- All keys of a ledger have one hash tag (``{prefix}``): in a cluster they are in one slot.
- Leases run on the server's clock.
- Amounts are exact: entries up to 9.0e15 (9.0 M USD in nano-USD), budget limits up to 2^63 - 1,
  rate limits up to 9.0e15; more raises `ValueError`.
- A server that fails over to a replica may lose the last writes, one without ``appendonly`` all.
- A host name that can't be looked up blocks as long as the system's resolver does: use an address.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args
from weakref import finalize

from spanledger.guard.ledger import Crossing, Demand, Shortage
from spanledger.guard.stores import _redis_records as records
from spanledger.guard.stores._inside import Inside
from spanledger.guard.stores._lifetime import watch, watch_exit
from spanledger.guard.stores._local_share import LocalShare
from spanledger.guard.stores._monotonic import monotonic
from spanledger.guard.stores._protocol import Grant
from spanledger.guard.stores._redis_crossings import CLAIM_MS, Crossings
from spanledger.guard.stores._redis_deliveries import (
    NOTHING,
    Deliveries,
    Held,
    encode_id,
    read_held,
)
from spanledger.guard.stores._redis_epoch import EpochFile
from spanledger.guard.stores._redis_journal import Journal
from spanledger.guard.stores._redis_link import BackendDown, Link, without_secrets
from spanledger.guard.stores._redis_tables import RedisTables
from spanledger.guard.stores._redis_writer import Writer
from spanledger.guard.stores._turn_waits import wait, wait_async
from spanledger.guard.stores._turns import Turns
from spanledger.guard.stores.errors import StoreUnavailable

_log = logging.getLogger(__name__)

OnDown = Literal["fail_closed", "local_share", "fail_open"]

#: Ended leases and untold crossings are looked for when this many seconds have passed.
_TICK_EVERY_S = 5.0
_SWEEP_AT_ONCE = 200
_LONGEST_LEASE_S = 10.0**9
_MOST_HELD = 100_000
_EXIT_S = 2.0


class _Ask(NamedTuple):
    """A reservation that is asked for."""

    reservation_id: str
    demands: Sequence[Demand]
    lease_s: float


class RedisStore(RedisTables):
    """A ledger on a server, shared by every process that names the same `url` and `prefix`.

    Nothing is sent before the first use. `timeout_s` bounds connecting and each answer, in
    seconds. `on_down` says what happens to calls while the server does not answer:

    - ``fail_closed``: `StoreUnavailable` is raised;
    - ``local_share``: this process may use `share` (1/N for N processes) of what it last saw to
      be left; what it never saw is refused;
    - ``fail_open``: calls are let through and charged later.

    Settlements of that time are kept in `directory` and delivered when the server is back, if
    need be by another process. The directory also remembers which data the server had: one that
    comes back empty is refused, whatever `on_down` says, until `accept_loss`.

    Raises:
        ImportError: the package ``redis`` is not installed.
        ValueError: an unknown policy, or a time-out or share that makes no sense.
    """

    in_memory = False

    def __init__(
        self,
        url: str,
        *,
        directory: Path,
        prefix: str = "spanledger",
        timeout_s: float = 0.05,
        on_down: OnDown = "fail_closed",
        share: float = 1.0,
    ) -> None:
        _check_arguments(prefix, timeout_s, on_down, share)
        # Without the password: it may change, and the files must be found all the same.
        place = f"{without_secrets(url)}|{prefix}"
        name = f"redis-{blake2b(place.encode(), digest_size=8).hexdigest()}"
        self._link = Link(url, prefix, timeout_s, EpochFile(directory / f"{name}.epoch"))
        self._journal = Journal(directory, name)
        self._on_down = on_down
        self._share = share
        # Finalisers that settle must not come in where this thread already is.
        self._inside = Inside()
        self._crossings = Crossings(self._link, self._inside)
        self._deliveries = Deliveries(self._link, self._journal, self._inside, self._crossings)
        self._reset()
        watch(self)

    def _reset(self) -> None:
        self._held: dict[str, Held] = {}
        self._late: dict[str, Shortage] = {}
        self._turns = Turns()
        self._writer = Writer("spanledger-redis")
        # Nobody uses the store any more: its thread ends.
        finalize(self, self._writer.stop).atexit = False
        self._pool: ThreadPoolExecutor | None = None
        self._pool_lock = threading.Lock()
        self._next_tick = 0.0
        self._was_down = True  # the first contact also delivers what earlier processes left
        self._local = LocalShare(self._share)
        self._local_lock = threading.RLock()
        self._last_contact = float("inf")  # never: no window is known to have begun since

    def after_fork(self) -> None:
        """In a forked child: nothing of the parent's is its own."""
        self._link.forget()
        self._journal.after_fork()
        self._reset()

    # --- reserve ----------------------------------------------------------------------------

    def reserve(
        self, reservation_id: str, demands: Sequence[Demand], *, lease_s: float, max_wait_s: float
    ) -> Grant:
        """Hold all demands or none; wait up to `max_wait_s` seconds if they are contended.

        Raises:
            StoreUnavailable: the server is away and `on_down` does not help, or it lost data.
        """
        ask = _Ask(reservation_id, demands, lease_s)
        keys = [demand.key for demand in demands]
        try:
            short = self._arrive(ask)
            if short is None or short.kind != "contended" or max_wait_s <= 0:
                return Grant(short)
            return wait(self._turns, keys, short, max_wait_s, lambda: self._reserve(ask))
        except Exception:  # nothing is held
            raise
        except BaseException:  # interrupted, perhaps while the answer came
            self._give_up(reservation_id)
            raise

    async def reserve_async(
        self, reservation_id: str, demands: Sequence[Demand], *, lease_s: float, max_wait_s: float
    ) -> Grant:
        """The same for coroutines: the server is asked from other threads."""
        ask = _Ask(reservation_id, demands, lease_s)
        short = await self._on_worker(ask, self._arrive)
        if short is None or short.kind != "contended" or max_wait_s <= 0:
            return Grant(short)
        keys = [demand.key for demand in demands]
        return await wait_async(
            self._turns, keys, short, max_wait_s, lambda: self._on_worker(ask, self._reserve)
        )

    async def _on_worker(
        self, ask: _Ask, attempt: Callable[[_Ask], Shortage | None]
    ) -> Shortage | None:
        """An attempt on another thread. Cancelled, it leaves nothing reserved."""
        result = self._workers().submit(attempt, ask)

        def undo(done: Future[Shortage | None]) -> None:
            if not done.cancelled() and done.exception() is None and done.result() is None:
                self._give_up(ask.reservation_id)

        try:
            return await asyncio.wrap_future(result)
        except asyncio.CancelledError:
            # One that runs already can't be stopped: it is undone when it is over.
            result.add_done_callback(undo)
            raise

    def _workers(self) -> ThreadPoolExecutor:
        if self._pool is None:
            with self._inside, self._pool_lock:
                if self._pool is None:
                    self._pool = ThreadPoolExecutor(4, "spanledger-redis")
        return self._pool

    def _give_up(self, reservation_id: str) -> None:
        self._writer.put(lambda: self._settle(reservation_id, lambda _entry: 0, None))

    def _arrive(self, ask: _Ask) -> Shortage | None:
        """The first attempt: nobody overtakes one that waits for the same counter."""
        self._writer.start()
        watch_exit()
        taken = self._turns.waited_for(demand.key for demand in ask.demands)
        if taken is None:
            return self._reserve(ask)
        if (short := self._reserve(ask, look=True)) is not None:
            return short
        demand = next(d for d in ask.demands if d.key == taken)
        try:
            counter = self.read(taken)
        except BackendDown:
            return self._reserve(ask)  # away since just now: as `on_down` says
        return Shortage(demand, counter.spent, counter.reserved, "contended")

    def _reserve(self, ask: _Ask, *, look: bool = False) -> Shortage | None:
        record = records.write(ask.demands)
        with self._inside:
            try:
                self._tick()
                reply = self._link.run(
                    "reserve",
                    encode_id(ask.reservation_id),
                    record,
                    int(min(ask.lease_s, _LONGEST_LEASE_S) * 1000),
                    "look" if look else "hold",
                    int(self._on_down == "local_share"),
                )
            except BackendDown as error:
                return self._reserve_alone(ask, record, error, look=look)
        self._saw(ask.demands, reply)
        if reply[0] == b"short":
            return records.read_shortage(reply[:6], ask.demands)
        if reply[0] == b"held" and not look:
            self._keep(ask.reservation_id, Held(tuple(ask.demands), record))
        return None

    def _reserve_alone(
        self, ask: _Ask, record: str, error: BackendDown, *, look: bool
    ) -> Shortage | None:
        """Without the server: as `on_down` says."""
        self._missed()
        entries = tuple(ask.demands)
        if self._on_down == "fail_closed":
            if error.sent and not look:
                # It may be held there all the same: freed as soon as the server answers.
                unused = [0] * len(entries)
                held = Held(entries, record)
                self._deliveries.write_down(ask.reservation_id, held, unused, None, self._writer)
            raise error
        if self._on_down == "local_share":
            with self._local_lock:  # inside already: see `_reserve`
                if self._local.unknown(entries, self._last_contact) is not None:
                    raise error
                until = monotonic() + ask.lease_s
                short = self._local.reserve(ask.reservation_id, entries, until)
            if short is not None:
                return short
        if not look:
            self._keep(ask.reservation_id, Held(entries, record, "charge"))
        return None

    def _saw(self, demands: Sequence[Demand], reply: Sequence[Any]) -> None:
        if self._on_down != "local_share":
            return
        with self._inside, self._local_lock:
            self._last_contact = time.time()
            for demand, used in zip(demands, reply[-1], strict=True):
                self._local.saw(demand.key, int(used))

    def _keep(self, reservation_id: str, held: Held) -> None:
        self._held[reservation_id] = held
        if len(self._held) > _MOST_HELD:
            # The server knows it too: settling it takes one more question.
            with suppress(StopIteration, RuntimeError, KeyError):
                oldest = next(iter(self._held))
                if self._held[oldest].how == "held":
                    del self._held[oldest]

    # --- extend -----------------------------------------------------------------------------

    def extend(
        self, reservation_id: str, more: Callable[[Demand], Demand | None]
    ) -> Shortage | None:
        """Hold more for an open reservation, or none and say what did not fit.

        On the thread of an event loop the server is asked from another thread, and a shortage
        is the answer to the next call: one step of a stream may be above what is held.

        Raises:
            StoreUnavailable: the server is away and `on_down` does not help.
        """
        if not self._inside.must_hand_over():
            return self._extend(reservation_id, more)
        if (late := self._late.pop(reservation_id, None)) is not None:
            return late
        self._writer.put(lambda: self._extend_late(reservation_id, more))
        return None

    def _extend_late(self, reservation_id: str, more: Callable[[Demand], Demand | None]) -> None:
        try:
            short = self._extend(reservation_id, more)
        except StoreUnavailable as error:
            _log.warning("A stream goes on without holding more: %s", error)
            return
        if short is not None and reservation_id in self._held:
            self._late[reservation_id] = short

    def _extend(
        self, reservation_id: str, more: Callable[[Demand], Demand | None]
    ) -> Shortage | None:
        held = self._held.get(reservation_id)
        if held is not None and held.how == "charge":
            return self._extend_alone(reservation_id, held, more)
        while True:
            held = held or NOTHING
            demands = [d for entry in held.entries if (d := more(entry)) is not None]
            if held.record and not demands:
                return None
            grown = _grown(held.entries, demands)
            record = records.write(grown)
            try:
                with self._inside:
                    reply = self._link.run(
                        "extend",
                        encode_id(reservation_id),
                        held.record,
                        records.write(demands),
                        record,
                    )
            except BackendDown:
                if self._on_down != "fail_open":
                    raise
                return None
            if reply[0] == b"stale":
                held = read_held(reply[1])
                continue
            if reply[0] == b"short":
                return records.read_shortage(reply, demands)
            if reply[0] == b"held":
                self._keep(reservation_id, Held(grown, record))
            return None

    def _extend_alone(
        self, reservation_id: str, held: Held, more: Callable[[Demand], Demand | None]
    ) -> Shortage | None:
        if self._on_down == "local_share":
            with self._inside, self._local_lock:
                short = self._local.extend(reservation_id, more)
            if short is not None:
                return short
        demands = [d for entry in held.entries if (d := more(entry)) is not None]
        grown = _grown(held.entries, demands)
        self._keep(reservation_id, Held(grown, records.write(grown), "charge"))
        return None

    def trip(self, demand: Demand, at: int) -> bool:
        """Trip the counter that had no room for `demand`; whether that is new.

        Raises:
            StoreUnavailable: the server does not answer.
        """
        with self._inside:
            entries = records.write([demand])
            _done, tripped, *crossed = self._link.run("trip", entries, at, CLAIM_MS)
        if tripped:
            self._crossings.tell(crossed)
            self._turns.stir()
        return bool(tripped)

    # --- settle -----------------------------------------------------------------------------

    def settle(
        self,
        reservation_id: str,
        actual: Callable[[Demand], int],
        *,
        estimated: bool | None = None,
    ) -> bool:
        """Charge what was used and free the rest; False if it was settled before.

        `estimated` is noted in the settlement journal. On the thread of an event loop, and in a
        finaliser that interrupts this store, it is done a moment later on another thread, and
        the answer is True. A server that is away gets it later: see `directory`.

        Raises:
            StoreUnavailable: the server is away, and this process does not know the reservation.
        """
        if self._inside.must_hand_over():
            self._writer.put(lambda: self._settle(reservation_id, actual, estimated))
            return True
        return self._settle(reservation_id, actual, estimated)

    def _settle(
        self, reservation_id: str, actual: Callable[[Demand], int], estimated: bool | None
    ) -> bool:
        held = self._held.get(reservation_id)
        while True:
            used = [actual(entry) for entry in held.entries] if held is not None else []
            try:
                reply = self._deliveries.deliver(reservation_id, held or NOTHING, used, estimated)
            except StoreUnavailable as error:
                if held is None:
                    raise
                lost = not isinstance(error, BackendDown)
                # A server that lost its data does not know the reservation: charged anew.
                known = held._replace(how="charge") if lost else held
                self._missed()
                self._deliveries.write_down(reservation_id, known, used, estimated, self._writer)
                self._done(reservation_id, actual)
                return True
            if reply[0] != b"stale":
                break
            held = read_held(reply[1], "held" if held is None else held.how)
        self._done(reservation_id, actual)
        self._crossings.tell(reply[1:])
        return bool(reply[0] == b"settled")

    def _done(self, reservation_id: str, actual: Callable[[Demand], int]) -> None:
        self._held.pop(reservation_id, None)
        self._late.pop(reservation_id, None)
        if self._on_down == "local_share":
            with self._inside, self._local_lock:
                self._local.settle(reservation_id, actual)
        self._turns.stir()

    # --- what is put off --------------------------------------------------------------------

    def _replay(self) -> None:
        """Deliver what was written down while the server was away, also by other processes."""
        if not self._deliveries.replay():
            self._was_down = True  # the next contact tries again
            return
        with self._inside, self._local_lock:
            self._local.ended()
        self._turns.stir()

    def _missed(self) -> None:
        """There is something to deliver with the next contact."""
        self._was_down = True
        self._next_tick = 0.0

    def _tick(self) -> None:
        """Now and then, before a reservation: ended leases, untold crossings, the journal."""
        now = monotonic()
        if now < self._next_tick:
            return
        self._next_tick = now + _TICK_EVERY_S
        try:
            self.sweep()
        except BackendDown:
            self._next_tick = now
            raise
        if self._was_down or self._journal.pending():
            self._was_down = False
            self._writer.put(self._replay)

    def sweep(self) -> int:
        """Charge, in full, reservations whose lease has ended; how many."""
        swept = found = _SWEEP_AT_ONCE
        total = 0
        while found == swept:
            with self._inside:
                how = "tell" if self._crossings else "keep"
                reply = self._link.run("sweep", _SWEEP_AT_ONCE, how, CLAIM_MS)
            found = int(reply[1])
            total += found
            self._crossings.tell(reply[2:])
        if total:
            self._turns.stir()
        return total

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was put off is done; False if that took longer."""
        return self._writer.flush(timeout_s)

    def close(self) -> None:
        """Do what was put off, then close all connections."""
        self.flush(_EXIT_S)
        self._replay()
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = None
        self._writer.stop()
        self._journal.seal()
        self._link.close()

    def accept_loss(self) -> None:
        """Go on although the server lost data: it counts from what it holds now.

        Once for all processes that knew the lost data.

        Raises:
            StoreUnavailable: the server does not answer.
        """
        with self._inside:
            self._link.accept_loss()
        self._missed()

    # --- what people and windows change -----------------------------------------------------

    def reset(self, rule: str, value: str | None = None) -> int:
        """Set what is spent back to 0; open reservations stay. How many counters that were."""
        total = self._reset_spent(rule, value)
        self._turns.stir()
        return total

    def forget(self, rule: str, before: int) -> None:
        """Drop what no open call holds of a rule's windows that began before (epoch seconds).

        It is done in a while, on another thread. A server that is away keeps them until the
        next window ends.
        """
        self._writer.put(lambda: self._forget(rule, before))

    def waiting(self) -> int:
        """How many calls of this process wait for others to settle."""
        return len(self._turns)

    def on_crossed(self, listener: Callable[[Crossing], None]) -> None:
        """Tell `listener` of every mark that any process crosses, once for all processes."""
        self._crossings.add(listener)


def _check_arguments(prefix: str, timeout_s: float, on_down: str, share: float) -> None:
    if find_spec("redis") is None:
        raise ImportError(
            "The Redis ledger needs the package 'redis': pip install 'spanledger[redis]'"
        )
    if on_down not in get_args(OnDown):
        raise ValueError(f"on_down is {on_down!r}; allowed: {', '.join(get_args(OnDown))}")
    if not 0 < timeout_s < float("inf"):
        raise ValueError(f"timeout_s is {timeout_s}; it must be more than 0 seconds, and finite")
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}; it must be 1/N for N processes, so above 0, at most 1")
    if not prefix or set(prefix) & set("{}"):
        raise ValueError(f"prefix is {prefix!r}; it must not be empty or hold braces")


def _grown(entries: Sequence[Demand], more: Sequence[Demand]) -> tuple[Demand, ...]:
    added = {demand.key: demand.amount for demand in more}
    return tuple(e._replace(amount=e.amount + added.get(e.key, 0)) for e in entries)
