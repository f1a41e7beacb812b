"""What both OTLP transports do with a request body."""

import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from spanledger.stack._flatten import Flattened
from spanledger.stack._intake import Intake, Postponed, Refused
from spanledger.stack._journal import Entry, digest_of
from spanledger.stack._otlp import MalformedRequest, Signal, decode_entry, encode_response
from spanledger.stack._storing import Encoded, encode_parts

#: Requests that are decoded at the same time: it is Python's work, more threads don't help.
MAX_DECODING: Final = 2
#: Longer than any insert takes; clients give up after ten seconds.
PATIENCE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Taken:
    """A request on its way: `rows` will be in when `future` is done."""

    signal: Signal
    flattened: Flattened
    rows: int
    as_json: bool
    future: "Future[Refused]"


class Receiver:
    """Takes OTLP requests and counts what becomes of them. Thread-safe."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self._turns = threading.BoundedSemaphore(MAX_DECODING)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """What came in so far: requests and rows stored, records rejected, requests that were
        malformed, postponed or failed."""
        with self._lock:
            return dict(self._counts)

    @property
    def refused(self) -> dict[str, int]:
        """Records that were not stored, by reason."""
        with self._lock:
            return dict(self._refused)

    def count(self, name: str, amount: int = 1) -> None:
        """Add *amount* to a counter."""
        with self._lock:
            self._counts[name] += amount

    def take(self, signal: Signal, body: bytes, *, as_json: bool = False) -> Taken:
        """Read the request in *body* and hand it to the intake; does not wait for the engine.

        Raises:
            MalformedRequest: if *body* is not such a request. Sending it again won't help.
            Postponed: if it can't be taken now. Sending the same bytes again is safe.
        """
        self.count(f"{signal.name}.requests")
        try:
            with self._turns:
                return self._hand_over(signal, body, as_json=as_json)
        except MalformedRequest:
            self.count(f"{signal.name}.malformed")
            raise
        except Postponed:
            self.count(f"{signal.name}.postponed")
            raise

    def _hand_over(self, signal: Signal, body: bytes, *, as_json: bool) -> Taken:
        flag = b"json" if as_json else b"protobuf"
        entry = Entry(digest_of((signal.name.encode(), flag, body)), body, as_json)
        flattened = signal.flatten(decode_entry(signal, entry))
        request = Encoded(entry, encode_parts(flattened))
        done: Future[Refused] = Future()
        if request.parts:
            done = self.intake.submit(signal, request)
        else:
            done.set_result(Counter())
        return Taken(signal, Flattened([], flattened.rejected, flattened.reasons), request.rows,
                     as_json, done)  # fmt: skip

    def answer(self, taken: Taken, refused: Refused) -> bytes:
        """The answer to a request whose rows are in, but for the *refused* ones."""
        flattened = taken.flattened
        for reason, amount in refused.items():
            flattened.rejected += amount
            flattened.reasons[reason] = flattened.reasons.get(reason, 0) + amount
        self._count_stored(taken, refused.total())
        return encode_response(taken.signal, flattened, as_json=taken.as_json)

    def failed(self, taken: Taken) -> None:
        """Count a request whose rows did not go in in time."""
        self.count(f"{taken.signal.name}.failed")

    def _count_stored(self, taken: Taken, refused: int) -> None:
        self.count(f"{taken.signal.name}.rows", taken.rows - refused)
        if taken.flattened.rejected:
            self.count(f"{taken.signal.name}.rejected", taken.flattened.rejected)
            with self._lock:
                self._refused.update(taken.flattened.reasons)
