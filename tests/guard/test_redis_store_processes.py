"""One budget in Redis, many processes; and processes and servers that are killed."""

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spanledger.guard.ledger import Counter, Demand
from spanledger.guard.stores.redis import RedisStore
from tests._redis import RedisMissing, RedisServer, redis_server
from tests.guard._redis_worker import ASK, KEY, LIMIT, MARKS, OTHER

_WORKER = "tests.guard._redis_worker"
_REPOSITORY = Path(__file__).parent.parent.parent


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    try:
        with redis_server(tmp_path / "server") as running:
            yield running
    except RedisMissing as missing:
        pytest.skip(str(missing))


def _start(server: RedisServer, directory: Path, prefix: str, seed: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", _WORKER, server.url, str(directory), prefix, str(seed)],
        cwd=_REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(_REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a worker whose server is killed ends with a traceback
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, _errors = process.communicate(timeout=120)
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


@pytest.mark.parametrize("count", [6, pytest.param(48, marks=pytest.mark.slow)])
def test_processes_never_overspend_and_use_what_there_is(
    server: RedisServer, tmp_path: Path, count: int
) -> None:
    """Upper bounds: overshoot 0, at least 95 % used; each mark is told once for all of them."""
    prefix = uuid.uuid4().hex
    workers = [_start(server, tmp_path, prefix, seed) for seed in range(count)]
    for worker in workers:
        _go(worker)
    results = [_result(worker) for worker in workers]
    settled = sum(result["settled"] for result in results)
    assert max(result["highest"] for result in results) <= LIMIT
    assert {result["kind"] for result in results} == {"exhausted"}
    assert LIMIT * 0.95 <= settled <= LIMIT
    assert sorted(mark for result in results for mark in result["told"]) == list(MARKS)
    store = RedisStore(server.url, directory=tmp_path, prefix=prefix, timeout_s=5.0)
    assert store.read(KEY) == Counter(settled, 0, MARKS[-1])
    assert store.read(OTHER) == Counter(settled)
    assert store.open_reservations() == 0
    store.close()


def _acknowledged(worker: subprocess.Popen[str]) -> int:
    # Not `communicate`: it would miss what a `readline` before has buffered.
    assert worker.stdout is not None
    with worker.stdout:
        lines = worker.stdout.read().splitlines()
    worker.wait(60)
    return sum(int(line) for line in lines if line.isdigit())


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_processes_lose_nothing_that_was_settled(
    server: RedisServer, tmp_path: Path, kills: int
) -> None:
    """And what they held is charged in full when its lease ends."""
    prefix, known = uuid.uuid4().hex, 0
    store = RedisStore(server.url, directory=tmp_path, prefix=prefix, timeout_s=5.0)
    for seed in range(kills):
        store.reset(KEY.rule)
        store.reset(OTHER.rule)
        store.sweep()
        before = store.read(KEY)
        worker = _start(server, tmp_path, prefix, seed)
        _go(worker)
        assert worker.stdout is not None
        first = int(worker.stdout.readline())
        worker.kill()
        known = first + _acknowledged(worker)
        after = store.read(KEY)
        # At most one settlement was carried out and not acknowledged, and one call is open.
        assert known <= after.spent - before.spent <= known + ASK
        assert after.reserved - before.reserved in {0, ASK}
    held = store.read(KEY).reserved
    assert store.open_reservations() == held // ASK
    server.command("EVAL", _END_LEASES, "1", f"{{{prefix}}}:leases")
    spent = store.read(KEY).spent
    assert store.sweep() == held // ASK
    assert store.read(KEY) == Counter(spent + held, 0, store.read(KEY).told)
    store.close()


def _settle_on_a_loop(url: str, directory: Path) -> None:
    store = RedisStore(url, directory=directory, timeout_s=5.0)

    async def call() -> None:
        demand = Demand(KEY, "cost", LIMIT, ASK)
        grant = await store.reserve_async("r", [demand], lease_s=600.0, max_wait_s=0.0)
        assert grant.shortage is None
        # The writer is behind, as it is when the server is slow.
        store._writer.put(lambda: time.sleep(0.3))
        assert store.settle("r", lambda _entry: 7)

    asyncio.run(call())


def test_what_a_loop_handed_over_is_settled_before_a_multiprocessing_child_ends(
    server: RedisServer, tmp_path: Path
) -> None:
    """Such processes run no `atexit`."""
    context = multiprocessing.get_context("fork")
    child = context.Process(target=_settle_on_a_loop, args=(server.url, tmp_path))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    store = RedisStore(server.url, directory=tmp_path, timeout_s=5.0)
    assert store.read(KEY) == Counter(spent=7)
    store.close()


_END_LEASES = """
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZADD', KEYS[1], 0, id) end
"""


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_server_with_an_append_only_file_has_kept_every_settlement(
    server: RedisServer, tmp_path: Path, kills: int
) -> None:
    """What was acknowledged while it was away is delivered by whoever comes next."""
    prefix = uuid.uuid4().hex
    for seed in range(kills):
        store = RedisStore(server.url, directory=tmp_path, prefix=prefix, timeout_s=5.0)
        store.reset(KEY.rule)
        worker = _start(server, tmp_path, prefix, seed)
        _go(worker)
        assert worker.stdout is not None
        first = int(worker.stdout.readline())
        server.kill()
        known = first + _acknowledged(worker)
        server.start()
        # The first reservation after a contact looks for what was written down.
        assert store.reserve(f"look/{seed}", [], lease_s=60.0, max_wait_s=0.0).shortage is None
        assert store.flush(60.0)
        assert known <= store.read(KEY).spent <= known + ASK
        store.close()
    assert list(tmp_path.glob("*.journal")) == []
