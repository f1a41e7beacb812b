"""Columns that encode themselves in ClickHouse's Native format. Pure.

Native is what the engine reads fastest and the only format whose row count is stated: a block
that is cut off is an error there, never a shorter insert. String columns are sent plain; the
engine converts them to LowCardinality on the way in.
"""

import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

_SHORT: Final = tuple(bytes((size,)) for size in range(128))
_KEY_CACHE_SIZE: Final = 4096


class Column(Protocol):
    """A column that grows value by value."""

    kind: str

    def encode(self) -> bytes: ...


class Strings:
    """A ``String`` column."""

    kind = "String"

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, text: str) -> None:
        """Append *text*."""
        data = text.encode()
        self._parts.append(size_prefix(len(data)))
        self._parts.append(data)

    def encode(self) -> bytes:
        return b"".join(self._parts)


class Numbers:
    """A column of fixed-width numbers; *kind* is ClickHouse's type, *code* `array`'s."""

    def __init__(self, kind: str, code: str) -> None:
        self.kind = kind
        self._values: array[Any] = array(code)
        self.add = self._values.append

    def encode(self) -> bytes:
        return little_endian(self._values)


class Maps:
    """A ``Map(String, String)`` column. Keys repeat, so their bytes are remembered."""

    kind = "Map(String, String)"

    def __init__(self) -> None:
        self._ends = array("Q")
        self._total = 0
        self._keys: list[bytes] = []
        self._values: list[bytes] = []
        self._known: dict[str, bytes] = {}

    def add(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Append one map."""
        keys, values, known = self._keys, self._values, self._known
        for key, value in pairs:
            encoded = known.get(key)
            keys.append(self._remember(key) if encoded is None else encoded)
            data = value.encode()
            values.append(size_prefix(len(data)))
            values.append(data)
        self._total += len(pairs)
        self._ends.append(self._total)

    def _remember(self, key: str) -> bytes:
        data = key.encode()
        encoded = size_prefix(len(data)) + data
        if len(self._known) < _KEY_CACHE_SIZE:
            self._known[key] = encoded
        return encoded

    def encode(self) -> bytes:
        return little_endian(self._ends) + b"".join(self._keys) + b"".join(self._values)


class StringArrays:
    """An ``Array(String)`` column."""

    def __init__(self) -> None:
        self._ends = array("Q")
        self._total = 0
        self._items = Strings()
        self.kind = f"Array({self._items.kind})"

    def add(self, items: Sequence[str]) -> None:
        """Append one array."""
        for item in items:
            self._items.add(item)
        self._total += len(items)
        self._ends.append(self._total)

    def encode(self) -> bytes:
        return little_endian(self._ends) + self._items.encode()


class NumberArrays:
    """An array column of fixed-width numbers."""

    def __init__(self, kind: str, code: str) -> None:
        self.kind = f"Array({kind})"
        self._ends = array("Q")
        self._values: array[Any] = array(code)

    def add(self, items: Iterable[float]) -> None:
        """Append one array."""
        self._values.extend(items)
        self._ends.append(len(self._values))

    def encode(self) -> bytes:
        return little_endian(self._ends) + little_endian(self._values)


class MapArrays:
    """An ``Array(Map(String, String))`` column."""

    kind = "Array(Map(String, String))"

    def __init__(self) -> None:
        self._ends = array("Q")
        self._total = 0
        self._items = Maps()

    def add(self, items: Sequence[Sequence[tuple[str, str]]]) -> None:
        """Append one array."""
        for item in items:
            self._items.add(item)
        self._total += len(items)
        self._ends.append(self._total)

    def encode(self) -> bytes:
        return little_endian(self._ends) + self._items.encode()


def encode_block(columns: Mapping[str, Column], rows: int) -> bytes:
    """One Native block of *rows* rows."""
    parts = [size_prefix(len(columns)), size_prefix(rows)]
    for name, column in columns.items():
        for text in (name, column.kind):
            data = text.encode()
            parts += (size_prefix(len(data)), data)
        parts.append(column.encode())
    return b"".join(parts)


def size_prefix(size: int) -> bytes:
    """*size* as a variable-length integer."""
    if size < 128:
        return _SHORT[size]
    out = bytearray()
    while size >= 128:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)


def little_endian(values: "array[Any]") -> bytes:
    """The bytes of *values* in Native's byte order."""
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()
