"""What a million distinct users cost: memory of the process, and time of a call as they come.

    python benchmarks/bounded.py [--users 1000000]

Each user makes one call under one budget for each user: in memory, where the users beyond
`guard.max_values` share a counter, and in a SQLite file, where each has a counter. Prints what the
resident memory of the process grew by after the first tenth of them, the median of a pair of
reservation and settlement in the second and in the last tenth, and what lies on the disk. Exits
with 1 if memory grew by more than its target.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spanledger.guard.ledger import Demand, Key
from spanledger.guard.stores import MemoryStore, SqliteStore, Store

TARGET_MIB = 20.0


def rss_mib() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def pair_us(store: Store, user: int) -> float:
    """One call of one user."""
    demand = Demand(Key("each-user", f"user-{user:07}", 0), "tokens", 10**9, 100)
    rid = str(user)
    began = time.perf_counter()
    store.reserve(rid, [demand], lease_s=3600.0, max_wait_s=0.0)
    store.settle(rid, lambda _entry: 60)
    return (time.perf_counter() - began) * 1e6


def measure(name: str, store: Store, users: int, directory: Path) -> bool:
    """Print a row; whether the target was met."""
    tenth, medians, after_first = users // 10, list[float](), 0.0
    for part in range(10):
        times = [pair_us(store, user) for user in range(part * tenth, (part + 1) * tenth)]
        medians.append(statistics.median(times))
        after_first = after_first or rss_mib()
    grown = rss_mib() - after_first
    disk = sum(file.stat().st_size for file in directory.iterdir()) / 2**20
    verdict = "ok" if grown <= TARGET_MIB else "MISSED"
    print(
        f"{name:8} {users:9,} users   memory {grown:+6.1f} MiB (target {TARGET_MIB:.0f})   "
        f"pair {medians[1]:5.1f} → {medians[-1]:5.1f} us   disk {disk:6.1f} MiB   {verdict}"
    )
    return grown <= TARGET_MIB


@contextmanager
def stores() -> Iterator[tuple[dict[str, Store], Path]]:
    """The stores by name, and where one of them keeps its file."""
    with tempfile.TemporaryDirectory() as folder:
        file = SqliteStore(Path(folder) / "ledger.sqlite")
        yield {"memory": MemoryStore(), "sqlite": file}, Path(folder)
        file.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    users = parser.parse_args().users
    with stores() as (found, directory):
        met = [measure(name, store, users, directory) for name, store in found.items()]
    return int(not all(met))


if __name__ == "__main__":
    raise SystemExit(main())
