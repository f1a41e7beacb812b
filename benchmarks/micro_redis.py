"""Time of reserving and settling with the ledger in Redis, on loopback.

    python benchmarks/micro_redis.py [redis://host:port/0]

Without an address it starts a `redis-server` of its own (append-only file, free port). Prints
the median in microseconds of each step over 4 counters beside its target, in wall time: most of
it is the way to the server and back. Exits with 1 if a target is missed.
"""

import statistics
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests._redis import redis_server

from spanledger.guard.ledger import Demand, Key
from spanledger.guard.stores.redis import RedisStore

PAIRS = 5000
LIMIT = 10**15
TARGET_US = 200.0


def main() -> int:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = (
            sys.argv[1]
            if len(sys.argv) > 1
            else stack.enter_context(redis_server(directory / "server")).url
        )
        return _measure(url, directory)


def _measure(url: str, directory: Path) -> int:
    store = RedisStore(url, directory=directory, prefix=uuid.uuid4().hex, timeout_s=1.0)
    demands = [Demand(Key(f"rule-{i}", "", 0), "tokens", LIMIT, 100) for i in range(4)]
    reserved, settled, pairs = list[float](), list[float](), list[float]()
    for number in range(PAIRS):
        rid = str(number)
        start = time.perf_counter()
        store.reserve(rid, demands, lease_s=3600.0, max_wait_s=0.0)
        between = time.perf_counter()
        store.settle(rid, lambda _entry: 60)
        end = time.perf_counter()
        reserved.append(between - start)
        settled.append(end - between)
        pairs.append(end - start)
    store.close()
    print(f"{'reserve, 4 counters':40} {_us(reserved):7.1f} us")
    print(f"{'settle, 4 counters':40} {_us(settled):7.1f} us")
    verdict = "ok" if _us(pairs) <= TARGET_US else "MISSED"
    name = "reserve and settle, 4 counters"
    print(f"{name:40} {_us(pairs):7.1f} us   target {TARGET_US:5.1f} us   {verdict}")
    return int(_us(pairs) > TARGET_US)


def _us(seconds: list[float]) -> float:
    return statistics.median(seconds) * 1e6


if __name__ == "__main__":
    raise SystemExit(main())
