"""Entries that are too large, or of which a part is refused: divided, or cut down.

Both work on the encoded request, so that nothing has to be kept of the span that it was.
"""

from typing import Any

from spanledger import semconv
from spanledger.processors.spool.layout import Entry, Signal

#: How long a text may be and how many attributes, events, links and elements of a list there may
#: be; the next if that was not enough.
_LIMITS = ((65_536, 10_000), (8_192, 1_000), (1_024, 128), (128, 32), (128, 8))

_NAMES: dict[Signal, tuple[str, str, str]] = {
    "traces": ("resource_spans", "scope_spans", "spans"),
    "logs": ("resource_logs", "scope_logs", "log_records"),
}


def halves(entry: Entry) -> tuple[Entry, Entry]:
    """The first and the second half of the items of an entry that has more than one."""
    middle = entry.items // 2
    return (
        _part(entry, 0, middle),
        _part(entry, middle, entry.items),
    )


def _part(entry: Entry, begin: int, end: int) -> Entry:
    message, seen = parse(entry), 0
    _, inner_name, items_name = _NAMES[entry.signal]
    for block in _blocks(entry.signal, message):
        for inner in getattr(block, inner_name):
            items = getattr(inner, items_name)
            count = len(items)
            del items[max(0, end - seen) :]
            del items[: max(0, begin - seen)]
            seen += count
    return Entry(entry.signal, end - begin, message.SerializeToString())


def shortened(entry: Entry, most_bytes: int) -> Entry | None:
    """The entry with shorter texts, and at last fewer of them; None if that is not enough."""
    message = parse(entry)
    for attributes in _attributes_of_items(entry.signal, message):
        attributes.add(key=semconv.TRUNCATED).value.bool_value = True
    for length, count in _LIMITS:
        _thin(message, count, keep=frozenset(_NAMES[entry.signal]))
        _cut(message, length)
        if message.ByteSize() <= most_bytes:
            return Entry(entry.signal, entry.items, message.SerializeToString())
    return None


def _cut(message: Any, length: int) -> None:
    """Cut every text and every blob, however deep."""
    for field, value in message.ListFields():
        if field.type in {field.TYPE_STRING, field.TYPE_BYTES}:
            if len(value) > length:
                setattr(message, field.name, value[:length])
        elif field.type == field.TYPE_MESSAGE:
            for inner in value if _is_repeated(value) else (value,):
                _cut(inner, length)


def _thin(message: Any, count: int, keep: frozenset[str]) -> None:
    """Keep the first `count` of each list, and the last: that says it was cut."""
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        if not _is_repeated(value):
            _thin(value, count, keep)
            continue
        if field.name not in keep:
            del value[count:-1]
        for inner in value:
            _thin(inner, count, keep)


def _is_repeated(value: Any) -> bool:
    return not hasattr(value, "ListFields")


def _attributes_of_items(signal: Signal, message: Any) -> list[Any]:
    _, inner_name, items_name = _NAMES[signal]
    return [
        item.attributes
        for block in _blocks(signal, message)
        for inner in getattr(block, inner_name)
        for item in getattr(inner, items_name)
    ]


def _blocks(signal: Signal, message: Any) -> Any:
    return getattr(message, _NAMES[signal][0])


def parse(entry: Entry) -> Any:
    """The request as a message. Raises `ValueError` if it is none."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # has none

    try:
        return _request_class(entry.signal).FromString(entry.body)
    except DecodeError as error:
        raise ValueError(f"an entry of the spool is no OTLP request: {error}") from error


def _request_class(signal: Signal) -> Any:
    if signal == "traces":
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

        return traces.ExportTraceServiceRequest
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs

    return logs.ExportLogsServiceRequest
