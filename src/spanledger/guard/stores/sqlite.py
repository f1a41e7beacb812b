"""The ledger in one SQLite file: for every process of a host, and for the next start."""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from spanledger.guard.ledger import Counter, Demand, Key, Shortage
from spanledger.guard.stores import _sqlite_demands as _demands
from spanledger.guard.stores import _sqlite_rows as rows
from spanledger.guard.stores import _sqlite_steps as steps
from spanledger.guard.stores._changes import Change
from spanledger.guard.stores._monotonic import monotonic
from spanledger.guard.stores._protocol import Grant
from spanledger.guard.stores._sqlite_core import SqliteCore, wake_all
from spanledger.guard.stores._sqlite_journal import Late
from spanledger.guard.stores._sqlite_queue import Waiter
from spanledger.guard.stores.errors import StoreUnavailable

T = TypeVar("T")
_log = logging.getLogger("spanledger.guard")

#: Pauses between looks for settlements of other processes, while a call waits.
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.02, 0.2
_MOST_AMOUNT = 2**62


class SqliteStore(SqliteCore):
    """A ledger that all processes of a host share and that outlives them.

    `path` is made if it is not there (0600, in a directory of 0700), at the first use. `clock`
    gives seconds since the epoch: leases end by it, for processes share them. Set forward, it
    ends leases early: they are charged in full, and corrected when their calls settle. Set
    back, it can't make a lease longer than it was given. `busy_timeout_s` bounds the wait for
    other processes' transactions. `keep_s` is how long the settlement journal is kept.

    Methods that answer raise `StoreUnavailable` when the file can't be used. Settlements do
    not: they are journalled beside the file and charged when it can be used again, by this
    process or by the next one that finds them.

    On the thread of a running event loop nothing waits for the file: `settle` is handed to a
    writer thread and answers True, and `extend` answers one call late (see there).
    """

    in_memory = False

    # --- admission ------------------------------------------------------------------------

    def reserve(
        self, reservation_id: str, demands: Sequence[Demand], *, lease_s: float, max_wait_s: float
    ) -> Grant:
        """Hold all demands or none; wait up to `max_wait_s` seconds if they are contended.

        Raises `StoreUnavailable`: then nothing is held, and the call must not be let through.
        """
        demands, text = _demands.storable(demands)
        if asyncio._get_running_loop() is not None:
            self._writer.start()
        short = self._try(Waiter(reservation_id, demands, text, lease_s, _nobody))
        if short is None or short.kind != "contended" or not max_wait_s:
            return Grant(short)
        arrived = threading.Event()
        waiter = Waiter(reservation_id, demands, text, lease_s, arrived.set)
        short = self._try(waiter, join=True)
        if short is None or short.kind != "contended":
            return Grant(short)
        began = monotonic()
        try:
            self._wait(arrived, began + max_wait_s)
        except BaseException:
            self._give_up(waiter)
            raise
        return Grant(self._outcome(waiter, short), monotonic() - began)

    async def reserve_async(
        self, reservation_id: str, demands: Sequence[Demand], *, lease_s: float, max_wait_s: float
    ) -> Grant:
        """The same for coroutines: the event loop runs on. Cancelled, it leaves nothing held."""
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            # Closed loop: nobody waits any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(arrived.set)

        waiter = Waiter(reservation_id, *_demands.storable(demands), lease_s, wake)
        began: float | None = None
        try:
            short = await self._written(partial(self._try, waiter, join=max_wait_s > 0))
            if short is None or short.kind != "contended" or not max_wait_s:
                return Grant(short)
            began = monotonic()
            await self._wait_async(arrived, began + max_wait_s)
            short = await self._written(partial(self._outcome, waiter, short))
        except BaseException:
            # After whatever is under way for it: the writer does one thing at a time.
            self._writer.submit(partial(self._give_up, waiter))
            raise
        return Grant(short, monotonic() - began)

    def extend(
        self, reservation_id: str, more: Callable[[Demand], Demand | None]
    ) -> Shortage | None:
        """Hold more for an open reservation, or none and say what did not fit.

        On an event loop's thread the extension is handed over and the answer is that to the
        extension before: a stream is cut one step late, by no more than that step holds.
        """
        if asyncio._get_running_loop() is None:
            return self._extend(reservation_id, more)
        answer = self._extended.pop(reservation_id, None)
        if answer is None:
            self._writer.submit(partial(self._extend_later, reservation_id, more))
        if isinstance(answer, StoreUnavailable):
            raise answer
        return answer

    def trip(self, demand: Demand, at: int) -> bool:
        """Trip the counter that had no room for `demand`; whether that is new.

        Raises `StoreUnavailable`. Not for an event loop's thread: it waits for the file.
        """
        with self._section:
            now = self._clock()
            tripped = self._locked(lambda c: steps.trip(c, demand, at, now, claim=self._claim()))
            woken = self._serve_if_possible() if tripped.done else []
        wake_all(woken)
        self._tell(tripped.crossed)
        return tripped.done

    # --- settlement -----------------------------------------------------------------------

    def settle(
        self,
        reservation_id: str,
        actual: Callable[[Demand], int],
        *,
        estimated: bool | None = None,
    ) -> bool:
        """Charge what was used and free the rest; False if it was settled before.

        `estimated` is noted in the settlement journal. Handed over on an event loop's thread,
        and by a finaliser that interrupts this store: then charged in a moment, and True.
        """
        step = partial(self._settle, reservation_id, actual, estimated)
        if asyncio._get_running_loop() is not None:
            self._writer.submit(partial(_logged, step))
            return True
        if self._section.inside():
            self._section.put_off(partial(_logged, step))
            return True
        return step()

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait for what was handed over; False if it took too long or is only journalled.

        Not for an event loop's thread: it waits.
        """
        if not self._writer.flush(timeout_s):
            return False
        if self._journal.pending:
            with suppress(StoreUnavailable):
                self._run(lambda _connection: None)
        return not self._journal.pending

    # --- questions and commands -------------------------------------------------------------

    def read(self, key: Key) -> Counter:
        """A copy of one counter."""
        key = _demands.storable_key(key)
        return self._ask(lambda c: rows.read_counters(c, [key]).get(key), None) or Counter()

    def counters(self, rule: str | None = None) -> list[tuple[Key, Counter]]:
        """Copies of all counters, or of those of one rule."""
        return self._ask(lambda c: rows.all_counters(c, rule), [])

    def settlements(self, since: float = 0.0) -> list[Change]:
        """The settlement journal from a moment on (seconds since the epoch), in order."""
        return self._ask(lambda c: rows.changes(c, since), [])

    def open_reservations(self) -> int:
        """How many reservations are open, of all processes."""
        return self._ask(
            lambda c: int(c.execute("SELECT count(*) FROM reservations").fetchone()[0]), 0
        )

    def waiting(self) -> int:
        """How many calls of this process wait for others to settle."""
        return len(self._queue)

    def reset(self, rule: str, value: str | None = None) -> int:
        """Set what is spent back to 0; open reservations stay. How many counters that were."""
        with self._section:
            number = self._locked(lambda c: steps.reset(c, rule, value, self._clock()))
            woken = self._serve()
        wake_all(woken)
        return number

    def forget(self, rule: str, before: int) -> None:
        """Drop, in a while, what no open call holds of a rule's windows that began before."""
        self._writer.submit(partial(_logged, partial(self._forget, rule, before)))

    def rules(self) -> Mapping[str, str]:
        """Rules that were made at run time."""
        return self._ask(lambda c: dict(c.execute("SELECT name, definition FROM rules")), {})

    def put_rule(self, name: str, definition: str | None) -> None:
        """Keep a rule; None takes it out."""
        self._run(lambda c: _put(c, "rules", name, definition))

    def forced(self) -> Mapping[str, str]:
        """Breakers that were forced, by name."""
        return self._ask(lambda c: dict(c.execute("SELECT name, state FROM forced")), {})

    def force(self, name: str, state: str | None) -> None:
        """Force a breaker; None lets it go."""
        self._run(lambda c: _put(c, "forced", name, state))

    def _forget(self, rule: str, before: int) -> None:
        # Most often there is nothing to drop, and then nobody is kept waiting.
        if not self._ask(lambda c: bool(rows.old_keys(c, rule, before, 1)), False):
            return
        while self._run(lambda connection: steps.forget(connection, rule, before)):
            pass

    # --- inside: admission ----------------------------------------------------------------

    def _try(self, waiter: Waiter, join: bool = False) -> Shortage | None:
        """One attempt; when it is contended and wants to wait, the waiter joins the queue."""
        self._upkeep()
        with self._section:
            overtaken = self._queue.overtaken(waiter.demands) if self._queue else None
            now = self._clock()
            short = self._locked(
                partial(steps.reserve, waiter=waiter, now=now, overtaken=overtaken)
            )
            if short is None:
                waiter.answer(None)
                self._held.add(waiter, now)
            elif short.kind == "contended" and join:
                self._queue.add(waiter)
        return short

    def _look(self) -> None:
        """Let through those for whom another process made room; at most every 10 ms."""
        now = monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _FIRST_LOOK_S / 2
        self._upkeep()
        with self._section:
            woken = self._serve()
        wake_all(woken)

    def _wait(self, arrived: threading.Event, until: float) -> None:
        pause_s = _FIRST_LOOK_S
        while (left_s := until - monotonic()) > 0:
            if arrived.wait(min(pause_s, left_s)):
                return
            self._look()
            pause_s = min(pause_s * 1.5, _LONGEST_LOOK_S)

    async def _wait_async(self, arrived: asyncio.Event, until: float) -> None:
        pause_s = _FIRST_LOOK_S
        while (left_s := until - monotonic()) > 0:
            # Not `wait_for`: before Python 3.12 it swallows a cancellation that comes together
            # with the grant, and a cancelled task would go on to send its call.
            with suppress(TimeoutError):
                async with asyncio.timeout(min(pause_s, left_s)):
                    await arrived.wait()
                return
            await self._written(self._look)
            pause_s = min(pause_s * 1.5, _LONGEST_LOOK_S)

    def _written(self, step: Callable[[], T]) -> "asyncio.Future[T]":
        return asyncio.wrap_future(self._writer.submit(step))

    def _outcome(self, waiter: Waiter, short: Shortage) -> Shortage | None:
        return short if self._leave(waiter) else waiter.shortage

    def _leave(self, waiter: Waiter) -> bool:
        """Take a waiter out of the queue; False if it was answered (or never joined)."""
        with self._section:
            if not self._queue.remove(waiter):
                return False
            # Those behind it may have waited for nothing but their turn.
            woken = self._serve_if_possible()
        wake_all(woken)
        return True

    def _give_up(self, waiter: Waiter) -> None:
        """The caller was interrupted: leave the queue, or free what was granted."""
        if not self._leave(waiter) and waiter.done and waiter.shortage is None:
            _logged(partial(self._settle, waiter.reservation_id, _nothing, None))

    # --- inside: extension and settlement ---------------------------------------------------

    def _extend(
        self, reservation_id: str, more: Callable[[Demand], Demand | None]
    ) -> Shortage | None:
        with self._section:
            short, text = self._locked(lambda c: steps.extend(c, reservation_id, more))
            if short is None and text is not None:
                self._held.replace(reservation_id, text, _demands.load(text))
        return short

    def _extend_later(self, reservation_id: str, more: Callable[[Demand], Demand | None]) -> None:
        try:
            answer: Shortage | StoreUnavailable | None = self._extend(reservation_id, more)
        except StoreUnavailable as error:
            answer = error
        if answer is not None and reservation_id in self._held:
            self._extended[reservation_id] = answer

    def _settle(
        self, reservation_id: str, actual: Callable[[Demand], int], estimated: bool | None
    ) -> bool:
        with self._section:
            if self._held.inherited(reservation_id):
                return False
            settled, woken = self._settle_or_keep(reservation_id, actual, estimated)
        wake_all(woken)
        self._tell(settled.crossed)
        return settled.done

    def _settle_or_keep(
        self, reservation_id: str, actual: Callable[[Demand], int], estimated: bool | None
    ) -> tuple[steps.Settled, list[Waiter]]:
        now = self._clock()
        try:
            settled = self._locked(
                lambda connection: steps.settle(
                    connection,
                    reservation_id,
                    actual,
                    now,
                    claim=self._claim(),
                    known=self._held.get(reservation_id),
                    estimated=estimated,
                )
            )
        except StoreUnavailable as error:
            return steps.Settled(self._keep(reservation_id, actual, estimated, error), []), []
        self._held.drop(reservation_id)
        self._extended.pop(reservation_id, None)
        return settled, self._serve_if_possible()

    def _serve_if_possible(self) -> list[Waiter]:
        """What has just been done stands: those who wait look themselves, too."""
        with suppress(StoreUnavailable):
            return self._serve()
        return []

    def _keep(
        self,
        reservation_id: str,
        actual: Callable[[Demand], int],
        estimated: bool | None,
        error: StoreUnavailable,
    ) -> bool:
        """The file can't be used: journal the settlement, if it is one of ours."""
        known = self._held.get(reservation_id)
        if known is None:
            _log.warning("reservation %s can't be settled: %s", reservation_id, error)
            return False
        amounts = tuple((entry.key, actual(entry)) for entry in known[1])
        if any(amount > _MOST_AMOUNT for _key, amount in amounts):
            # It could never be charged, and would keep all that is journalled from being so.
            raise OverflowError(f"{reservation_id} can't be settled with {amounts}") from error
        self._journal.append(Late(reservation_id, self._clock(), amounts, estimated))
        self._held.drop(reservation_id)
        self._extended.pop(reservation_id, None)
        _log.warning("settlement %s is kept for later: %s", reservation_id, error)
        return True


def _nobody() -> None:
    """Wakes nobody: the caller does not wait."""


def _nothing(_entry: Demand) -> int:
    return 0


def _logged(step: Callable[[], T]) -> T | None:
    """For steps whose caller is gone: a failure is logged, for nobody can be told."""
    try:
        return step()
    except Exception:  # noqa: BLE001 - as above
        _log.exception("a step of the ledger failed")
        return None


def _put(connection: sqlite3.Connection, table: str, name: str, value: str | None) -> None:
    if value is None:
        connection.execute(f"DELETE FROM {table} WHERE name = ?", (name,))  # noqa: S608 - our own table
    else:
        connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (?,?)", (name, value))  # noqa: S608 - our own table
