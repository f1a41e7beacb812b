"""What the OTLP server can be told to do with one export request. Frozen values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """Store everything, answer 200."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Store nothing, answer an error: 503 and 429 are to be retried, 400 is not."""

    status: int
    retry_after_s: float | None = None
    message: str = "refused by the test"


@dataclass(frozen=True, slots=True, kw_only=True)
class HangReply:
    """Say nothing for ``seconds`` (or until the client leaves), then close without a reply."""

    seconds: float = 3600.0
    store: bool = False
    """Whether the data was stored before the silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowReply:
    """Store everything, then send the reply one byte at a time, ``byte_delay_s`` apart."""

    byte_delay_s: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class LostReply:
    """Store everything, then close the connection instead of answering."""

    reset: bool = False
    """Close by a TCP reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialSuccess:
    """Store all but the last ``rejected`` items, answer 200 and say so."""

    rejected: int
    message: str = "rejected by the test"


OtlpBehaviour = Accept | Refuse | HangReply | SlowReply | LostReply | PartialSuccess
