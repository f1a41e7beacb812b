"""A ledger file in a process: transactions, what is owed, upkeep, forks and the end."""

import logging
import os
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from spanledger.guard.ledger import Crossing, Shortage
from spanledger.guard.stores import _sqlite_rows as rows
from spanledger.guard.stores import _sqlite_steps as steps
from spanledger.guard.stores._section import Section
from spanledger.guard.stores._sqlite_file import SqliteFile
from spanledger.guard.stores._sqlite_held import Held
from spanledger.guard.stores._sqlite_journal import Late, SettlementJournal
from spanledger.guard.stores._sqlite_process import at_process_end, look_after
from spanledger.guard.stores._sqlite_queue import Queue, Waiter
from spanledger.guard.stores._sqlite_writer import Writer
from spanledger.guard.stores.errors import StoreUnavailable

T = TypeVar("T")
_log = logging.getLogger("spanledger.guard")

#: Leases, late settlements and untold crossings are looked at this often, in seconds.
_SWEEP_EVERY_S = 5.0
#: How long one process has to tell of a crossing before another does.
_CLAIM_S = 60.0
#: So is the age of the settlement journal, with at most so many steps.
_PRUNE_EVERY_S, _PRUNE_STEPS = 60.0, 20


class SqliteCore:
    """What every operation of the store stands on."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Callable[[], float] = time.time,
        busy_timeout_s: float = 5.0,
        keep_s: float = 7 * 86_400.0,
    ) -> None:
        self.path = Path(path).absolute()
        self._clock = clock
        self._keep_s = keep_s
        self._file = SqliteFile(self.path, busy_timeout_s)
        self._journal = SettlementJournal(self.path)
        self._on_crossed: list[Callable[[Crossing], None]] = []
        self._next_sweep = self._next_prune = float("-inf")
        self._next_look = 0.0
        self._closed = False
        self._held = Held()
        self._begin_process()
        look_after(self)

    def _begin_process(self) -> None:
        self._pid = os.getpid()
        # Guards the connection, the queue and what is known of this process's reservations.
        self._section = Section()
        self._queue = Queue()
        self._writer = Writer("spanledger-ledger", at_process_end)
        weakref.finalize(self, self._writer.stop).atexit = False
        #: Answers to extensions that were asked for on an event loop, for the next one.
        self._extended: dict[str, Shortage | StoreUnavailable] = {}

    def sweep(self) -> list[str]:
        """Charge, in full, reservations whose lease has ended (of any process); their ids."""
        with self._section:
            swept = self._locked(partial(steps.sweep, now=self._clock(), claim=self._claim()))
            woken = self._serve() if swept.ids else []
        wake_all(woken)
        self._tell(swept.crossed)
        return swept.ids

    def on_crossed(self, listener: Callable[[Crossing], None]) -> None:
        """Tell `listener` of every mark that is crossed; its key and mark are its stable id.

        One process tells of each, at least once: again if the listener raised or the process
        ended before it returned.
        """
        self._on_crossed.append(listener)

    def close(self, timeout_s: float = 5.0) -> None:
        """Finish what was handed over, or journal it, and close the file. Not usable after."""
        self.drain(timeout_s)
        self._closed = True
        self._writer.stop()
        with self._section:
            self._file.close()

    # --- inside: transactions -----------------------------------------------------------------

    def _run(self, step: Callable[[rows.LedgerConnection], T]) -> T:
        with self._section:
            return self._locked(step)

    def _locked(self, step: Callable[[rows.LedgerConnection], T]) -> T:
        """One transaction, after all that this process still owes to the ledger. Under the lock."""
        self._usable()
        if self._journal.pending:
            self._journal.replay(self._charge)
        return self._file.write(step)

    def _ask(self, query: Callable[[rows.LedgerConnection], T], nothing: T) -> T:
        """What `query` finds; `nothing` where no ledger was ever made. To ask makes none."""
        with self._section:
            self._usable()
            return self._file.read(query) if self._file.is_there() else nothing

    def _usable(self) -> None:
        if self._closed:
            raise StoreUnavailable(str(self.path), "the store was closed", "Make another one.")
        if self._pid != os.getpid():
            # Forked by code that calls no hooks.
            self.after_fork_in_child()

    def _charge(self, late: Sequence[Late]) -> None:
        """Settle what was journalled. What was charged meanwhile is left out, by its id."""
        crossed: list[Crossing] = []

        def step(connection: rows.LedgerConnection) -> None:
            for one in late:
                amounts = dict(one.amounts)
                crossed.extend(
                    steps.settle(
                        connection,
                        one.reservation_id,
                        lambda entry, amounts=amounts: amounts.get(entry.key, entry.amount),  # type: ignore[misc]  # binds the loop's value
                        one.at,
                        claim=self._claim(),
                        estimated=one.estimated,
                    ).crossed
                )

        self._file.write(step)
        # Told by the writer: this runs under the lock.
        if crossed:
            self._writer.submit(partial(self._tell, crossed))

    def _serve(self) -> list[Waiter]:
        """Grant or finally refuse waiters in order. Under the lock; returns whom to wake."""
        if not self._queue:
            return []
        now = self._clock()
        answers = self._locked(lambda connection: steps.decide(connection, self._queue, now))
        for waiter, short in answers:
            if short is None:
                self._held.add(waiter, now)
        return self._queue.close(answers)

    # --- inside: crossings and upkeep -------------------------------------------------------

    def _claim(self) -> float:
        """Until when a crossing is this process's to tell; 0 if nobody listens here."""
        return self._clock() + _CLAIM_S if self._on_crossed else 0.0

    def _tell(self, crossed: Sequence[Crossing]) -> None:
        """Tell of crossings, outside of any lock, and note those that were told."""
        if not crossed or not self._on_crossed:
            return
        told = [crossing for crossing in crossed if self._told(crossing)]
        if not told:
            return
        with suppress(StoreUnavailable):
            self._run(lambda connection: rows.mark_delivered(connection, told, self._clock()))

    def _told(self, crossing: Crossing) -> bool:
        try:
            for listener in self._on_crossed:
                listener(crossing)
        except Exception:  # noqa: BLE001 - a listener is foreign code; the call goes on
            _log.exception("a listener for thresholds failed; it will be told again")
            return False
        return True

    def _upkeep(self) -> None:
        """Now and then: end leases, adopt what dead processes owe, tell what was not told."""
        now = self._clock()
        # Also after the clock was set back, however far.
        if self._next_sweep - _SWEEP_EVERY_S <= now < self._next_sweep:
            return
        self._next_sweep = now + _SWEEP_EVERY_S
        with self._section:
            self._usable()
            self._journal.adopt(self._charge)
            self._held.prune(now)
        self.sweep()
        if self._on_crossed:
            until = now + _CLAIM_S
            self._tell(self._run(lambda c: rows.claim_crossings(c, now, until, steps.MOST)))
        if not self._next_prune - _PRUNE_EVERY_S <= now < self._next_prune:
            self._next_prune = now + _PRUNE_EVERY_S
            self._prune(now - self._keep_s)

    def _prune(self, before: float) -> None:
        for _ in range(_PRUNE_STEPS):
            if not self._run(lambda c: rows.prune(c, before, steps.MOST)):
                return

    # --- inside: ends and forks -------------------------------------------------------------

    def drain(self, timeout_s: float) -> None:
        """Have all that was handed over done in time; journal what is not."""
        if self._closed or self._writer.flush(timeout_s):
            return
        # From here on nothing waits for the file, so the rest goes to the journal at once.
        self._file.hurry.set()
        self._writer.run_here()
        self._writer.flush(timeout_s)

    def before_fork(self) -> None:
        """Close the file: SQLite keeps locks per process, which a child must not inherit."""
        inside = self._section.inside()
        self._section.__enter__()
        # Forked by foreign code in the middle of a step: the step goes on in the parent.
        if not inside:
            self._file.close()

    def after_fork_in_parent(self) -> None:
        self._section.__exit__()

    def after_fork_in_child(self) -> None:
        self._file.leak()
        self._held.inherit()
        self._journal.after_fork_in_child()
        self._begin_process()


def wake_all(waiters: Sequence[Waiter]) -> None:
    for waiter in waiters:
        waiter.wake()
