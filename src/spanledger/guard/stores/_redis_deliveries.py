"""Settlements on their way to the server, if need be by way of the journal."""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from spanledger.guard.ledger import Demand
from spanledger.guard.stores import _redis_records as records
from spanledger.guard.stores._inside import Inside
from spanledger.guard.stores._redis_crossings import CLAIM_MS, Crossings
from spanledger.guard.stores._redis_journal import Journal
from spanledger.guard.stores._redis_link import BackendDown, Link
from spanledger.guard.stores._redis_writer import Writer
from spanledger.guard.stores.errors import StoreUnavailable

_log = logging.getLogger(__name__)
_PATIENCE_S = 1.0


class Held(NamedTuple):
    """A reservation as this process knows it. ``charge``: admitted while the server was away."""

    entries: tuple[Demand, ...]
    record: str
    how: Literal["held", "charge"] = "held"


NOTHING = Held((), "")


def read_held(record: str | bytes, how: Literal["held", "charge"] = "held") -> Held:
    """A reservation from its text."""
    text = record.decode() if isinstance(record, bytes) else record
    return Held(records.read(text), text, how)


def encode_id(reservation_id: str) -> bytes:
    """Any text, also half of a surrogate pair."""
    return reservation_id.encode("utf-8", "surrogatepass")


class Deliveries:
    """Delivers what was used. Each delivery may be repeated: it counts once."""

    def __init__(self, link: Link, journal: Journal, inside: Inside, crossings: Crossings) -> None:
        self._link = link
        self._journal = journal
        self._inside = inside
        self._crossings = crossings

    def deliver(
        self, reservation_id: str, held: Held, used: Sequence[int], estimated: bool | None
    ) -> list[Any]:
        """The server's answer. ``stale``: the reservation is another one than `held` says.

        Raises:
            StoreUnavailable: no answer.
        """
        with self._inside:
            return self._link.run(
                "settle",
                encode_id(reservation_id),
                held.record,
                records.amounts(used),
                held.how,
                CLAIM_MS,
                "" if estimated is None else int(estimated),
            )

    def write_down(
        self,
        reservation_id: str,
        held: Held,
        used: Sequence[int],
        estimated: bool | None,
        writer: Writer,
    ) -> None:
        """Keep a settlement for later: on the disk, or in memory if that fails."""
        line = {
            "id": reservation_id,
            "record": held.record,
            "used": list(used),
            "how": held.how,
            "estimated": estimated,
        }
        try:
            with self._inside:
                self._journal.append(line)
        except OSError as error:
            _log.error("A settlement could not be written down, it is kept in memory: %s", error)
            writer.put(lambda: self._until_delivered(line))

    def replay(self) -> bool:
        """Deliver what was written down, also by processes that are gone; False if that failed."""
        try:
            with self._inside:
                self._journal.replay(self._again)
        except (StoreUnavailable, OSError):
            return False
        return True

    def _again(self, line: Mapping[str, Any]) -> None:
        held = read_held(line["record"], line["how"])
        estimated = line.get("estimated")
        while (reply := self.deliver(line["id"], held, line["used"], estimated))[0] == b"stale":
            held = read_held(reply[1], line["how"])  # it was extended: the counters are the same
        self._crossings.tell(reply[1:])

    def _until_delivered(self, line: Mapping[str, Any]) -> None:
        while True:
            try:
                return self._again(line)
            except BackendDown:
                time.sleep(_PATIENCE_S)
