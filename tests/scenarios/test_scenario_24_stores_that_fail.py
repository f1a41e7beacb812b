"""The ledger's store is away, hangs, lost its data, or can't be written, while an agent works."""

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from spanledger import guard
from spanledger.guard import Budget, GuardUnavailable, Policy
from spanledger.guard.stores import SqliteStore
from spanledger.testing.providers import MockProvider, RecordedRequest, Reply
from tests._redis import RedisServer, redis_server
from tests.gate._gate import Gate, gated
from tests.guard._wait import until
from tests.scenarios._shared import DEMO, ask, books, client, used

POLICY = Policy((Budget("tokens", "tokens", 10_000),))
#: What is promised for a Redis that is away.
AT_MOST_S = 0.1

pytestmark = pytest.mark.usefixtures("demo_prices")


@contextmanager
def _kept_in(provider: MockProvider, store: str, folder: Path, **settings: Any) -> Iterator[Gate]:
    chosen = {"guard__store": store, "warehouse__data_dir": str(folder / "data"), **settings}
    with gated(provider, POLICY, **chosen) as gate:
        yield gate


@contextmanager
def _own_redis(folder: Path, *options: str) -> Iterator[RedisServer]:
    with redis_server(folder / "redis", *options) as server:
        yield server


def _refused_s(provider: MockProvider) -> float:
    """How long a refusal took."""
    began = time.perf_counter()
    with pytest.raises(GuardUnavailable):
        ask(client(provider))
    return time.perf_counter() - began


# --- Redis ------------------------------------------------------------------------------------


@contextmanager
def _refusing() -> Iterator[str]:
    with socket.socket() as bound:
        # Bound and not listening: refused, and nobody else can take the port.
        bound.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{bound.getsockname()[1]}/0"


@contextmanager
def _hanging() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.mark.parametrize("away", [_refusing, _hanging])
@pytest.mark.parametrize("on_down", ["fail_closed", "local_share", "fail_open"])
def test_scenario_24_a_redis_that_is_away_is_answered_for_by_policy_within_100_ms(
    provider: MockProvider, tmp_path: Path, away: Any, on_down: str
) -> None:
    """Nothing was ever seen of it, so that nobody knows a share of what was left."""
    provider.on(DEMO, used(5))
    with away() as url, _kept_in(provider, url, tmp_path, guard__on_store_down=on_down):
        ask_ = client(provider)
        if on_down == "fail_open":
            ask(ask_)
            assert provider.calls() == 1
            return
        # A busy machine may be slow at one moment, not each time.
        assert min(_refused_s(provider) for _ in range(3)) < AT_MOST_S
    assert provider.calls() == 0


def test_scenario_24_a_settlement_while_redis_hangs_is_journalled_and_replayed(
    provider: MockProvider, tmp_path: Path
) -> None:
    with _own_redis(tmp_path) as server:

        def freeze(_request: RecordedRequest) -> Reply:
            server.freeze()
            return used(5)

        provider.enqueue(freeze, used(5))
        with _kept_in(provider, server.url, tmp_path):
            until(lambda: _passes(provider))  # the host gets its answer all the same
            _refused_s(provider)
            server.thaw()
            until(lambda: _passes(provider))
            # 15 tokens each: of the call that was settled in between, and of the one after it.
            until(lambda: books() == {("tokens", ""): (30, 0)})
        assert provider.calls() == 2


def _refusal(provider: MockProvider) -> str:
    """Why a call is refused. (On a busy machine, also that no answer came within 50 ms.)"""
    with pytest.raises(GuardUnavailable) as refused:
        ask(client(provider))
    return str(refused.value)


def _passes(provider: MockProvider) -> bool:
    try:
        ask(client(provider))
    except GuardUnavailable:
        return False
    return True


def test_scenario_24_a_redis_that_comes_back_empty_is_refused(
    provider: MockProvider, tmp_path: Path
) -> None:
    """Known by its epoch: a budget that is set to 0 by accident would be no budget."""
    provider.on(DEMO, used(5))
    with _own_redis(tmp_path) as server:
        with _kept_in(provider, server.url, tmp_path):
            until(lambda: _passes(provider))
            server.command("FLUSHALL")
            until(lambda: "accept" in _refusal(provider))
        # The agent is started again.
        with _kept_in(provider, server.url, tmp_path), pytest.raises(GuardUnavailable):
            ask(client(provider))
    assert provider.calls() == 1


def test_scenario_24_a_redis_that_may_evict_budgets_is_refused(
    provider: MockProvider, tmp_path: Path
) -> None:
    options = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with _own_redis(tmp_path, *options) as server, _kept_in(provider, server.url, tmp_path):
        until(lambda: "maxmemory-policy" in _refusal(provider))
    assert provider.calls() == 0


# --- SQLite -------------------------------------------------------------------------------------


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Somebody else writes, and takes his time."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_scenario_24_a_file_that_is_locked_for_two_seconds_is_waited_for(
    provider: MockProvider, tmp_path: Path
) -> None:
    provider.on(DEMO, used(5))
    path = tmp_path / "own" / "ledger.sqlite"
    with _kept_in(provider, f"sqlite:{path}", tmp_path):
        ask(client(provider))
        with _locked(path):
            asked = threading.Thread(target=lambda: ask(client(provider)))
            asked.start()
            asked.join(2.0)
            assert asked.is_alive()
            assert provider.calls() == 1
        asked.join(10.0)
        assert provider.calls() == 2
        until(lambda: books() == {("tokens", ""): (30, 0)})


def test_scenario_24_a_settlement_that_can_not_be_written_is_journalled_and_replayed(
    provider: MockProvider, tmp_path: Path
) -> None:
    path = tmp_path / "own" / "ledger.sqlite"
    with _kept_in(provider, f"sqlite:{path}", tmp_path), ExitStack() as locks:

        def lock(_request: RecordedRequest) -> Reply:
            locks.enter_context(_locked(path))
            return used(5)

        provider.enqueue(used(5), lock, used(5))
        ask(client(provider))
        ask(client(provider))  # the host gets its answer all the same
        assert provider.calls() == 2
        assert list(path.parent.glob("*late*"))
        locks.close()
        ask(client(provider))
        assert books() == {("tokens", ""): (45, 0)}
    assert not list(path.parent.glob("*late*"))


def _assert_refused_by_name(provider: MockProvider, path: Path) -> None:
    for _ in range(2):
        with pytest.raises(GuardUnavailable) as refused:
            ask(client(provider))
        assert str(path) in refused.value.scope
    assert provider.calls() == 1


def test_scenario_24_a_file_that_was_deleted_refuses_and_is_not_made_anew(
    provider: MockProvider, tmp_path: Path
) -> None:
    provider.on(DEMO, used(5))
    path = tmp_path / "own" / "ledger.sqlite"
    with _kept_in(provider, f"sqlite:{path}", tmp_path):
        ask(client(provider))
        path.unlink()
        _assert_refused_by_name(provider, path)
        assert not path.exists()


def test_scenario_24_a_corrupt_file_refuses_at_the_next_start(
    provider: MockProvider, tmp_path: Path
) -> None:
    """An agent that has it open goes on: what it counts is in its memory and in the log."""
    provider.on(DEMO, used(5))
    path = tmp_path / "own" / "ledger.sqlite"
    with _kept_in(provider, f"sqlite:{path}", tmp_path):
        ask(client(provider))
    path.write_bytes(b"\0" * 100 + os.urandom(20_000))
    with _kept_in(provider, f"sqlite:{path}", tmp_path):
        _assert_refused_by_name(provider, path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_scenario_24_a_directory_that_may_only_be_read_refuses(
    provider: MockProvider, tmp_path: Path
) -> None:
    provider.on(DEMO, used(5))
    path = tmp_path / "own" / "ledger.sqlite"
    with _kept_in(provider, f"sqlite:{path}", tmp_path):
        ask(client(provider))
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        with _kept_in(provider, f"sqlite:{path}", tmp_path):
            _assert_refused_by_name(provider, path)
    finally:
        path.parent.chmod(0o700)


def test_scenario_24_a_file_that_may_only_be_read_refuses(
    provider: MockProvider, tmp_path: Path
) -> None:
    """SQLite's own switch stands for the rights, which do not bind everybody."""
    provider.on(DEMO, used(5))
    path = tmp_path / "own" / "ledger.sqlite"
    with _kept_in(provider, f"sqlite:{path}", tmp_path):
        ask(client(provider))
        store = guard.current().store
        assert isinstance(store, SqliteStore)
        store._ask(lambda connection: connection.execute("PRAGMA query_only=1"), None)
        with pytest.raises(GuardUnavailable, match="readonly"):
            ask(client(provider))
    assert provider.calls() == 1
