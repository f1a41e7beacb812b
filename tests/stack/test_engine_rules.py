"""The engine's configuration, its version rule, the data directory and sessions, without it."""

import os
import stat
import threading
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spanledger.stack import AlreadyRunning, DataDirNotWritable, default_data_dir
from spanledger.stack._engine_config import is_newer, server_xml, users_xml
from spanledger.stack._files import DataDir, hold_lock, is_locked, lock_owner, write_private
from spanledger.stack._info import DaemonRecord, decode_record, describe, encode_record
from spanledger.stack._sessions import MAX_SESSIONS, Sessions

RECORD = DaemonRecord(7, 8123, 4318, None, "26.9.2.1", "2026-01-02T03:04:05+00:00")


@pytest.mark.parametrize(
    ("stored", "running", "newer"),
    [
        ("26.9.2.1", "26.9.2.1", False),
        ("26.9.9.9", "26.9.2.1", False),
        ("26.10.1.1", "26.9.2.1", True),
        ("27.1.1.1", "26.12.1.1", True),
        ("25.8", "26.9.2.1", False),
    ],
)
def test_a_later_release_is_newer_a_patch_is_not(stored: str, running: str, newer: bool) -> None:
    assert is_newer(stored, running) is newer


def test_the_configuration_is_xml_without_grants_that_reach_outside() -> None:
    users = ElementTree.fromstring(users_xml())  # noqa: S314  # our own text
    grants = users.findtext("users/default/grants/query") or ""
    assert not {"FILE", "URL", "S3", "REMOTE", "SHUTDOWN", "ALL"} & set(
        grants.replace(",", " ").split()
    )
    server = ElementTree.fromstring(server_xml("u.xml", Path("/b"), 1 << 30))  # noqa: S314  # our own text
    assert server.findtext("max_server_memory_usage") == str(1 << 30)
    assert server.findtext("users_config") == "u.xml"


def test_the_record_survives_its_file_and_a_broken_one_is_none() -> None:
    assert decode_record(encode_record(RECORD)) == RECORD
    assert decode_record(encode_record(RECORD)[:-20]) is None
    assert decode_record("{}") is None
    assert decode_record("[]") is None


def test_the_token_is_in_the_address_but_not_in_the_repr() -> None:
    info = describe(RECORD, Path("/data"), "s3cret")
    assert info.clickhouse_url == "http://spanledger:s3cret@127.0.0.1:8123/spanledger"
    assert "s3cret" not in repr(info)
    assert (info.otlp_endpoint, info.grpc_endpoint) == ("http://127.0.0.1:4318", None)


def test_the_data_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANLEDGER_DATA_DIR", "/somewhere/else")
    assert default_data_dir() == Path("/somewhere/else")
    monkeypatch.delenv("SPANLEDGER_DATA_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", "/xdg")
    assert default_data_dir() == Path("/xdg/spanledger")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert default_data_dir() == Path.home() / ".local/share/spanledger"


def test_private_files_are_the_owner_s_alone_from_the_first_moment(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "new")
    data.create()
    token = data.ensure_token()
    assert data.ensure_token() == token
    assert len(token) >= 40
    write_private(data.record, "{}")
    assert stat.S_IMODE(data.path.stat().st_mode) == 0o700
    assert [stat.S_IMODE(p.stat().st_mode) for p in (data.token, data.record)] == [0o600, 0o600]


def test_a_token_file_that_others_can_read_is_closed(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    data.token.write_text("known\n")
    data.token.chmod(0o644)
    assert data.ensure_token() == "known"
    assert stat.S_IMODE(data.token.stat().st_mode) == 0o600


def test_a_data_directory_that_can_not_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirNotWritable, match="SPANLEDGER_DATA_DIR"):
        DataDir(tmp_path / "file" / "data").create()


def test_the_lock_has_one_owner_and_names_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert not is_locked(lock)
    with hold_lock(lock):
        assert lock_owner(lock) == os.getpid()
        with pytest.raises(AlreadyRunning, match=str(os.getpid())), hold_lock(lock):
            pass
    assert lock_owner(lock) is None


def test_a_lock_file_that_a_dead_process_left_is_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("999999\n")
    assert lock_owner(lock) is None
    with hold_lock(lock):
        assert lock.read_text() == f"{os.getpid()}\n"


class FakeConnection:
    """Stands for an engine connection: all that sessions do with one is close it."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> "FakeConnection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Now:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def sessions(now: Now) -> Sessions:
    return Sessions(FakeConnection, now)  # type: ignore[arg-type]  # only closed, never queried


def test_a_session_gets_its_connection_with_its_first_state() -> None:
    all_sessions = sessions(Now())
    with all_sessions.use("s", 60, keeps_state=False) as (first, kept):
        assert not kept
    assert first.closed  # type: ignore[attr-defined]  # the fake's
    with all_sessions.use("s", 60, keeps_state=True) as (second, kept):
        assert kept
    with all_sessions.use("s", 60, keeps_state=False) as (third, kept):
        assert kept
        assert third is second
    with all_sessions.use(None, 60, keeps_state=True) as (_, kept):
        assert not kept


def test_a_session_ends_after_its_timeout() -> None:
    now = Now()
    all_sessions = sessions(now)
    with all_sessions.use("s", 60, keeps_state=True) as (old, _):
        pass
    now.s = 61
    with all_sessions.use("s", 60, keeps_state=False) as (_, kept):
        assert not kept
    assert old.closed  # type: ignore[attr-defined]  # the fake's


def test_the_longest_unused_session_makes_room() -> None:
    all_sessions = sessions(Now())
    for number in range(MAX_SESSIONS + 1):
        with all_sessions.use(str(number), 60, keeps_state=True):
            pass
    with all_sessions.use("0", 60, keeps_state=False) as (_, kept):
        assert not kept
    with all_sessions.use("1", 60, keeps_state=False) as (_, kept):
        assert kept


def test_statements_of_one_session_wait_for_one_another() -> None:
    all_sessions = sessions(Now())
    inside, order = threading.Event(), []

    def second() -> None:
        inside.wait(10)
        with all_sessions.use("s", 60, keeps_state=False):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with all_sessions.use("s", 60, keeps_state=True):
        inside.set()
        thread.join(0.05)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    all_sessions.close()
