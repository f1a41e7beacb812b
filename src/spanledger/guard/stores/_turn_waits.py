"""Waiting for room that others make: one's turn in this process, and a look now and then.

Who is first for its counters looks itself, woken by settlements of this process and, for those
of other processes, after pauses that grow. Who is not first only waits for its turn.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from spanledger.guard.ledger import Key, Shortage
from spanledger.guard.stores._monotonic import monotonic
from spanledger.guard.stores._protocol import Grant
from spanledger.guard.stores._turns import Turn, Turns

_FIRST_S, _LONGEST_S, _NOT_FIRST_S = 0.005, 0.1, 2.0


class _Pauses:
    """How long to wait until the next look, in seconds."""

    def __init__(self, turns: Turns, turn: Turn, max_wait_s: float) -> None:
        self._turns = turns
        self._turn = turn
        self.began = monotonic()
        self._end = self.began + max_wait_s
        self._next_s = _FIRST_S

    def next(self) -> float:
        """Not above 0: it is over."""
        pause_s = self._next_s if self.first() else _NOT_FIRST_S
        return min(pause_s, self._end - monotonic())

    def first(self) -> bool:
        return self._turns.is_first(self._turn)

    def over(self, woken: bool) -> None:
        self._next_s = _FIRST_S if woken else min(2 * self._next_s, _LONGEST_S)

    def grant(self, short: Shortage | None) -> Grant:
        return Grant(short, monotonic() - self.began)


def wait(
    turns: Turns,
    keys: Iterable[Key],
    short: Shortage,
    max_wait_s: float,
    attempt: Callable[[], Shortage | None],
) -> Grant:
    """Join the queue and try until it is decided, or `max_wait_s` is over."""
    woken = threading.Event()
    turn = Turn(keys, woken.set)
    turns.join(turn)
    try:
        pauses = _Pauses(turns, turn, max_wait_s)
        while (pause_s := pauses.next()) > 0:
            pauses.over(woken.wait(pause_s))
            woken.clear()
            if pauses.first():
                answer = attempt()
                if answer is None or answer.kind != "contended":
                    return pauses.grant(answer)
                short = answer
        return pauses.grant(short)
    finally:
        turns.leave(turn)


async def wait_async(
    turns: Turns,
    keys: Iterable[Key],
    short: Shortage,
    max_wait_s: float,
    attempt: Callable[[], Awaitable[Shortage | None]],
) -> Grant:
    """The same for coroutines."""
    loop, woken = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(woken.set)

    turn = Turn(keys, wake)
    turns.join(turn)
    try:
        pauses = _Pauses(turns, turn, max_wait_s)
        while (pause_s := pauses.next()) > 0:
            pauses.over(await _within(pause_s, woken))
            woken.clear()
            if pauses.first():
                answer = await attempt()
                if answer is None or answer.kind != "contended":
                    return pauses.grant(answer)
                short = answer
        return pauses.grant(short)
    finally:
        turns.leave(turn)


async def _within(timeout_s: float, event: asyncio.Event) -> bool:
    # Not `wait_for`: before Python 3.12 it swallows a cancellation that comes together with the
    # event, and a cancelled task would go on to send its call.
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
