"""Segments as bytes: what is written is read, and damage is noticed."""

from hypothesis import given
from hypothesis import strategies as st

from spanledger.processors.spool.layout import (
    ENTRY_HEAD_BYTES,
    HEAD_BYTES,
    Entry,
    Signal,
    pack_entry_head,
    pack_head,
    scan,
    unpack_head,
)

SIGNALS = st.sampled_from(["traces", "logs"])
ENTRIES = st.builds(Entry, SIGNALS, st.integers(1, 512), st.binary(min_size=1, max_size=200))


def written(entries: list[Entry]) -> bytes:
    return b"".join(pack_entry_head(entry) + entry.body for entry in entries)


@given(entries=st.lists(ENTRIES, max_size=10))
def test_what_is_written_is_read(entries: list[Entry]) -> None:
    found = scan(written(entries))
    assert found.entries == entries
    assert found.length == len(written(entries))
    assert found.items == sum(entry.items for entry in entries)
    assert found.corrupt == 0


@given(entries=st.lists(ENTRIES, min_size=1, max_size=10), data=st.data())
def test_a_torn_tail_costs_no_whole_entry(entries: list[Entry], data: st.DataObject) -> None:
    """Wherever the write was interrupted."""
    whole = written(entries)
    cut = data.draw(st.integers(0, len(whole)))
    found = scan(whole[:cut])
    assert found.entries == entries[: len(found.entries)]
    assert found.length == len(written(found.entries)) <= cut
    assert len(written(entries[: len(found.entries) + 1])) > cut or found.entries == entries
    assert found.corrupt == 0


@given(entries=st.lists(ENTRIES, min_size=1, max_size=10), data=st.data())
def test_a_flipped_bit_never_gets_through(entries: list[Entry], data: st.DataObject) -> None:
    """The entries before it are read; what is read of those after it is as it was written."""
    whole = bytearray(written(entries))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    # The last three bytes of a head say nothing.
    whole[bit // 8] ^= 1 << (bit % 8)
    before = next(n for n in range(len(entries)) if len(written(entries[: n + 1])) > bit // 8)
    padding = bit // 8 - len(written(entries[:before])) in range(13, ENTRY_HEAD_BYTES)
    found = scan(bytes(whole))
    assert found.entries[:before] == entries[:before]
    assert all(entry in entries for entry in found.entries)
    assert len(found.entries) == len(entries) if padding else len(found.entries) < len(entries)


def test_damage_in_a_body_costs_that_entry_alone() -> None:
    signal: Signal = "logs"
    entries = [Entry(signal, 3, b"first"), Entry(signal, 5, b"second"), Entry(signal, 7, b"third")]
    whole = written(entries).replace(b"second", b"sEcond")
    found = scan(whole)
    assert [entry.items for entry in found.entries] == [3, 7]
    assert found.corrupt == 5


def test_a_number_of_items_that_nobody_wrote_is_not_believed() -> None:
    body = bytearray(written([Entry("traces", 1, b"x")]))
    body[8:12] = b"\xff\xff\xff\xff"
    assert scan(bytes(body)).corrupt == 4096


def test_zeros_are_the_end() -> None:
    """A power cut leaves them behind what was written through."""
    entries = [Entry("traces", 1, b"x")]
    found = scan(written(entries) + b"\0" * 100)
    assert found.entries == entries
    assert found.length == len(written(entries))


@given(entries=st.lists(ENTRIES, max_size=10), most=st.integers(1, 1000))
def test_so_many_items_are_read_or_one_entry(entries: list[Entry], most: int) -> None:
    """And reading on from there gives the rest."""
    whole, seen = written(entries), list[Entry]()
    while (found := scan(whole, most_items=most)).length:
        assert found.items <= most or len(found.entries) == 1
        seen += found.entries
        whole = whole[found.length :]
    assert seen == entries


@given(cursor=st.integers(HEAD_BYTES, 2**63))
def test_a_cursor_is_read_as_it_was_written(cursor: int) -> None:
    assert unpack_head(pack_head(cursor)) == cursor
    assert len(pack_head(cursor)) == HEAD_BYTES


@given(cursor=st.integers(HEAD_BYTES, 2**63), bit=st.integers(0, 20 * 8 - 1))
def test_a_damaged_head_means_the_first_entry_or_none_of_ours(cursor: int, bit: int) -> None:
    """What comes twice has an identity; what was never written by us is left alone."""
    head = bytearray(pack_head(cursor))
    head[bit // 8] ^= 1 << (bit % 8)
    assert unpack_head(bytes(head)) == (None if bit < 64 else HEAD_BYTES)
    assert unpack_head(bytes(head[:31])) is None
