"""A local OTLP/HTTP receiver for tests of exporters: stores, counts, and fails on demand."""

from spanledger.testing.otlp_server._behaviours import (
    Accept,
    HangReply,
    LostReply,
    OtlpBehaviour,
    PartialSuccess,
    Refuse,
    SlowReply,
)
from spanledger.testing.otlp_server._decode import (
    StoredEvent,
    StoredLog,
    StoredPoint,
    StoredSpan,
)
from spanledger.testing.otlp_server._server import OtlpRequest, OtlpServer

__all__ = [
    "Accept",
    "HangReply",
    "LostReply",
    "OtlpBehaviour",
    "OtlpRequest",
    "OtlpServer",
    "PartialSuccess",
    "Refuse",
    "SlowReply",
    "StoredEvent",
    "StoredLog",
    "StoredPoint",
    "StoredSpan",
]
