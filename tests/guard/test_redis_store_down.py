"""A Redis that is away, hangs, comes back empty, or would drop budgets: what calls get then."""

import asyncio
import logging
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from spanledger.guard.ledger import Counter, Demand, Key
from spanledger.guard.stores._backoff import FAILURES, FIRST_S, LONGEST_S, Backoff
from spanledger.guard.stores._local_share import LocalShare
from spanledger.guard.stores._redis_journal import Journal
from spanledger.guard.stores.errors import StoreUnavailable
from spanledger.guard.stores.redis import OnDown, RedisStore
from tests._redis import RedisMissing, RedisServer, redis_server
from tests.guard._wait import until

A, B = Key("a", "", 0), Key("b", "", 0)
#: What the policy promises while the server is away (seconds).
AT_MOST_S = 0.1


@contextmanager
def _server(directory: Path, *options: str) -> Iterator[RedisServer]:
    try:
        with redis_server(directory / "server", *options) as running:
            yield running
    except RedisMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with _server(tmp_path) as running:
        yield running


@contextmanager
def _silent() -> Iterator[str]:
    """A listener that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@contextmanager
def _refusing() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield f"redis://127.0.0.1:{port}/0"


def _store(
    server: RedisServer, directory: Path, on_down: OnDown = "fail_closed", share: float = 1.0
) -> RedisStore:
    return RedisStore(server.url, directory=directory, on_down=on_down, share=share, timeout_s=0.5)


def _demand(amount: int, key: Key = A, limit: int = 10) -> Demand:
    return Demand(key, "tokens", limit, amount)


def _kind(store: RedisStore, rid: str, *demands: Demand, wait_s: float = 0.0) -> str:
    short = store.reserve(rid, demands, lease_s=3600.0, max_wait_s=wait_s).shortage
    return "held" if short is None else short.kind


def _back(server: RedisServer, store: RedisStore) -> None:
    """The server answers again, and the store has delivered what was written down."""
    server.start()
    store._link.backoff.worked()
    assert _kind(store, uuid.uuid4().hex) == "held"
    assert store.flush(10.0)


# --- refused, hanging -------------------------------------------------------------------------


@pytest.mark.parametrize("away", [_silent, _refusing])
@pytest.mark.parametrize("on_down", ["fail_closed", "local_share", "fail_open"])
def test_a_server_that_is_away_from_the_start_is_answered_for_within_100_ms(
    away: Callable[[], AbstractContextManager[str]],
    on_down: OnDown,
    tmp_path: Path,
) -> None:
    """Each time, also while it is still asked; nothing was ever seen, so no share is known."""
    with away() as url:
        store = RedisStore(url, directory=tmp_path, on_down=on_down)
        asked = []
        for number in range(6):
            began = time.perf_counter()
            if on_down == "fail_open":
                assert _kind(store, str(number), _demand(100)) == "held"
            else:
                with pytest.raises(StoreUnavailable, match="on_down"):
                    _kind(store, str(number), _demand(1))
            asked.append(time.perf_counter() - began)
        # The machine may be busy at one moment, not whenever the server was really asked.
        assert min(asked[:FAILURES]) < AT_MOST_S
        assert max(asked) < 1.0
        store._link.close()


def test_a_server_that_freezes_is_left_alone_after_some_failures(
    server: RedisServer, tmp_path: Path
) -> None:
    """Then refusals cost nothing; and it is asked again later."""
    store = RedisStore(server.url, directory=tmp_path, timeout_s=0.05)
    assert _kind(store, "r", _demand(1)) == "held"
    server.freeze()
    for number in range(FAILURES):
        with pytest.raises(StoreUnavailable):
            _kind(store, f"f{number}", _demand(1))
    began = time.perf_counter()
    for number in range(50):
        with pytest.raises(StoreUnavailable, match="left alone"):
            _kind(store, f"g{number}", _demand(1))
    assert time.perf_counter() - began < FIRST_S
    server.thaw()

    def held() -> bool:
        try:
            return _kind(store, "again", _demand(1)) == "held"
        except StoreUnavailable:
            return False

    until(held)
    store.close()


def test_a_call_that_was_refused_for_a_time_out_is_not_held_when_the_server_goes_on(
    server: RedisServer, tmp_path: Path
) -> None:
    """The frozen server finds the request in its socket, and carries it out."""
    store = RedisStore(server.url, directory=tmp_path, timeout_s=0.05)
    assert _kind(store, "r", _demand(1)) == "held"
    server.freeze()
    with pytest.raises(StoreUnavailable):
        _kind(store, "late", _demand(5))
    server.thaw()
    store._link.backoff.worked()

    def freed() -> bool:
        try:
            _kind(store, uuid.uuid4().hex)
        except StoreUnavailable:
            return False
        return store.flush(5.0) and store.read(A) == Counter(reserved=1)

    until(freed)
    store.close()


async def test_the_event_loop_runs_on_while_the_server_hangs(tmp_path: Path) -> None:
    """Reserving waits elsewhere; settling is handed over."""
    with _silent() as url:
        store = RedisStore(url, directory=tmp_path, on_down="fail_open", timeout_s=1.5)
        task = asyncio.create_task(store.reserve_async("r", [_demand(5)], lease_s=60, max_wait_s=0))
        await asyncio.sleep(0)
        began = time.perf_counter()
        await asyncio.sleep(0.01)
        assert time.perf_counter() - began < 1.0  # had it waited: 1.5
        assert (await task).shortage is None
        began = time.perf_counter()
        assert store.settle("r", lambda _: 5)
        assert time.perf_counter() - began < 1.0
        assert await asyncio.to_thread(store.flush, 5.0)
        store._link.close()


# --- settlements and policies -----------------------------------------------------------------


def test_a_settlement_while_the_server_is_away_is_delivered_when_it_is_back(
    server: RedisServer, tmp_path: Path
) -> None:
    """Once, and at once for the process that asked."""
    store = _store(server, tmp_path)
    assert _kind(store, "r", _demand(8)) == "held"
    server.stop()
    assert store.settle("r", lambda _: 3)
    _back(server, store)
    assert store.read(A) == Counter(spent=3)
    assert not store.settle("r", lambda _: 3)
    assert list(tmp_path.glob("*.journal")) == []
    store.close()


def test_what_a_dead_process_wrote_down_is_delivered_by_another(
    server: RedisServer, tmp_path: Path
) -> None:
    """By the first one that talks to the server."""
    dead = _store(server, tmp_path)
    assert _kind(dead, "r", _demand(8)) == "held"
    server.stop()
    assert dead.settle("r", lambda _: 3)
    dead._journal.seal()  # as the kernel does when a process ends
    server.start()
    other = _store(server, tmp_path)
    assert _kind(other, "next", _demand(1)) == "held"
    assert other.flush(10.0)
    assert other.read(A) == Counter(spent=3, reserved=1)
    other.close()


def test_fail_open_charges_what_it_let_through_once(server: RedisServer, tmp_path: Path) -> None:
    """Also when the same line is delivered twice."""
    store = _store(server, tmp_path, "fail_open")
    assert _kind(store, "before", _demand(4)) == "held"
    server.stop()
    assert _kind(store, "r", _demand(100)) == "held"
    assert store.extend("r", lambda entry: entry._replace(amount=50)) is None
    assert store.settle("r", lambda entry: entry.amount)
    assert store.settle("before", lambda _: 2)
    (path,) = tmp_path.glob("*.journal")
    lines = path.read_bytes()
    _back(server, store)
    assert store.read(A) == Counter(spent=152)
    path.write_bytes(lines)
    store._replay()
    assert store.read(A) == Counter(spent=152)
    store.close()


def test_local_shares_together_stay_within_what_was_left(
    server: RedisServer, tmp_path: Path
) -> None:
    """Two processes of two, 60 of 100 left."""
    stores = [_store(server, tmp_path / str(i), "local_share", 0.5) for i in range(2)]
    assert _kind(stores[0], "spent", _demand(40, A, 100)) == "held"
    assert stores[0].settle("spent", lambda _: 40)
    for i, store in enumerate(stores):
        assert _kind(store, f"seen{i}", _demand(0, A, 100)) == "held"
        assert store.settle(f"seen{i}", lambda _: 0)
    server.stop()
    for i, store in enumerate(stores):
        assert [_kind(store, f"{i}/{n}", _demand(10, A, 100)) for n in range(4)] == [
            *["held"] * 3,
            "contended",
        ]
        assert store.extend(f"{i}/0", lambda entry: entry._replace(amount=1)) is not None
        for n in range(3):
            assert store.settle(f"{i}/{n}", lambda _: 10)
        assert _kind(store, f"{i}/x", _demand(1, A, 100)) == "exhausted"
    _back(server, stores[0])
    _back_again(stores[1])
    assert stores[0].read(A) == Counter(spent=100)
    assert _kind(stores[1], "full", _demand(1, A, 100)) == "exhausted"
    for store in stores:
        store.close()


def test_what_had_tripped_stays_so_when_the_server_goes_away(
    server: RedisServer, tmp_path: Path
) -> None:
    """A local share of it is nothing."""
    store, careful = _store(server, tmp_path, "local_share"), _demand(6, A)._replace(trip=True)
    assert _kind(store, "r", careful._replace(amount=11)) == "exhausted"
    assert store.trip(careful._replace(amount=11), 1)
    assert _kind(store, "s", careful) == "tripped"
    server.stop()
    assert _kind(store, "t", careful) == "exhausted"
    with pytest.raises(StoreUnavailable):
        store.trip(careful._replace(amount=11), 1)
    store._link.close()


def _back_again(store: RedisStore) -> None:
    store._link.backoff.worked()
    assert _kind(store, uuid.uuid4().hex) == "held"
    assert store.flush(10.0)


def test_a_local_share_of_what_was_never_seen_is_refused(
    server: RedisServer, tmp_path: Path
) -> None:
    """Others may have spent it; but a window that began since then is known to be empty."""
    store = _store(server, tmp_path, "local_share", 0.5)
    assert _kind(store, "r", _demand(1)) == "held"
    server.stop()
    with pytest.raises(StoreUnavailable):
        _kind(store, "other", _demand(1, B))
    new = Key("a", "", int(time.time()) + 3600)
    assert _kind(store, "new", _demand(5, new)) == "held"
    assert _kind(store, "more", _demand(1, new)) == "contended"
    store._link.close()


def test_a_settlement_that_nobody_here_knows_is_an_error_while_the_server_is_away(
    server: RedisServer, tmp_path: Path
) -> None:
    """Only the server knows what it holds."""
    store = _store(server, tmp_path)
    _kind(store, "r", _demand(1))
    server.stop()
    with pytest.raises(StoreUnavailable):
        store.settle("unknown", lambda _: 1)
    store._link.close()


# --- lost data, eviction ----------------------------------------------------------------------


def test_a_server_that_was_flushed_is_refused_until_somebody_accepts_the_loss(
    server: RedisServer, tmp_path: Path
) -> None:
    """By running processes; one who accepts it does so for all of them."""
    one, other = _store(server, tmp_path), _store(server, tmp_path, "fail_open")
    assert _kind(one, "r", _demand(8)) == "held"
    assert _kind(other, "s", _demand(1)) == "held"
    server.command("FLUSHALL")
    for store in (one, other):
        with pytest.raises(StoreUnavailable, match="accept-loss"):
            _kind(store, "next", _demand(1))
    with pytest.raises(StoreUnavailable, match="came back empty"):
        one.read(A)
    assert one.settle("r", lambda _: 6)
    one.accept_loss()
    assert _kind(other, "next", _demand(1)) == "held"
    assert _kind(one, "look") == "held"
    assert one.flush(10.0)
    # What was settled in between was spent, whatever the server remembers.
    assert one.read(A) == Counter(spent=6, reserved=1)
    one.close()
    other.close()


def test_a_server_that_restarted_empty_is_refused_by_processes_that_start_later(
    server: RedisServer, tmp_path: Path
) -> None:
    """The host remembers, although all processes are new."""
    first = _store(server, tmp_path)
    assert _kind(first, "r", _demand(8)) == "held"
    first.close()
    server.kill()
    for file in (tmp_path / "server").glob("appendonlydir/*"):
        file.unlink()
    server.start()
    later = _store(server, tmp_path)
    with pytest.raises(StoreUnavailable, match="empty"):
        _kind(later, "next", _demand(1))
    later.accept_loss()
    assert _kind(later, "next", _demand(1)) == "held"
    later.close()


def test_a_new_host_on_an_emptied_server_does_not_hide_the_loss_from_the_others(
    server: RedisServer, tmp_path: Path
) -> None:
    """It starts a new ledger; those who knew the old one are not to take it for theirs."""
    known = _store(server, tmp_path / "host 1")
    assert _kind(known, "r", _demand(8)) == "held"
    server.command("FLUSHALL")
    new = _store(server, tmp_path / "host 2")
    assert _kind(new, "s", _demand(8)) == "held"
    with pytest.raises(StoreUnavailable, match="another server"):
        _kind(known, "next", _demand(1))
    known.accept_loss()
    assert _kind(known, "next", _demand(3)) == "contended"
    assert _kind(new, "more", _demand(1)) == "held"
    known.close()
    new.close()


def test_a_server_that_would_evict_budgets_is_refused(tmp_path: Path) -> None:
    """Whatever `on_down` says: it is not away."""
    with _server(tmp_path, "--maxmemory-policy", "allkeys-lru") as server:
        store = _store(server, tmp_path, "fail_open")
        with pytest.raises(StoreUnavailable, match="noeviction"):
            _kind(store, "r", _demand(1))
        server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        assert _kind(store, "r", _demand(1)) == "held"
        store.close()


def test_a_server_without_an_append_only_file_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its restart loses what was spent, which is detected then."""
    with _server(tmp_path, "--appendonly", "no") as server:
        store = _store(server, tmp_path)
        with caplog.at_level(logging.WARNING):
            assert _kind(store, "r", _demand(1)) == "held"
        assert "appendonly" in caplog.text
        server.kill()
        server.start()
        with pytest.raises(StoreUnavailable, match="accept-loss"):
            _kind(store, "s", _demand(1))
        store._link.close()


def test_a_server_whose_memory_is_full_is_treated_as_away_and_settlements_are_kept(
    server: RedisServer, tmp_path: Path
) -> None:
    """`noeviction` refuses writes: nothing is half done."""
    store = _store(server, tmp_path)
    assert _kind(store, "r", _demand(4)) == "held"
    server.command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreUnavailable, match="OutOfMemory"):
        _kind(store, "s", _demand(1))
    assert store.settle("r", lambda _: 3)
    server.command("CONFIG", "SET", "maxmemory", "0")
    _back_again(store)
    assert store.read(A) == Counter(spent=3)
    store.close()


def test_no_password_is_shown(tmp_path: Path) -> None:
    """Errors name the server, not how to get in."""
    with _refusing() as url:
        secret = url.replace("redis://", "redis://user:open-sesame@")
        store = RedisStore(secret, directory=tmp_path)
        with pytest.raises(StoreUnavailable) as raised:
            _kind(store, "r", _demand(1))
        assert "open-sesame" not in str(raised.value)
        assert url in str(raised.value)


# --- the parts --------------------------------------------------------------------------------


def test_a_server_is_left_alone_for_longer_and_longer_and_asked_by_one() -> None:
    """Until it answers."""
    backoff, now = Backoff(), 100.0
    for _ in range(FAILURES):
        assert backoff.allows(now)
        backoff.failed(now)
    pauses = []
    for _ in range(8):
        began = now
        while not backoff.allows(now):
            now += 0.25
        pauses.append(now - began)
        assert not backoff.allows(now)
        backoff.failed(now)
    assert pauses[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert max(pauses) == LONGEST_S
    backoff.worked()
    assert [backoff.allows(now), backoff.allows(now)] == [True, True]


def test_shares_are_rounded_down() -> None:
    """Three processes may use 3 of 10 each."""
    share = LocalShare(1 / 3)
    assert share.reserve("r", [_demand(3)], 0.0) is None
    short = share.reserve("s", [_demand(1)], 0.0)
    assert short is not None
    assert short.kind == "contended"


def test_a_torn_line_of_the_journal_is_left_out(tmp_path: Path) -> None:
    """The process died while it wrote: it had not promised anything."""
    journal = Journal(tmp_path, "j")
    journal.append({"id": "1"})
    journal.append({"id": "2"})
    (path,) = tmp_path.glob("*.journal")
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(path.read_bytes()[:-4])
    seen: list[dict[str, object]] = []
    assert journal.replay(seen.append) == 1
    assert seen == [{"id": "1"}]
    assert not journal.pending()


def test_a_journal_of_a_living_process_is_left_to_it(tmp_path: Path) -> None:
    """And a replay that fails keeps the file."""
    living, other = Journal(tmp_path, "j"), Journal(tmp_path, "j")
    living.append({"id": "1"})
    seen: list[dict[str, object]] = []
    assert other.replay(seen.append) == 0

    def fail(_line: dict[str, object]) -> None:
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011  # its own, without a message
        living.replay(fail)
    assert other.replay(seen.append) == 1


def test_settlements_of_many_threads_all_reach_the_journal(
    server: RedisServer, tmp_path: Path
) -> None:
    """And the server, once each."""
    store = _store(server, tmp_path)
    for number in range(40):
        assert _kind(store, str(number), _demand(1, A, 100)) == "held"
    server.stop()
    threads = [
        threading.Thread(
            target=lambda first=first: [
                store.settle(str(number), lambda _: 1) for number in range(first, 40, 4)
            ]
        )
        for first in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _back(server, store)
    assert store.read(A) == Counter(spent=40)
    store.close()


# --- a server without room -------------------------------------------------------------------


def test_a_server_without_memory_refuses_and_gets_what_was_used_when_it_has_room(
    tmp_path: Path,
) -> None:
    """With ``noeviction``, which the start-up check asks for: nothing is dropped, nothing opens."""
    with _server(tmp_path, "--maxmemory-policy", "noeviction") as server:
        store = _store(server, tmp_path)
        assert _kind(store, "open", _demand(5)) == "held"
        server.command("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(StoreUnavailable, match=r"OutOfMemory|OOM"):
            _kind(store, "next", _demand(5))
        assert store.settle("open", lambda _: 3, estimated=True)
        assert store.read(A) == Counter(reserved=5)
        server.command("CONFIG", "SET", "maxmemory", "0")
        until(lambda: _works(store))
        assert store.flush(10.0)
        until(lambda: store.read(A).spent == 3)
        assert [change.estimated for change in store.settlements() if change.charged] == [True]
        store.close()


def _works(store: RedisStore) -> bool:
    try:
        _kind(store, "look", _demand(0))
    except StoreUnavailable:
        return False
    return store.settle("look", lambda _: 0)
