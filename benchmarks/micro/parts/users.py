"""What users that each have a counter cost the memory of the process.

Each makes one call under one budget for each user. In memory, those beyond `guard.max_values` (here
as many as a tenth of them) share a counter; in SQLite each has a row. Measured is what the resident
memory grew by after that tenth. `benchmarks/bounded.py` does it with a million.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.bounded import TARGET_MIB, pair_us, rss_mib
from benchmarks.micro.case import Case

from spanledger.guard.stores import MemoryStore, SqliteStore, Store

USERS = 100_000


def cases(stack: ExitStack) -> list[Case]:
    file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "ledger.sqlite"
    sqlite = SqliteStore(file)
    stack.callback(sqlite.close)
    return [_grown("memory", MemoryStore(most_values=USERS // 10)), _grown("SQLite", sqlite)]


def _grown(name: str, store: Store) -> Case:
    def figure() -> float:
        for user in range(USERS // 10):
            pair_us(store, user)
        after_first_mib = rss_mib()
        for user in range(USERS // 10, USERS):
            pair_us(store, user)
        return max(0.0, rss_mib() - after_first_mib)

    title = f"{USERS:,} users, {name}"
    return Case(title, figure, TARGET_MIB, "MiB", True, "size", most_rounds=1)
