"""The Native encoding, read back by a small decoder of the published format."""

import struct
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from spanledger.stack._columns import (
    MapArrays,
    Maps,
    NumberArrays,
    Numbers,
    StringArrays,
    Strings,
    encode_block,
    size_prefix,
)
from spanledger.stack._protocol import native_rows

T = TypeVar("T")
PAIRS = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=4)


class Reader:
    """Reads what ClickHouse would read."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def take(self, size: int) -> bytes:
        self.position += size
        return self.data[self.position - size : self.position]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 128:
                return value

    def text(self) -> str:
        return self.take(self.varint()).decode()

    def ends(self, rows: int) -> list[int]:
        return list(struct.unpack(f"<{rows}Q", self.take(8 * rows)))

    def maps(self, rows: int) -> list[list[tuple[str, str]]]:
        ends = self.ends(rows)
        total = ends[-1] if ends else 0
        keys = [self.text() for _ in range(total)]
        pairs = list(zip(keys, [self.text() for _ in range(total)], strict=True))
        return cut(pairs, ends)

    def done(self) -> bool:
        return self.position == len(self.data)


def cut(items: list[T], ends: list[int]) -> list[list[T]]:
    return [items[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@given(st.integers(min_value=0, max_value=2**63))
def test_sizes_are_variable_length_integers(size: int) -> None:
    assert Reader(size_prefix(size)).varint() == size


@given(st.lists(st.text(max_size=200)))
def test_strings(values: list[str]) -> None:
    column = Strings()
    for value in values:
        column.add(value)
    reader = Reader(column.encode())
    assert [reader.text() for _ in values] == values
    assert reader.done()


@given(st.lists(PAIRS))
def test_maps(values: list[list[tuple[str, str]]]) -> None:
    column = Maps()
    for value in values:
        column.add(value)
    reader = Reader(column.encode())
    assert reader.maps(len(values)) == values
    assert reader.done()


@given(st.lists(st.lists(PAIRS, max_size=3)))
def test_arrays_of_maps(values: list[list[list[tuple[str, str]]]]) -> None:
    column = MapArrays()
    for value in values:
        column.add(value)
    reader = Reader(column.encode())
    ends = reader.ends(len(values))
    assert cut(reader.maps(ends[-1] if ends else 0), ends) == values
    assert reader.done()


@given(st.lists(st.lists(st.text(max_size=5), max_size=3)))
def test_arrays_of_strings(values: list[list[str]]) -> None:
    column = StringArrays()
    for value in values:
        column.add(value)
    reader = Reader(column.encode())
    ends = reader.ends(len(values))
    assert cut([reader.text() for _ in range(ends[-1] if ends else 0)], ends) == values
    assert reader.done()


@given(st.lists(st.lists(st.floats(allow_nan=False), max_size=3)))
def test_arrays_of_numbers(values: list[list[float]]) -> None:
    column = NumberArrays("Float64", "d")
    for value in values:
        column.add(value)
    assert column.kind == "Array(Float64)"
    reader = Reader(column.encode())
    ends = reader.ends(len(values))
    total = ends[-1] if ends else 0
    assert cut(list(struct.unpack(f"<{total}d", reader.take(8 * total))), ends) == values


def test_a_block_names_its_columns_and_states_its_rows() -> None:
    numbers, names = Numbers("UInt32", "I"), Strings()
    for number in range(300):
        numbers.add(number)
        names.add(f"n{number}")
    block = encode_block({"id": numbers, "name": names}, 300)
    reader = Reader(block)
    assert (reader.varint(), reader.varint()) == (2, 300)
    assert (reader.text(), reader.text()) == ("id", "UInt32")
    assert struct.unpack("<300I", reader.take(1200)) == tuple(range(300))
    assert (reader.text(), reader.text()) == ("name", "String")
    assert native_rows(block) == 300
