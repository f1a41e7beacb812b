"""How far a stream may go when what its call holds is no firm bound."""

from spanledger import pricing
from spanledger.guard import Guard, Refusal, Reservation
from spanledger.instrumentation._facts import StreamReader

#: Such a stream asks for this many tokens more at a time.
_EXTENSION_TOKENS = 1024


class StreamLimit:
    """Measures what was streamed against what is held, and asks for more when that is used up.

    One token is at least one byte: as long as the text is no longer than the tokens that are
    held, the stream can't have overrun them.
    """

    __slots__ = ("_counted_parts", "_guard", "_held_bytes", "_reservation", "_streamed_bytes")

    def __init__(self, guard: Guard, reservation: Reservation) -> None:
        self._guard = guard
        self._reservation = reservation
        self._held_bytes = reservation.call.estimate.output_tokens
        self._streamed_bytes = 0
        self._counted_parts = 0

    def passed(self, reader: StreamReader) -> Refusal | None:
        """The refusal that cuts the stream; None if it may go on."""
        fresh = reader.text[self._counted_parts :]
        self._counted_parts += len(fresh)
        self._streamed_bytes += sum(len(p.encode("utf-8", "surrogatepass")) for p in fresh)
        if self._streamed_bytes <= self._held_bytes:
            return None
        refusal = self._extend()
        if refusal is None:
            self._held_bytes += _EXTENSION_TOKENS
        return refusal

    def _extend(self) -> Refusal | None:
        call, at = self._reservation.call, self._reservation.admitted_at
        cost = pricing.ceiling(call.provider, call.model, 0, _EXTENSION_TOKENS, at=at)
        return self._guard.extend(
            self._reservation, tokens=_EXTENSION_TOKENS, cost_nano_usd=cost or 0
        )
