"""The spool on disk: order, room, damage, and what dead processes leave."""

import errno
import os
import resource
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from spanledger.processors import SpoolState, spool_state
from spanledger.processors.spool import DiskSpool, Entry, destination_name
from tests.processors._spooling import (
    MB,
    add,
    entry,
    segments,
    small_disk,
    spool,
    take,
    take_all,
)

REPOSITORY = Path(__file__).parents[2]


def test_what_is_spooled_comes_out_in_order_and_leaves_nothing(tmp_path: Path) -> None:
    one, entries = spool(tmp_path / "spool"), [entry(items) for items in (1, 2, 3)]
    add(one, *entries)
    assert one.pending == 6
    assert take_all(one) == entries
    assert one.pending == 0
    one.close()
    assert list((tmp_path / "spool").glob("*/*")) == []


def test_no_file_is_touched_before_the_first_entry(tmp_path: Path) -> None:
    one = spool(tmp_path / "spool")
    assert take(one) == []
    assert one.adopt() == 0
    one.close()
    assert list(tmp_path.iterdir()) == []


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """Folders 0700, files 0600, whatever the umask is; a folder that is too open is closed."""
    root = tmp_path / "deep" / "spool"
    root.mkdir(parents=True, mode=0o755)
    old = os.umask(0)
    try:
        one = spool(root)
        add(one, entry())
    finally:
        os.umask(old)
    for path in (root, *root.rglob("*")):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path
    one.close()


def test_what_is_not_acknowledged_stays(tmp_path: Path) -> None:
    one, entries = spool(tmp_path), [entry() for _ in range(4)]
    add(one, *entries)
    portion = one.next(most_items=2, most_bytes=MB)
    assert portion is not None
    one.keep(portion)
    assert take(one, most_items=2) == entries[:2]
    assert take_all(one) == entries[2:]


def test_a_portion_is_bounded_in_items_and_in_bytes(tmp_path: Path) -> None:
    one = spool(tmp_path)
    add(one, *[entry(items=10, size=1000) for _ in range(10)])
    assert len(take(one, most_items=25)) == 2
    assert len(take(one, most_bytes=3500)) == 3


def test_delivered_entries_free_the_disk_at_once(tmp_path: Path) -> None:
    """While the collector listens, what is written hardly ever gets to the disk itself."""
    one = spool(tmp_path)
    for _ in range(5):
        add(one, entry(size=100_000))
        take_all(one)
        assert spool_state(tmp_path).bytes < 100
    add(one, *[entry(size=900_000) for _ in range(12)])
    assert len(segments(tmp_path)) > 2
    take_all(one)
    assert len(segments(tmp_path)) == 1


def test_when_it_is_full_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    one = spool(tmp_path, max_bytes=MB)
    entries = [entry(items=2, size=50_000) for _ in range(40)]
    dropped = sum(add(one, each) for each in entries)
    assert spool_state(tmp_path).bytes <= MB
    kept = take_all(one)
    assert kept == entries[-len(kept) :]
    assert dropped == 2 * (40 - len(kept))
    assert len(kept) >= 14


def test_what_is_on_its_way_is_not_dropped_for_others(tmp_path: Path) -> None:
    """It would be delivered, and counted as dropped."""
    one = spool(tmp_path, max_bytes=MB)
    first = entry(size=50_000)
    add(one, first)
    portion = one.next(most_items=1, most_bytes=MB)
    assert portion is not None
    add(one, *[entry(size=50_000) for _ in range(60)])
    assert portion.entries == (first,)
    assert one.acknowledge(portion)
    one.close()


def test_all_processes_share_the_room(tmp_path: Path) -> None:
    """Live ones keep what they have; a third that finds no room says so."""
    busy = spool(tmp_path, max_bytes=MB)
    add(busy, *[entry(size=100_000) for _ in range(10)])
    late = spool(tmp_path, max_bytes=MB)
    with pytest.raises(OSError, match="spool is full"):
        add(late, entry(size=100_000))
    assert late.pending == 0
    take_all(busy, adopt=False)
    assert add(late, entry(size=100_000)) == 0
    late.close()
    busy.close()


def test_orphans_make_room_first_whatever_their_destination(tmp_path: Path) -> None:
    """They are older than anything of a process that runs, and may never be sent."""
    dead = spool(tmp_path, max_bytes=MB, destination="elsewhere")
    add(dead, *[entry(items=3, size=100_000) for _ in range(9)])
    dead.close()
    one = spool(tmp_path, max_bytes=MB)
    entries = [entry(size=100_000) for _ in range(9)]
    dropped = sum(add(one, each) for each in entries)
    assert dropped % 3 == 0
    assert dropped >= 24
    assert take_all(one, adopt=False) == entries
    one.close()


def test_what_a_process_left_is_adopted_by_exactly_one(tmp_path: Path) -> None:
    """However many look for it at the same moment."""
    for _ in range(20):
        dead, entries = spool(tmp_path), [entry() for _ in range(5)]
        add(dead, *entries)
        dead.close()
        start = threading.Barrier(8)
        heirs, adopted = [spool(tmp_path) for _ in range(8)], list[int]()

        def adopt(heir: DiskSpool, start: threading.Barrier = start) -> None:
            start.wait()
            adopted.append(heir.adopt())  # noqa: B023 - of this round: the threads end in it

        threads = [threading.Thread(target=adopt, args=(heir,)) for heir in heirs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(adopted) == [0] * 7 + [5]
        heir = next(one for one in heirs if one.pending)
        assert take_all(heir) == entries
        assert list(tmp_path.glob("*/*")) == []


def test_a_process_that_lives_is_left_alone(tmp_path: Path) -> None:
    owner, other = spool(tmp_path), spool(tmp_path)
    add(owner, entry())
    assert other.adopt() == 0
    assert take(other) == []
    owner.close()
    assert other.adopt() == 1
    other.close()


def test_what_was_meant_for_another_collector_or_tenant_is_not_adopted(tmp_path: Path) -> None:
    names = {
        destination_name("http://a:4318", {}),
        destination_name("http://b:4318", {}),
        destination_name("http://a:4318", {"X-Tenant": "blue"}),
        destination_name("http://a:4318", {"X-Tenant": "red"}),
    }
    assert len(names) == 4
    assert "blue" not in "".join(names)
    first, second = sorted(names)[:2]
    dead = spool(tmp_path, destination=first)
    add(dead, entry())
    dead.close()
    assert spool(tmp_path, destination=second).adopt() == 0
    assert spool(tmp_path, destination=first).adopt() == 1


def test_delivered_entries_of_a_dead_process_are_not_sent_again(tmp_path: Path) -> None:
    """Its cursor says how far it came."""
    dead, entries = spool(tmp_path), [entry() for _ in range(6)]
    add(dead, *entries)
    assert take(dead, most_items=4) == entries[:4]
    dead.close()
    assert take_all(spool(tmp_path)) == entries[4:]


@pytest.mark.parametrize("cut", [1, 50, 115, 116])
def test_a_torn_tail_is_cut_and_the_rest_adopted(tmp_path: Path, cut: int) -> None:
    dead, entries = spool(tmp_path), [entry(), entry()]
    add(dead, *entries)
    dead.close()
    [file] = segments(tmp_path)
    os.truncate(file, file.stat().st_size - cut)
    assert spool_state(tmp_path).items == 1
    heir = spool(tmp_path)
    assert heir.adopt() == 1
    assert take(heir) == entries[:1]


def test_an_entry_that_is_damaged_is_counted_and_the_rest_sent(tmp_path: Path) -> None:
    dead, entries = spool(tmp_path), [entry(items=2), entry(items=3), entry(items=4)]
    add(dead, *entries)
    dead.close()
    [file] = segments(tmp_path)
    file.write_bytes(file.read_bytes().replace(entries[1].body, b"!" * 100))
    heir = spool(tmp_path)
    assert heir.adopt() == 9
    portion = heir.next(most_items=100, most_bytes=MB)
    assert portion is not None
    assert portion.entries == (entries[0], entries[2])
    assert portion.corrupt == 3
    assert heir.acknowledge(portion)
    assert heir.pending == 0


@pytest.mark.parametrize("content", [b"", b"half a he", b"\0" * 4096])
def test_a_segment_without_anything_sound_in_it_harms_nobody(
    tmp_path: Path, content: bytes
) -> None:
    """As a crash leaves it between the making of a file and its first entry."""
    folder = tmp_path / "here" / "1-dead"
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    (folder / "00000001.seg").write_bytes(content)
    one = spool(tmp_path)
    assert one.adopt() == 0
    assert spool_state(tmp_path).items == 0
    # What may be of a later version is left where it is.
    assert (folder / "00000001.seg").exists() is (len(content) > 32)


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"keep me")
    folder = tmp_path / "spool" / "here" / "1-dead"
    folder.mkdir(parents=True)
    (folder / "lock").symlink_to(precious)
    (folder / "00000001.seg").symlink_to(precious)
    one = spool(tmp_path / "spool")
    assert one.adopt() == 0
    add(one, entry())
    one.close()
    assert precious.read_bytes() == b"keep me"


def test_a_spool_that_is_removed_while_it_is_used_begins_anew(tmp_path: Path) -> None:
    """What was open can still be read; what comes after is safe again."""
    root = tmp_path / "spool"
    one, before, after = spool(root), entry(), entry()
    add(one, before)
    shutil.rmtree(root)
    add(one, after)
    assert spool_state(root).items == 1
    assert take(one) == [before]
    assert take(one) == [after]
    one.close()


def test_segments_that_are_gone_are_counted_as_unreadable(tmp_path: Path) -> None:
    one = spool(tmp_path, max_bytes=MB)
    add(one, *[entry(items=2, size=100_000) for _ in range(6)])
    segments(tmp_path)[0].unlink()
    portion = one.next(most_items=100, most_bytes=MB)
    assert portion is not None
    assert (portion.entries, portion.corrupt) == ((), 4)
    assert one.acknowledge(portion)
    assert sum(each.items for each in take_all(one)) == 8


def _fill(one: DiskSpool, kept: list[Entry]) -> None:
    while True:
        each = entry(size=30_000)
        add(one, each)
        kept.append(each)


def test_a_disk_that_fills_up_is_an_error_and_takes_nothing_half(tmp_path: Path) -> None:
    """Really: a file system of one megabyte."""
    with small_disk(tmp_path / "disk") as disk:
        one, kept = spool(disk / "spool"), list[Entry]()
        with pytest.raises(OSError, match="No space") as caught:
            _fill(one, kept)
        assert caught.value.errno == errno.ENOSPC
        assert len(kept) > 20
        assert take_all(one) == kept
        again = entry(size=30_000)
        add(one, again)
        assert take_all(one) == [again]
        one.close()


def test_a_limit_on_file_sizes_is_an_error_like_any_other(tmp_path: Path) -> None:
    """As `ulimit -f` sets it; the write that meets it is only made in part."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    one, small, large = spool(tmp_path), entry(size=1000), entry(size=100_000)
    add(one, small)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            add(one, large)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert segments(tmp_path)[0].stat().st_size == 32 + 16 + 1000
    add(one, large)
    assert take_all(one) == [small, large]


@pytest.mark.parametrize("place", ["a file", "read only", "of another user"])
def test_a_place_that_can_not_be_used_is_an_error(tmp_path: Path, place: str) -> None:
    """Never a crash, and never somebody else's folder."""
    root = tmp_path / "disk" / "spool"
    with small_disk(tmp_path / "disk") as disk:
        if place == "a file":
            root.touch()
        elif place == "of another user":
            root.mkdir()
            os.chown(root, 12345, 12345)
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        one = spool(root)
        with pytest.raises(OSError):  # noqa: PT011 - which one is the system's business
            add(one, entry())
        assert one.pending == 0
        one.close()


def test_the_state_of_a_spool_can_be_read_while_it_is_used(tmp_path: Path) -> None:
    """Without a trace: neither locks nor files change."""
    assert spool_state(tmp_path / "nowhere") == SpoolState()
    live, dead = spool(tmp_path), spool(tmp_path, destination="there")
    add(live, entry(items=2), entry(items=3))
    add(dead, entry(items=4))
    dead.close()
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    state = spool_state(tmp_path)
    assert (state.items, state.segments, state.live, state.orphans) == (9, 2, 1, 1)
    assert state.oldest_s is not None
    assert state.bytes == sum(path.stat().st_size for path in segments(tmp_path))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == files
    take(live, most_items=2)
    assert spool_state(tmp_path).items == 7
    live.close()


CHILD = """
import sys
from pathlib import Path
from tests.processors._spooling import add, entry, spool
one = spool(Path(sys.argv[1]))
while True:
    each = entry(size=1500)
    add(one, each)
    sys.stdout.buffer.write(each.body[:8])
    sys.stdout.flush()
"""


def test_no_entry_that_was_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    """Again and again, in the midst of writing."""
    for number in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, cwd=REPOSITORY
        )
        assert child.stdout is not None
        acknowledged = child.stdout.read(8 * (100 + 37 * number))
        child.kill()
        acknowledged += child.stdout.read()
        child.wait()
        child.stdout.close()
        found = [each.body[:8] for each in take_all(spool(tmp_path))]
        wanted = [acknowledged[at : at + 8] for at in range(0, len(acknowledged) - 7, 8)]
        assert found[: len(wanted)] == wanted
        # One more may have been written whose acknowledgement did not get out.
        assert len(found) - len(wanted) in {0, 1}
        assert segments(tmp_path) == []
