"""The ledger in this process's memory: a lock, a clock and a queue of waiters around it."""

import asyncio
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from weakref import WeakSet

from spanledger.guard.ledger import (
    OVERFLOW,
    Counter,
    Crossing,
    Demand,
    Group,
    Key,
    Ledger,
    Shortage,
)
from spanledger.guard.stores._protocol import Grant
from spanledger.guard.stores._section import Section

_log = logging.getLogger("spanledger.guard")

#: Counters of one rule in one window, about 300 bytes each, before further values share one.
MOST_VALUES = 100_000
_FULL = (
    "Rule %r counts more than %d values in one window: those that come now share one counter, %s, "
    "and so one limit. Set guard.max_values (SPANLEDGER_MAX_VALUES) higher if memory allows."
)
#: Leases are looked at when this many seconds have passed since the last look.
_SWEEP_EVERY_S = 5.0
_HELD = Grant(None)


class _Waiter:
    """A contended reservation in the queue. `shortage` None and `done` True: it was granted."""

    __slots__ = ("demands", "done", "lease_s", "reservation_id", "shortage", "wake")

    def __init__(
        self,
        reservation_id: str,
        demands: Sequence[Demand],
        lease_s: float,
        wake: Callable[[], object],
    ) -> None:
        self.reservation_id = reservation_id
        self.demands = demands
        self.lease_s = lease_s
        self.wake = wake
        self.done = False
        self.shortage: Shortage | None = None


class MemoryStore:
    """A ledger for one process. Its budgets end with the process.

    `clock` gives monotonic seconds; leases and waits are measured with it. A rule has at most
    `most_values` counters in one window: further users, sessions, … share one more counter, under
    the value ``(overflow)``, and its limit. That is said once in the log.
    """

    in_memory = True

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, most_values: int = MOST_VALUES
    ) -> None:
        self._clock = clock
        self._most_values = most_values
        self._on_crossed: list[Callable[[Crossing], None]] = []
        self._rules: dict[str, str] = {}
        self._forced: dict[str, str] = {}
        self._reset()
        _stores.add(self)

    def _reset(self) -> None:
        # Guards the ledger, the waiters and the time of the next sweep. Never held while
        # foreign code runs (waiters are woken after it is released), finalisers excepted.
        self._section = Section()
        self._ledger = Ledger(most_values=self._most_values)
        self._said = set[Group]()
        self._waiters: deque[_Waiter] = deque()
        self._next_sweep = 0.0

    def _after_fork(self) -> None:
        ledger = self._ledger
        self._reset()
        for counter in ledger.counters.values():
            counter.reserved = 0
        self._ledger = replace(ledger, open={}, swept={}, crossed=[])

    def reserve(
        self, reservation_id: str, demands: Sequence[Demand], *, lease_s: float, max_wait_s: float
    ) -> Grant:
        """Hold all demands or none; wait up to `max_wait_s` seconds if they are contended."""
        short = self._try(reservation_id, demands, lease_s, None)
        if short is None:
            return _HELD
        if short.kind != "contended" or not max_wait_s:
            return Grant(short)
        arrived = threading.Event()
        waiter = _Waiter(reservation_id, demands, lease_s, arrived.set)
        short = self._try(reservation_id, demands, lease_s, waiter)
        if short is None or short.kind != "contended":
            return Grant(short)
        began = self._clock()
        try:
            arrived.wait(min(max_wait_s, threading.TIMEOUT_MAX))
        except BaseException:
            self._give_up(waiter)
            raise
        return self._outcome(waiter, short, began)

    async def reserve_async(
        self, reservation_id: str, demands: Sequence[Demand], *, lease_s: float, max_wait_s: float
    ) -> Grant:
        """The same for coroutines: while it waits, the event loop runs on."""
        grant = self.reserve(reservation_id, demands, lease_s=lease_s, max_wait_s=0.0)
        if grant.shortage is None or grant.shortage.kind != "contended" or not max_wait_s:
            return grant
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()

        def wake() -> None:
            # Closed loop: nobody waits any more, and the give-up below has been or will be run.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(arrived.set)

        waiter = _Waiter(reservation_id, demands, lease_s, wake)
        short = self._try(reservation_id, demands, lease_s, waiter)
        if short is None or short.kind != "contended":
            return Grant(short)
        began = self._clock()
        try:
            # Not `wait_for`: before Python 3.12 it swallows a cancellation that comes together
            # with the grant, and a cancelled task would go on to send its call.
            async with asyncio.timeout(max_wait_s):
                await arrived.wait()
        except TimeoutError:
            pass
        except BaseException:
            self._give_up(waiter)
            raise
        return self._outcome(waiter, short, began)

    def extend(
        self, reservation_id: str, more: Callable[[Demand], Demand | None]
    ) -> Shortage | None:
        """Hold more for an open reservation, or none and say what did not fit."""
        with self._section:
            return self._ledger.extend(reservation_id, more)

    def trip(self, demand: Demand, at: int) -> bool:
        """Trip the counter that had no room for `demand`; whether that is new."""
        with self._section:
            tripped = self._ledger.trip(demand, at)
            # Who waits for it is refused now.
            woken = self._serve() if tripped and self._waiters else ()
            crossed = self._ledger.take_crossed() if self._ledger.crossed else ()
        for waiter in woken:
            waiter.wake()
        self._tell(crossed)
        return tripped

    def settle(
        self,
        reservation_id: str,
        actual: Callable[[Demand], int],
        *,
        estimated: bool | None = None,
    ) -> bool:
        """Charge what was used and free the rest; False if it was settled before.

        `estimated` is for journals, of which this store has none. Called by a finaliser that
        interrupts this store on the same thread, it charges a moment later and answers True.
        """
        section = self._section
        if section.inside():
            section.put_off(lambda: self.settle(reservation_id, actual))
            return True
        try:
            with section.lock:
                settled = self._ledger.settle(reservation_id, actual)
                woken = self._serve() if self._waiters else ()
                crossed = self._ledger.take_crossed() if self._ledger.crossed else ()
        finally:
            if section.late:
                section.catch_up()
        for waiter in woken:
            waiter.wake()
        if crossed:
            self._tell(crossed)
        return settled

    def read(self, key: Key) -> Counter:
        """A copy of one counter."""
        with self._section:
            counter = self._ledger.counters.get(self._ledger.place(key))
            return replace(counter) if counter else Counter()

    def forget(self, rule: str, before: int) -> None:
        """Drop what no open call holds of a rule's windows that began before (epoch seconds)."""
        with self._section:
            self._ledger.forget(lambda key: key.rule == rule and key.window_start < before)

    def on_crossed(self, listener: Callable[[Crossing], None]) -> None:
        """Tell `listener` of every mark that is crossed."""
        self._on_crossed.append(listener)

    def counters(self, rule: str | None = None) -> list[tuple[Key, Counter]]:
        """Copies of all counters, or of those of one rule."""
        with self._section:
            return [
                (key, replace(counter))
                for key, counter in self._ledger.counters.items()
                if rule is None or key.rule == rule
            ]

    def reset(self, rule: str, value: str | None = None) -> int:
        """Set what is spent back to 0; open reservations stay. How many counters that were."""
        with self._section:
            number = self._ledger.reset(rule, value)
            woken = self._serve()
        for waiter in woken:
            waiter.wake()
        return number

    def rules(self) -> Mapping[str, str]:
        """Rules that were made at run time."""
        return dict(self._rules)

    def put_rule(self, name: str, definition: str | None) -> None:
        """Keep a rule; None takes it out."""
        _put(self._rules, name, definition)

    def forced(self) -> Mapping[str, str]:
        """Breakers that were forced, by name."""
        return dict(self._forced)

    def force(self, name: str, state: str | None) -> None:
        """Force a breaker; None lets it go."""
        _put(self._forced, name, state)

    def _tell(self, crossed: Sequence[Crossing]) -> None:
        for crossing in crossed:
            for listener in self._on_crossed:
                listener(crossing)

    def open_reservations(self) -> int:
        """How many reservations are open."""
        with self._section:
            return len(self._ledger.open)

    def waiting(self) -> int:
        """How many calls wait for others to settle."""
        with self._section:
            return len(self._waiters)

    def _try(
        self,
        reservation_id: str,
        demands: Sequence[Demand],
        lease_s: float,
        waiter: _Waiter | None,
    ) -> Shortage | None:
        """One attempt; when it is contended, `waiter` (if any) joins the queue."""
        now, section = self._clock(), self._section
        try:
            with section.lock:
                woken = self._sweep(now) if now >= self._next_sweep else ()
                short = self._overtakes(demands) if self._waiters else None
                if short is None:
                    short = self._ledger.reserve(reservation_id, demands, now + lease_s)
                if short is not None and short.kind == "contended" and waiter is not None:
                    self._waiters.append(waiter)
                crossed = self._ledger.take_crossed() if self._ledger.crossed else ()
                full = self._newly_full() if self._ledger.full else ()
        finally:
            if section.late:
                section.catch_up()
        for other in woken:
            other.wake()
        if crossed:
            self._tell(crossed)
        for rule in full:
            _log.warning(_FULL, rule, self._most_values, OVERFLOW)
        return short

    def _newly_full(self) -> list[str]:
        """The rules whose present windows ran out of room since the last look. Under the lock."""
        full = self._ledger.full
        if full <= self._said:
            return []
        rules = sorted({group[0] for group in full - self._said})
        self._said = set(full)
        return rules

    def _overtakes(self, demands: Sequence[Demand]) -> Shortage | None:
        """Contended, if someone already waits for one of the same counters. Under the lock."""
        waited_for = {d.key for waiter in self._waiters for d in waiter.demands}
        demands = self._ledger.placed(demands)
        short = self._ledger.shortage(demands)
        if short is not None:
            return short
        for demand in demands:
            if demand.key in waited_for:
                counter = self._ledger.counters.get(demand.key, Counter())
                return Shortage(demand, counter.spent, counter.reserved, "contended")
        return None

    def _serve(self) -> list[_Waiter]:
        """Grant or finally refuse waiters in order. Under the lock; returns whom to wake."""
        now, blocked, woken, left = self._clock(), set[Key](), list[_Waiter](), deque[_Waiter]()
        for waiter in self._waiters:
            keys = {demand.key for demand in waiter.demands}
            short = None
            if not keys & blocked:
                short = self._ledger.reserve(
                    waiter.reservation_id, waiter.demands, now + waiter.lease_s
                )
                if short is None or short.kind != "contended":
                    waiter.done, waiter.shortage = True, short
                    woken.append(waiter)
                    continue
            blocked |= keys
            left.append(waiter)
        self._waiters = left
        return woken

    def _sweep(self, now: float) -> list[_Waiter]:
        self._next_sweep = now + _SWEEP_EVERY_S
        return self._serve() if self._ledger.sweep(now) else []

    def _outcome(self, waiter: _Waiter, short: Shortage, began: float) -> Grant:
        waited_s = self._clock() - began
        return Grant(short if self._leave(waiter) else waiter.shortage, waited_s)

    def _give_up(self, waiter: _Waiter) -> None:
        """The caller was interrupted while it waited: leave the queue, or free what was granted."""
        if not self._leave(waiter) and waiter.shortage is None:
            self.settle(waiter.reservation_id, lambda _entry: 0)

    def _leave(self, waiter: _Waiter) -> bool:
        """Take a waiter out of the queue; False if it was served before."""
        with self._section:
            if waiter.done:
                return False
            self._waiters.remove(waiter)
            # Those behind it may have waited for nothing but their turn.
            woken = self._serve()
        for other in woken:
            other.wake()
        return True


def _put(table: dict[str, str], name: str, value: str | None) -> None:
    if value is None:
        table.pop(name, None)
    else:
        table[name] = value


_stores = WeakSet[MemoryStore]()


def _after_fork_in_child() -> None:
    """A forked child is another process: what its parent has in flight is not its own.

    And a lock may have been held by a thread that does not exist in the child.
    """
    for store in list(_stores):
        store._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
