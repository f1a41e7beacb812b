"""Spans and records become entries: clean, encoded, and none larger than a collector takes."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, TypeVar

from opentelemetry.sdk.trace import ReadableSpan

from spanledger.lean import dataclass
from spanledger.processors.clean import Cleaner
from spanledger.processors.delivery.pieces import halves, shortened
from spanledger.processors.records import Record, encode_records
from spanledger.processors.spool.layout import Entry

_log = logging.getLogger("spanledger.export")

#: OTLP/gRPC receivers take 4 MB by default, HTTP ones mostly 20 to 64; an entry stays far below,
#: and one span may not be all of it.
MOST_BYTES = 1024 * 1024
T = TypeVar("T")


@dataclass(slots=True)
class Encoded:
    """The entries of a batch, and how many items did not make it into one, by reason."""

    entries: list[Entry] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    error: Exception | None = None
    """Why an item could not be encoded."""


class Encoder:
    """Takes what is to leave through the allow-list and the redaction, and encodes it."""

    def __init__(self, cleaner: Cleaner, resource: Callable[[], Mapping[str, Any]]) -> None:
        self._cleaner = cleaner
        self._resource = resource

    def encode(self, batch: Sequence[ReadableSpan | Record]) -> Encoded:
        """The entries of a batch. An item that can't be encoded does not take others with it."""
        encoded = Encoded()
        spans = [item for item in batch if isinstance(item, ReadableSpan)]
        records = [item for item in batch if isinstance(item, Record)]
        entries = [
            *_encode_each_half(self._spans, spans, encoded),
            *_encode_each_half(self._records, records, encoded),
        ]
        for entry in entries:
            self._fit(entry, encoded)
        if encoded.lost:
            _log.warning(
                "%d spans and records could not be encoded or are too large: %s",
                encoded.lost.total(),
                encoded.error,
            )
        return encoded

    def _spans(self, spans: Sequence[ReadableSpan]) -> Entry:
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

        clean = [self._cleaner.span(span) for span in spans]
        return Entry("traces", len(clean), encode_spans(clean).SerializeToString())

    def _records(self, records: Sequence[Record]) -> Entry:
        body = encode_records(records, self._resource(), self._clean, self._cleaner.text)
        return Entry("logs", len(records), body)

    def _clean(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        return self._cleaner.attributes(attributes, content_free=True)

    def _fit(self, entry: Entry, encoded: Encoded) -> None:
        """Divide or shorten an entry until a collector takes it."""
        if len(entry.body) <= MOST_BYTES:
            encoded.entries.append(entry)
        elif entry.items > 1:
            for half in halves(entry):
                self._fit(half, encoded)
        elif (short := shortened(entry, MOST_BYTES)) is not None:
            encoded.entries.append(short)
        else:
            encoded.lost["too_large"] += 1


def _encode_each_half(
    encode: Callable[[Sequence[T]], Entry], items: Sequence[T], encoded: Encoded
) -> Iterator[Entry]:
    """One entry; if that fails, one for each half, down to the item that is to blame."""
    if not items:
        return
    try:
        yield encode(items)
    except Exception as error:  # noqa: BLE001 - whatever a program put into a span
        if len(items) == 1:
            encoded.lost["unsendable"] += 1
            encoded.error = error
            return
        middle = len(items) // 2
        yield from _encode_each_half(encode, items[:middle], encoded)
        yield from _encode_each_half(encode, items[middle:], encoded)
