"""What is on the disk before a request is answered."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.stack._journal import (
    Batch,
    Entry,
    Journal,
    decode,
    digest_of,
    encode,
    pack_batch,
    unpack_batch,
)


def an_entry(text: str) -> Entry:
    return Entry(digest_of((text.encode(),)), text.encode() * 10, False)


def a_batch(*texts: str) -> Batch:
    return Batch("traces", tuple(an_entry(text) for text in texts))


entries = st.builds(
    lambda body, as_json: Entry(digest_of((body,)), body, as_json), st.binary(), st.booleans()
)


@given(st.lists(entries, min_size=1, max_size=5), st.sampled_from(["traces", "logs", "metrics"]))
def test_a_batch_comes_back_as_it_was(found: list[Entry], signal: str) -> None:
    batch = Batch(signal, tuple(found))
    assert unpack_batch(pack_batch(batch)) == batch


@given(st.lists(st.binary(max_size=50), max_size=5), st.data())
def test_a_file_cut_anywhere_gives_the_records_that_are_whole(
    payloads: list[bytes], data: st.DataObject
) -> None:
    whole = [encode(b"B", payload) for payload in payloads]
    text = b"".join(whole)
    cut = data.draw(st.integers(0, len(text)))
    found = [payload for _, payload in decode(text[:cut])]
    ends = [sum(map(len, whole[: n + 1])) for n in range(len(whole))]
    assert found == payloads[: sum(end <= cut for end in ends)]


@given(st.binary(min_size=1, max_size=50), st.integers(0, 49), st.integers(1, 255))
def test_a_damaged_record_is_not_read(payload: bytes, place: int, change: int) -> None:
    text = bytearray(encode(b"B", payload))
    text[-1 - place % len(payload)] ^= change
    assert list(decode(bytes(text))) == []


def test_what_is_not_done_is_there_for_the_next_process(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    done, left = a_batch("a", "b"), a_batch("c")
    journal.append(done)
    journal.append(left)
    journal.done(done)
    found = Journal(tmp_path / "j").recover(trusted=True)
    assert found.open == [left]
    assert found.seen == [entry.digest for entry in done.entries]


def test_an_engine_that_lost_something_gets_everything_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    batch = a_batch("a")
    journal.append(batch, seen=[b"x" * 16])
    journal.done(batch)
    found = Journal(tmp_path / "j").recover(trusted=False)
    assert (found.open, found.seen) == ([batch], [])


def test_after_another_start_of_the_machine_everything_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "j")
    batch = a_batch("a")
    journal.append(batch, seen=[b"x" * 16])
    journal.done(batch)
    monkeypatch.setattr("spanledger.stack._journal._boot_id", lambda: b"another")
    found = Journal(tmp_path / "j").recover(trusted=True)
    assert (found.open, found.seen) == ([batch], [b"x" * 16])


def test_old_files_go_once_their_batches_are_in_and_their_digests_stay(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", segment_bytes=1)
    first, second = a_batch("a"), a_batch("b")
    journal.append(first)
    journal.done(first)
    journal.append(second, seen=[first.entries[0].digest])
    journal.tidy()
    assert len(list((tmp_path / "j").iterdir())) == 1
    assert Journal(tmp_path / "j").recover(trusted=True).seen == [first.entries[0].digest]


def test_a_file_with_a_batch_that_is_not_in_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", segment_bytes=1)
    journal.append(a_batch("a"))
    journal.append(a_batch("b"))
    journal.tidy()
    assert len(list((tmp_path / "j").iterdir())) == 2


def test_files_of_an_earlier_process_go_once_what_they_held_is_in(tmp_path: Path) -> None:
    left = a_batch("a")
    Journal(tmp_path / "j").append(left)
    journal = Journal(tmp_path / "j")
    journal.recover(trusted=True)
    journal.append(a_batch("b"))
    journal.tidy()
    assert len(list((tmp_path / "j").iterdir())) == 2
    journal.done(left)
    journal.tidy()
    assert len(list((tmp_path / "j").iterdir())) == 1


def test_a_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "j")
    journal.append(a_batch("a"))
    real, calls = os.write, [0]

    def half(fd: int, data: bytes) -> int:
        calls[0] += 1
        if calls[0] == 1:
            return real(fd, data[:20])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        with pytest.raises(OSError, match="space"):
            journal.append(a_batch("b"))
    journal.append(a_batch("c"))
    assert Journal(tmp_path / "j").recover(trusted=True).open == [a_batch("a"), a_batch("c")]


def test_the_token_of_one_request_is_its_digest_and_of_many_depends_on_their_order() -> None:
    assert a_batch("a").token == an_entry("a").digest.hex()
    assert len({a_batch("a").token, a_batch("a", "b").token, a_batch("b", "a").token}) == 3
