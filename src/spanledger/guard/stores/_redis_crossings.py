"""Crossings that a script wrote down are told, and taken from the outbox then."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from spanledger.guard.ledger import Crossing
from spanledger.guard.stores import _redis_records as records
from spanledger.guard.stores._inside import Inside
from spanledger.guard.stores._redis_link import Link
from spanledger.guard.stores.errors import StoreUnavailable

_log = logging.getLogger(__name__)

#: A crossing that its process did not tell within this time is told by another one.
CLAIM_MS = 30_000


class Crossings:
    """The listeners of this process. Without any, crossings stay for a process that has one."""

    def __init__(self, link: Link, inside: Inside) -> None:
        self._link = link
        self._inside = inside
        self._listeners: list[Callable[[Crossing], None]] = []

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def add(self, listener: Callable[[Crossing], None]) -> None:
        """One more that is told."""
        self._listeners.append(listener)

    def tell(self, crossed: Sequence[bytes]) -> None:
        """Tell all listeners. One that fails is told again, by some process, after `CLAIM_MS`."""
        for text in crossed if self._listeners else ():
            if self._told(text):
                # If the server does not learn of it, it is told again: at least once.
                with suppress(StoreUnavailable), self._inside:
                    self._link.run("told", text)

    def _told(self, text: bytes) -> bool:
        crossing = records.read_crossing(text)
        try:
            for listener in self._listeners:
                listener(crossing)
        except Exception:  # noqa: BLE001  # foreign code; what was settled is settled
            _log.exception("A listener for thresholds failed; it will be told again.")
            return False
        return True
