"""How a segment of the spool is laid out. Pure.

A segment is a head and entries. The head holds the cursor: where the first entry begins that
has not been delivered. An entry is its length, a checksum, the number of its items, its signal
and its body: a serialised OTLP request. Requests of one signal can be joined by joining their
bytes, so nothing needs to be decoded to be sent.
"""

import struct
import zlib
from dataclasses import field
from typing import Literal, NamedTuple

from spanledger.lean import dataclass

Signal = Literal["traces", "logs"]

_SIGNALS: tuple[Signal, ...] = ("traces", "logs")
#: The last byte is the version of the layout.
MAGIC = b"spledge\x01"
_HEAD = struct.Struct("<8sQI12x")
_ENTRY = struct.Struct("<IIIB3x")
_SUMMED = struct.Struct("<IIB")
#: No entry has more; a number that says so is damaged itself.
_MOST_ITEMS = 4096
HEAD_BYTES = _HEAD.size
ENTRY_HEAD_BYTES = _ENTRY.size


class Entry(NamedTuple):
    """Items of one signal, as one serialised OTLP request."""

    signal: Signal
    items: int
    body: bytes


@dataclass(slots=True)
class Scan:
    """What was found: sound entries, how far they reach, and items that can't be read."""

    entries: list[Entry] = field(default_factory=list)
    length: int = 0
    items: int = 0
    corrupt: int = 0


def pack_head(cursor: int) -> bytes:
    """The head of a segment whose first undelivered entry begins at `cursor`."""
    return _HEAD.pack(MAGIC, cursor, zlib.crc32(cursor.to_bytes(8, "little")))


def unpack_head(data: bytes) -> int | None:
    """The cursor; None if this is no segment of this layout.

    A cursor that can't be read means the first entry: what comes twice has an identity.
    """
    if len(data) < HEAD_BYTES:
        return None
    magic, cursor, checksum = _HEAD.unpack_from(data)
    if magic != MAGIC:
        return None
    sound = checksum == zlib.crc32(cursor.to_bytes(8, "little")) and cursor >= HEAD_BYTES
    return int(cursor) if sound else HEAD_BYTES


def pack_entry_head(entry: Entry) -> bytes:
    """What stands before the body of an entry."""
    length, number = len(entry.body), _SIGNALS.index(entry.signal)
    checksum = _checksum(length, entry.items, number, entry.body)
    return _ENTRY.pack(length, checksum, entry.items, number)


def _checksum(length: int, items: int, number: int, body: bytes | memoryview) -> int:
    return zlib.crc32(body, zlib.crc32(_SUMMED.pack(length, items, number)))


def scan(data: bytes, *, most_items: int | None = None) -> Scan:
    """The entries at the beginning of `data`, whole and sound, up to so many items.

    Stops where an entry is not complete: the tail was torn by a crash, or more is to be read.
    An entry whose checksum is wrong is passed over; its items are counted as corrupt.
    """
    found, view = Scan(), memoryview(data)
    while (head := read_entry_head(data, found.length)) is not None:
        length, checksum, items, number = head
        begin = found.length + ENTRY_HEAD_BYTES
        if begin + length > len(data):
            break
        if found.entries and most_items is not None and found.items + items > most_items:
            break
        body = view[begin : begin + length]
        if number < len(_SIGNALS) and checksum == _checksum(length, items, number, body):
            found.entries.append(Entry(_SIGNALS[number], items, bytes(body)))
            found.items += items
        else:
            found.corrupt += min(items, _MOST_ITEMS)
        found.length = begin + length
    return found


def read_entry_head(data: bytes, at: int) -> tuple[int, int, int, int] | None:
    """Length, checksum, items and signal of the entry at `at`; None if there is none."""
    if at + ENTRY_HEAD_BYTES > len(data):
        return None
    length, checksum, items, number = _ENTRY.unpack_from(data, at)
    # Nothing is empty: zeros are what a file system leaves of a file after a power cut.
    return (length, checksum, items, number) if length else None
