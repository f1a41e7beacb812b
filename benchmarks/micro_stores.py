"""Time of one reservation and its settlement over 4 counters, in each store of this host.

    python benchmarks/micro_stores.py [directory]

Prints the median and the 99th percentile in microseconds (wall time, for a store waits for the
disk) beside the target of the median; the best of several rounds, so that one slow moment of the
machine does not decide. Exits with 1 if a target is missed. `directory` holds the file of the
SQLite store; without it, a temporary one.
"""

import gc
import itertools
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spanledger.guard.ledger import Demand, Key
from spanledger.guard.stores import MemoryStore, SqliteStore, Store

ROUNDS = 7
REPEATS = 3000
LIMIT = 10**15

_ids = itertools.count()


@dataclass(frozen=True)
class Subject:
    name: str
    store: Store
    demands: list[Demand]
    target_us: float


def subjects(directory: Path) -> list[Subject]:
    four, twenty = _demands(4), _demands(20)
    return [
        Subject("memory, 4 counters", MemoryStore(), four, 5.0),
        Subject("sqlite, 4 counters", SqliteStore(directory / "four.db"), four, 60.0),
        Subject("sqlite, 20 counters", SqliteStore(directory / "twenty.db"), twenty, 150.0),
    ]


def _demands(number: int) -> list[Demand]:
    return [Demand(Key(f"rule-{i}", "value", 0), "tokens", LIMIT, 100) for i in range(number)]


def one_round(subject: Subject, clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """Microseconds of each pair, ascending."""
    store, demands = subject.store, subject.demands
    times: list[float] = []
    for _ in range(REPEATS):
        rid = str(next(_ids))
        start = clock()
        store.reserve(rid, demands, lease_s=3600.0, max_wait_s=30.0)
        store.settle(rid, lambda _entry: 60)
        times.append((clock() - start) * 1e6)
    return sorted(times)


def report(subject: Subject, rounds: list[list[float]]) -> bool:
    p50, p99 = (min(times[int(REPEATS * part)] for times in rounds) for part in (0.5, 0.99))
    met = p50 <= subject.target_us
    print(
        f"{subject.name:24} p50 {p50:7.1f} us   p99 {p99:8.1f} us   "
        f"target {subject.target_us:6.1f} us   {'ok' if met else 'MISSED'}"
    )
    return met


def main(directory: Path) -> int:
    todo = subjects(directory)
    rounds: dict[str, list[list[float]]] = {subject.name: [] for subject in todo}
    gc.disable()
    for _ in range(ROUNDS):
        for subject in todo:
            rounds[subject.name].append(one_round(subject))
    met = [report(subject, rounds[subject.name]) for subject in todo]
    return int(not all(met))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        raise SystemExit(main(Path(sys.argv[1])))
    with tempfile.TemporaryDirectory() as temporary:
        raise SystemExit(main(Path(temporary)))
