"""A ledger file that can't be used: refused in time, told why, and nothing that is owed lost."""

import asyncio
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spanledger.guard.ledger import Counter, Demand, Key
from spanledger.guard.stores import Grant, SqliteStore, StoreUnavailable
from spanledger.guard.stores._sqlite_journal import Late, SettlementJournal
from spanledger.guard.stores._sqlite_place import NETWORK_FILE_SYSTEMS, mounted_type

A = Key("a", "", 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger" / "ledger.db"


def _make(path: Path) -> None:
    """A ledger file, with nothing in it."""
    SqliteStore(path).put_rule("none", None)


def _reserve(store: SqliteStore, rid: str, amount: int = 4) -> Grant:
    demand = Demand(A, "tokens", 100, amount)
    return store.reserve(rid, [demand], lease_s=600.0, max_wait_s=0.0)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def _late_files(path: Path) -> list[Path]:
    return list(path.parent.glob("*-late.*"))


# --- locked ----------------------------------------------------------------------------------


def test_a_file_that_is_locked_for_a_while_is_waited_for(path: Path) -> None:
    """A backup, or a shell."""
    store = SqliteStore(path)
    _reserve(store, "first")
    with _locked(path):
        release = threading.Timer(0.3, lambda: None)
        waiter = threading.Thread(target=_reserve, args=(store, "r"))
        waiter.start()
        release.start()
        release.join()
        assert waiter.is_alive()
    waiter.join(10.0)
    assert store.read(A) == Counter(reserved=8)


@pytest.mark.slow
def test_a_file_that_is_locked_for_two_seconds_is_waited_for(path: Path) -> None:
    """With the time-out that is the default."""
    store = SqliteStore(path)
    _reserve(store, "first")
    done: list[float] = []

    def settle() -> None:
        began = time.monotonic()
        assert store.settle("first", lambda _: 3)
        done.append(time.monotonic() - began)

    waiter = threading.Thread(target=settle)
    with _locked(path):
        waiter.start()
        waiter.join(2.0)
        assert waiter.is_alive()
    waiter.join(10.0)
    assert 2.0 <= done[0] < 4.0
    assert store.read(A) == Counter(spent=3)
    assert _late_files(path) == []


def test_a_file_that_stays_locked_refuses_within_the_time_out_and_says_what_to_do(
    path: Path,
) -> None:
    """Nothing is held then."""
    store = SqliteStore(path, busy_timeout_s=0.1)
    _reserve(store, "first")
    with _locked(path):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"locked.*Another process holds it"):
            _reserve(store, "r")
        assert 0.1 <= time.monotonic() - began < 2.0
    assert store.read(A) == Counter(reserved=4)


def test_a_settlement_that_can_not_be_written_is_kept_and_charged_with_the_next_success(
    path: Path,
) -> None:
    """Once, however often it is settled."""
    store = SqliteStore(path, busy_timeout_s=0.05)
    _reserve(store, "r")
    with _locked(path):
        assert store.settle("r", lambda _: 3) is True
        assert len(_late_files(path)) == 1
        assert store.settle("r", lambda _: 3) is False
        assert store.flush(1.0) is False
    assert store.flush(1.0) is True
    assert store.read(A) == Counter(spent=3)
    assert store.settle("r", lambda _: 3) is False
    assert store.read(A) == Counter(spent=3)
    assert _late_files(path) == []


def test_a_kept_settlement_of_a_call_whose_lease_ended_corrects_its_charge(path: Path) -> None:
    """Late is not never."""
    now = [1000.0]
    store = SqliteStore(path, busy_timeout_s=0.05, clock=lambda: now[0])
    _reserve(store, "r")
    with _locked(path):
        store.settle("r", lambda _: 1)
    other = SqliteStore(path, clock=lambda: 1601.0)
    assert other.sweep() == ["r"]
    assert other.read(A) == Counter(spent=4)
    assert store.flush(1.0)
    assert other.read(A) == Counter(spent=1)
    assert [c.kind for c in other.settlements()] == ["expired", "corrected"]


async def test_a_settlement_on_an_event_loop_is_kept_too(path: Path) -> None:
    """The writer thread does it."""
    store = SqliteStore(path, busy_timeout_s=0.05)
    await asyncio.to_thread(_reserve, store, "r")
    with _locked(path):
        assert store.settle("r", lambda _: 3)
        with pytest.raises(StoreUnavailable):
            await store.reserve_async(
                "next", [Demand(A, "tokens", 100, 4)], lease_s=60.0, max_wait_s=0.0
            )
    assert await asyncio.to_thread(store.flush)
    assert store.read(A) == Counter(spent=3)


def test_a_settlement_that_was_handed_over_at_the_very_end_is_not_lost(path: Path) -> None:
    """Neither at the end of a program, nor at that of a `multiprocessing` child."""
    program = f"""
import asyncio, multiprocessing
from spanledger.guard.ledger import Demand, Key
from spanledger.guard.stores import SqliteStore
store = SqliteStore({str(path)!r}, busy_timeout_s=0.2)
A = Key("a", "", 0)

async def work(rid):
    await store.reserve_async(rid, [Demand(A, "tokens", 100, 4)], lease_s=600.0, max_wait_s=0.0)
    for _ in range(200):
        store.forget("none", 0)
    store.settle(rid, lambda _: 3)

def child():
    asyncio.run(work("child"))

asyncio.run(work("main"))
process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join()
asyncio.run(work("last"))
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert SqliteStore(path).read(A) == Counter(spent=9)


def test_a_settlement_that_is_stuck_at_the_end_is_journalled(path: Path) -> None:
    """The program ends in time, and the next one charges it."""
    program = f"""
import asyncio, sqlite3
from spanledger.guard.ledger import Demand, Key
from spanledger.guard.stores import SqliteStore
store = SqliteStore({str(path)!r}, busy_timeout_s=600.0)
A = Key("a", "", 0)

async def work():
    for rid in "xy":
        await store.reserve_async(rid, [Demand(A, "tokens", 100, 4)], lease_s=600.0, max_wait_s=0.0)
    other = sqlite3.connect({str(path)!r}, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for rid in "xy":
        store.settle(rid, lambda _: 3)
    return other

other = asyncio.run(work())
"""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert time.monotonic() - began < 20
    assert len(_late_files(path)) == 1
    store = SqliteStore(path)
    _reserve(store, "next")
    assert store.read(A) == Counter(spent=6, reserved=4)


# --- gone, replaced, broken ------------------------------------------------------------------


def test_a_file_that_was_deleted_while_in_use_is_refused_and_not_made_anew(path: Path) -> None:
    """A ledger that begins again with nothing spent would be a budget that nobody gave."""
    store = SqliteStore(path)
    _reserve(store, "r")
    for file in path.parent.iterdir():
        file.unlink()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"deleted or replaced.*[Rr]estart"):
            _reserve(store, "next")
    assert not path.exists()
    assert store.settle("r", lambda _: 2) is True
    assert len(_late_files(path)) == 1


def test_a_file_that_was_replaced_while_in_use_is_refused(path: Path, tmp_path: Path) -> None:
    """By a copy, or by another process that began anew."""
    store, other = SqliteStore(path), SqliteStore(tmp_path / "other" / "ledger.db")
    _reserve(store, "r")
    _reserve(other, "r")
    other.close()
    os.replace(other.path, path)
    with pytest.raises(StoreUnavailable, match="deleted or replaced"):
        store.read(A)


def test_a_file_whose_log_was_left_behind_is_not_made_anew(path: Path) -> None:
    """The old log would be replayed into the new file."""
    store = SqliteStore(path)
    _reserve(store, "r")
    path.unlink()
    with pytest.raises(StoreUnavailable, match="write-ahead log"):
        SqliteStore(path).read(A)
    store.close()


def test_a_file_that_was_emptied_is_refused(path: Path) -> None:
    """Before its first use and in the midst of it."""
    store = SqliteStore(path)
    _reserve(store, "r")
    path.write_bytes(b"")
    for each in (store, SqliteStore(path)):
        with pytest.raises(StoreUnavailable, match="empty"):
            _reserve(each, "next")


def test_a_broken_file_is_refused_and_says_what_to_do(path: Path) -> None:
    """At the start, and while it is in use."""
    store = SqliteStore(path)
    _reserve(store, "r")
    store.close()
    size = path.stat().st_size
    running = SqliteStore(path)
    assert running.read(A) == Counter(reserved=4)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(size - 100))
    for each in (running, SqliteStore(path)):
        with pytest.raises(StoreUnavailable, match=r"Restore it from a backup"):
            _reserve(each, "next")
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreUnavailable, match=r"not a database.*Restore it"):
        SqliteStore(path).read(A)


def test_another_programs_database_is_refused_and_left_as_it_is(path: Path) -> None:
    """A mistake in the settings."""
    path.parent.mkdir(mode=0o700)
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    with pytest.raises(StoreUnavailable, match="not a ledger of Spanledger"):
        SqliteStore(path).read(A)
    assert path.read_bytes()[:15] == b"SQLite format 3"


def test_a_file_of_a_newer_spanledger_is_refused(path: Path) -> None:
    """Its tables may mean something else."""
    _make(path)
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version=99")
    other.close()
    with pytest.raises(StoreUnavailable, match=r"format 99 .*Update Spanledger"):
        SqliteStore(path).read(A)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a read-only directory")
def test_a_read_only_directory_is_refused(path: Path) -> None:
    """And settlements are kept in memory until it can be written again."""
    store = SqliteStore(path)
    _reserve(store, "r")
    store._file.close()
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        with pytest.raises(StoreUnavailable, match="right to write"):
            _reserve(store, "next")
        assert store.settle("r", lambda _: 3) is True
    finally:
        path.parent.chmod(0o700)
        path.chmod(0o600)
    assert store.flush()
    assert store.read(A) == Counter(spent=3)


def test_a_file_that_may_only_be_read_is_refused(path: Path) -> None:
    """SQLite's own switch stands for the rights, which do not bind everybody."""
    store = SqliteStore(path)
    _reserve(store, "r")
    store._ask(lambda c: c.execute("PRAGMA query_only=1"), None)
    with pytest.raises(StoreUnavailable, match=r"readonly.*right to write"):
        _reserve(store, "next")
    # With a fresh connection, which has the right.
    assert store.settle("r", lambda _: 3) is True
    assert store.read(A) == Counter(spent=3)


def test_a_full_disk_is_refused_and_settlements_are_charged_when_there_is_room(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own limit of pages stands for the disk; the journal finds none either."""
    store = SqliteStore(path)
    for number in range(4):
        _reserve(store, f"r{number}")
    pages = store._ask(lambda c: c.execute("PRAGMA page_count").fetchone()[0], None)
    store._ask(lambda c: c.execute(f"PRAGMA max_page_count={pages}").fetchone(), None)

    def full(*_args: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    big = Demand(Key("b", "x" * 20_000, 0), "tokens", 100, 1)
    with pytest.raises(StoreUnavailable, match=r"full.*make room"):
        store.reserve("big", [big], lease_s=600.0, max_wait_s=0.0)
    with _locked(path):
        store._file._busy_timeout_s = 0.05
        assert store.settle("r0", lambda _: 1) is True
        assert _late_files(path) == [] or _late_files(path)[0].stat().st_size == 0
    monkeypatch.undo()
    assert store.flush()
    assert store.read(A) == Counter(spent=1, reserved=12)
    assert _late_files(path) == []


# --- where it may lie ------------------------------------------------------------------------


def test_a_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    """It could be turned to another ledger."""
    _make(path)
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with pytest.raises(StoreUnavailable, match="symbolic link"):
        SqliteStore(link).read(A)


def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    """They could put another file in its place."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(StoreUnavailable, match=r"0777.*directory of its own"):
        _make(shared / "ledger.db")
    assert list(shared.iterdir()) == []


def test_rights_of_others_are_taken_from_a_file_that_has_them(path: Path) -> None:
    """A copy that was made with another umask."""
    _make(path)
    path.chmod(0o644)
    SqliteStore(path).read(A)
    assert path.stat().st_mode & 0o777 == 0o600


MOUNTS = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
40 22 0:35 / /home rw - nfs4 server:/home rw
41 40 254:2 / /home/me/local rw - xfs /dev/vdb rw
42 22 0:36 / /mnt/with\\040blank rw shared:7 - fuse.sshfs me@host: rw
43 22 0:37 / /mnt/with\\040blank/deeper rw - tmpfs tmpfs rw
44 40 0:38 / /home rw - cifs //server/home rw
broken line
"""


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/", "ext4"),
        ("/homework", "ext4"),
        ("/home/me", "cifs"),
        ("/home/me/local/x", "xfs"),
        ("/mnt/with blank", "fuse.sshfs"),
        ("/mnt/with blank/deeper/x", "tmpfs"),
    ],
)
def test_the_file_system_is_that_of_the_innermost_and_latest_mount(
    directory: str, kind: str
) -> None:
    """As the kernel lists them."""
    assert mounted_type(MOUNTS, directory) == kind


def test_a_network_file_system_is_refused(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's locks do not hold there."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text("22 1 254:1 / / rw - nfs4 server:/ rw\n")
    monkeypatch.setattr("spanledger.guard.stores._sqlite_place._MOUNTS", mounts)
    with pytest.raises(StoreUnavailable, match=r"nfs4.*Redis"):
        _make(path)
    assert "nfs4" in NETWORK_FILE_SYSTEMS


# --- the journal of late settlements ---------------------------------------------------------


def _all(journal: SettlementJournal) -> list[Late]:
    found: list[Late] = []
    journal.replay(found.extend)
    return found


def test_late_settlements_come_back_as_they_were(tmp_path: Path) -> None:
    """And are gone then."""
    journal = SettlementJournal(tmp_path / "ledger.db")
    late = [Late("r1", 1.5, ((A, 10**20),), True), Late("r2", 2.0, ((Key("ü", "\n", 1), 0),))]
    for one in late:
        journal.append(one)
    assert journal.pending
    assert _all(journal) == late
    assert not journal.pending
    assert list(tmp_path.iterdir()) == []


def test_late_settlements_stay_when_they_can_not_be_charged(tmp_path: Path) -> None:
    """Until they can."""
    journal = SettlementJournal(tmp_path / "ledger.db")
    journal.append(Late("r1", 1.5, ((A, 1),)))

    def fails(_late: object) -> None:
        raise StoreUnavailable("x", "down", "wait")

    with pytest.raises(StoreUnavailable):
        journal.replay(fails)
    assert [one.reservation_id for one in _all(journal)] == ["r1"]


def test_a_torn_line_is_left_out_and_the_others_are_read(tmp_path: Path) -> None:
    """It was never acknowledged."""
    torn = tmp_path / "ledger.db-late.1.dead"
    writer = SettlementJournal(tmp_path / "ledger.db")
    writer.append(Late("r1", 1.5, ((A, 1),)))
    (own,) = tmp_path.iterdir()
    torn.write_bytes(own.read_bytes() + own.read_bytes()[:-9])
    found: list[Late] = []
    SettlementJournal(tmp_path / "ledger.db").adopt(found.extend)
    assert [one.reservation_id for one in found] == ["r1"]
    assert not torn.exists()
    # The writer still holds its own.
    assert own.exists()


def test_a_refused_store_can_be_sent_between_processes() -> None:
    """With all that it says."""
    error = StoreUnavailable("/x/ledger.db", "it is gone", "Bring it back.")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert str(again) == str(error)
    assert (again.store, again.problem, again.advice) == (error.store, error.problem, error.advice)


def test_a_closed_store_is_refused(path: Path) -> None:
    """And says so."""
    store = SqliteStore(path)
    _reserve(store, "r")
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.read(A)
