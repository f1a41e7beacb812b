"""AWS's event streams: a message is headers and a payload, framed by lengths and checksums. Pure.

total length | length of the headers | CRC of both | headers | payload | CRC of all before it
"""

import struct
import zlib

from spanledger.testing.providers._rendered import json_bytes

_STRING = 7
_PRELUDE_BYTES = 12
_CRC_BYTES = 4


def event(name: str, value: object) -> bytes:
    """One event of a stream, with a JSON payload."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, json_bytes(value))


def exception(name: str, value: object) -> bytes:
    """The message that ends a stream in an error."""
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return message(headers, json_bytes(value))


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """Headers and payload, framed."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    total = _PRELUDE_BYTES + len(head) + len(payload) + _CRC_BYTES
    lengths = struct.pack("!II", total, len(head))
    framed = lengths + struct.pack("!I", zlib.crc32(lengths)) + head + payload
    return framed + struct.pack("!I", zlib.crc32(framed))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack("!B", len(key)) + key + struct.pack("!BH", _STRING, len(text)) + text
