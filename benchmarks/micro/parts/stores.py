"""One reservation and its settlement in each store of the ledger.

Wall time, for a store waits for the disk or for the server: the median of a round's pairs. Redis is
a server of its own on loopback, with an append-only file; without an executable it is left out.
"""

import itertools
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.micro.case import WALL, Case, percentile
from tests._redis import RedisMissing, redis_server

from spanledger.guard.ledger import Demand, Key
from spanledger.guard.stores import MemoryStore, SqliteStore, Store
from spanledger.guard.stores.redis import RedisStore

LIMIT = 10**15
PAIRS = 400

_ids = itertools.count()


def cases(stack: ExitStack) -> list[Case]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return [
        _of("memory, 4 counters", MemoryStore(), 4, 5, required=True),
        _of("SQLite, 4 counters", _sqlite(stack, folder / "four"), 4, 60, required=True),
        _of("SQLite, 20 counters", _sqlite(stack, folder / "twenty"), 20, 150),
        *_redis(stack, folder / "redis"),
    ]


def _sqlite(stack: ExitStack, file: Path) -> Store:
    store = SqliteStore(file)
    stack.callback(store.close)
    return store


def _redis(stack: ExitStack, folder: Path) -> list[Case]:
    try:
        server = stack.enter_context(redis_server(folder))
    except RedisMissing:
        return []
    store = RedisStore(server.url, directory=folder, prefix="benchmark", timeout_s=1.0)
    stack.callback(store.close)
    return [_of("Redis, 4 counters", store, 4, 200, required=True)]


def _of(
    name: str, store: Store, counters: int, target_us: float, *, required: bool = False
) -> Case:
    demands = [Demand(Key(f"rule-{i}", "value", 0), "tokens", LIMIT, 100) for i in range(counters)]

    def figure() -> float:
        return percentile([_pair_us(store, demands) for _ in range(PAIRS)], 0.5)

    return Case(f"reserve and settle, {name}", figure, target_us, required=required, how=WALL)


def _pair_us(store: Store, demands: list[Demand]) -> float:
    rid = str(next(_ids))
    began = time.perf_counter()
    store.reserve(rid, demands, lease_s=3600.0, max_wait_s=30.0)
    store.settle(rid, lambda _entry: 60)
    return (time.perf_counter() - began) * 1e6
