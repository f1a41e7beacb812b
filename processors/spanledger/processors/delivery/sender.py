"""Sends entries: one request for each signal, and what is refused is taken apart."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from spanledger.lean import dataclass
from spanledger.processors.delivery.pieces import halves
from spanledger.processors.spool.layout import Entry, Signal

if TYPE_CHECKING:
    from spanledger.processors.transport import Sent, Transport

_SIGNALS: tuple[Signal, ...] = ("traces", "logs")
#: A few bad items among many are found by halving. If everything is bad, that must end.
_MOST_REFUSALS = 64


@dataclass(slots=True)
class Outcome:
    """What became of some entries."""

    delivered: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)
    """What the receiver said of those that were dropped."""
    retry: "Sent | None" = None
    """The receiver is not there, or busy: all of them are to be sent again."""
    refusals: int = 0


class Sender:
    """Sends over a transport, with so much time for each request as `timeout_s` says then."""

    def __init__(self, transport: "Transport", timeout_s: Callable[[], float]) -> None:
        self._transport = transport
        self._timeout_s = timeout_s

    def send(self, entries: Sequence[Entry]) -> Outcome:
        """Send entries of any signals; all of them, or a part has to be sent again with the rest.

        What comes twice has an identity, by which the receiver knows it again.
        """
        outcome = Outcome()
        for signal in _SIGNALS:
            of_signal = [entry for entry in entries if entry.signal == signal]
            if of_signal and outcome.retry is None:
                self._send(signal, of_signal, outcome)
        return outcome

    def _send(self, signal: Signal, entries: Sequence[Entry], outcome: Outcome) -> None:
        items = sum(entry.items for entry in entries)
        # Serialised messages that are joined are one message with the lists of both.
        request = b"".join(entry.body for entry in entries)
        sent = self._transport.send(signal, request, timeout_s=self._timeout_s())
        if sent.outcome == "retry":
            outcome.retry = sent
        elif sent.outcome == "delivered":
            rejected = min(max(0, sent.rejected), items)
            outcome.delivered += items - rejected
            _drop(outcome, "rejected", rejected, sent)
        else:
            self._refused(signal, entries, items, sent, outcome)

    def _refused(
        self, signal: Signal, entries: Sequence[Entry], items: int, sent: "Sent", outcome: Outcome
    ) -> None:
        outcome.refusals += 1
        if items == 1 or not sent.by_content or outcome.refusals > _MOST_REFUSALS:
            _drop(outcome, "refused", items, sent)
            return
        parts = _divided(entries)
        if not parts:
            _drop(outcome, "refused", items, sent)
        for part in parts:
            if outcome.retry is None:
                self._send(signal, part, outcome)


def _divided(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """Two halves; nothing if this is not what we would write."""
    middle = len(entries) // 2
    if middle:
        return [entries[:middle], entries[middle:]]
    try:
        return [[half] for half in halves(entries[0])]
    except ValueError:
        return []


def _drop(outcome: Outcome, reason: str, items: int, sent: "Sent") -> None:
    if items:
        outcome.dropped[reason] += items
        outcome.details.append(sent.detail)
