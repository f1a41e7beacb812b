"""Contended reservations of this process that wait their turn. No lock, no clock, no I/O."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from spanledger.guard.ledger import Demand, Key, Shortage


class Waiter:
    """A reservation that was asked for. `done` and `shortage` None: it was granted."""

    __slots__ = ("demands", "done", "lease_s", "reservation_id", "shortage", "text", "wake")

    def __init__(
        self,
        reservation_id: str,
        demands: Sequence[Demand],
        text: str,
        lease_s: float,
        wake: Callable[[], object],
    ) -> None:
        self.reservation_id = reservation_id
        self.demands = demands
        #: The demands as they are stored.
        self.text = text
        self.lease_s = lease_s
        self.wake = wake
        self.done = False
        self.shortage: Shortage | None = None

    def answer(self, shortage: Shortage | None) -> None:
        """Granted (None) or finally refused."""
        self.done, self.shortage = True, shortage


class Answer(NamedTuple):
    """What a waiter is told once the step that decided it is durable."""

    waiter: Waiter
    shortage: Shortage | None


class Queue:
    """Waiters, first come first served for each counter. The caller holds the lock."""

    def __init__(self) -> None:
        self._waiters: deque[Waiter] = deque()

    def __len__(self) -> int:
        return len(self._waiters)

    def __iter__(self) -> Iterator[Waiter]:
        return iter(self._waiters)

    def add(self, waiter: Waiter) -> None:
        self._waiters.append(waiter)

    def remove(self, waiter: Waiter) -> bool:
        """Take a waiter out; False if it is not (any more) in the queue."""
        if waiter not in self._waiters:
            return False
        self._waiters.remove(waiter)
        return True

    def overtaken(self, demands: Sequence[Demand]) -> Demand | None:
        """The first of `demands` for whose counter somebody waits already."""
        waited_for = {d.key for waiter in self._waiters for d in waiter.demands}
        return next((demand for demand in demands if demand.key in waited_for), None)

    def keys(self) -> set[Key]:
        """Every counter that somebody waits for."""
        return {demand.key for waiter in self._waiters for demand in waiter.demands}

    def decide(self, reserve: Callable[[Waiter], Shortage | None]) -> list[Answer]:
        """Try waiters in order, none before another one that waits for the same counter.

        Nothing changes here: `close` the answers when they are durable.
        """
        blocked, answers = set[Key](), list[Answer]()
        for waiter in self._waiters:
            keys = {demand.key for demand in waiter.demands}
            if not keys & blocked:
                short = reserve(waiter)
                if short is None or short.kind != "contended":
                    answers.append(Answer(waiter, short))
                    continue
            blocked |= keys
        return answers

    def close(self, answers: Sequence[Answer]) -> list[Waiter]:
        """Take answered waiters out; whom to wake once the lock is released."""
        for waiter, shortage in answers:
            waiter.answer(shortage)
        self._waiters = deque(waiter for waiter in self._waiters if not waiter.done)
        return [answer.waiter for answer in answers]
