"""Who waits for room, in order of arrival; for stores whose state other processes change too."""

from collections.abc import Callable, Iterable

from spanledger.guard.ledger import Key
from spanledger.guard.stores._section import Section


class Turn:
    """One that waits. `wake` is called when it may be worth to try again."""

    __slots__ = ("keys", "wake")

    def __init__(self, keys: Iterable[Key], wake: Callable[[], object]) -> None:
        self.keys = frozenset(keys)
        self.wake = wake


class Turns:
    """First come, first served for each counter, within this process."""

    def __init__(self) -> None:
        # Nothing foreign runs under it, finalisers excepted: they only ever call `stir`.
        self._section = Section()
        self._waiting: list[Turn] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, turn: Turn) -> None:
        """Go to the end of the queue."""
        with self._section:
            self._waiting.append(turn)

    def leave(self, turn: Turn) -> None:
        """Out of the queue; those behind it may have waited for nothing but their turn."""
        with self._section:
            self._waiting.remove(turn)
        self.stir()

    def waited_for(self, keys: Iterable[Key]) -> Key | None:
        """One of `keys` that somebody waits for."""
        if not self._waiting:
            return None
        with self._section:
            taken = {key for turn in self._waiting for key in turn.keys}
        return next((key for key in keys if key in taken), None)

    def is_first(self, turn: Turn) -> bool:
        """Whether nobody before it waits for one of its counters."""
        with self._section:
            before = self._waiting[: self._waiting.index(turn)]
        return all(turn.keys.isdisjoint(other.keys) for other in before)

    def stir(self) -> None:
        """Something was settled: wake the first for each counter."""
        if not self._waiting:
            return
        if self._section.inside():
            self._section.put_off(self.stir)
            return
        with self._section:
            first = self._firsts()
        for turn in first:
            turn.wake()

    def _firsts(self) -> list[Turn]:
        first, taken = list[Turn](), set[Key]()
        for turn in self._waiting:
            if taken.isdisjoint(turn.keys):
                first.append(turn)
            taken |= turn.keys
        return first
