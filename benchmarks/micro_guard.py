"""CPU of one admission and its settlement, with the ledger in memory.

    python benchmarks/micro_guard.py

Prints microseconds for each operation (best of several rounds, all operations interleaved, so
that a slow moment of the machine hits them alike) beside its target. Exits with 1 if one is missed.
"""

import gc
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

from spanledger.guard import Budget, Call, Estimate, Guard, MemoryStore, Policy, Spending
from spanledger.guard.ledger import Demand, Key
from spanledger.guard.windows import bounds

ROUNDS = 15
REPEATS = 4000
LIMIT = 10**15

ESTIMATE = Estimate(1200, 900, 12_000_000, "benchmark")
SPENDING = Spending(tokens=1500, cost_nano_usd=7_000_000)
NOW_S = 1_795_176_000.0

FOUR_SCOPES = Policy(
    (
        Budget("all", "cost", LIMIT, "month"),
        Budget("day", "tokens", LIMIT, "day"),
        Budget("agent", "cost", LIMIT, "hour", "agent"),
        Budget("session", "calls", LIMIT, "total", "session"),
    )
)


@dataclass(frozen=True)
class Operation:
    name: str
    run: Callable[[], object]
    target_us: float


def operations() -> list[Operation]:
    return [
        Operation("store: reserve and settle, 4 counters", _store_pair(), 5.0),
        Operation("guard: admit and settle, 4 scopes", _guard_pair(FOUR_SCOPES), 15.0),
        Operation("guard: admit and settle, no rules", _guard_pair(Policy()), 3.0),
        Operation("guard: refuse, 4 scopes", _refusal(), 15.0),
        Operation("window of a day, not remembered", lambda: bounds(NOW_S, "day"), 8.0),
    ]


def _call(number: int) -> Call:
    return Call(str(number), "openai", "gpt-4o", "chat", ESTIMATE, session="s", agents=("planner",))


def _store_pair() -> Callable[[], object]:
    store, ids = MemoryStore(), itertools.count()
    demands = [Demand(Key(f"rule-{i}", "", 0), "tokens", LIMIT, 100) for i in range(4)]

    def pair() -> None:
        rid = str(next(ids))
        store.reserve(rid, demands, lease_s=3600.0, max_wait_s=30.0)
        store.settle(rid, lambda entry: 60)

    return pair


def _guard_pair(policy: Policy) -> Callable[[], object]:
    guard, ids = Guard(policy), itertools.count()

    def pair() -> None:
        decision = guard.admit(_call(next(ids)))
        guard.settle(decision.granted(), SPENDING)

    return pair


def _refusal() -> Callable[[], object]:
    spent = (*FOUR_SCOPES.budgets[:3], Budget("session", "calls", 0, "total", "session"))
    guard, ids = Guard(Policy(spent)), itertools.count()
    return lambda: guard.admit(_call(next(ids)))


def one_round(run: Callable[[], object]) -> float:
    start = time.process_time()
    for _ in range(REPEATS):
        run()
    return (time.process_time() - start) / REPEATS * 1e6


def main() -> int:
    todo = operations()
    best = {operation.name: float("inf") for operation in todo}
    gc.disable()
    for _ in range(ROUNDS):
        for operation in todo:
            best[operation.name] = min(best[operation.name], one_round(operation.run))
    for operation in todo:
        measured, target = best[operation.name], operation.target_us
        verdict = "ok" if measured <= target else "MISSED"
        print(f"{operation.name:40} {measured:7.2f} us   target {target:5.1f} us   {verdict}")
    return int(any(best[o.name] > o.target_us for o in todo))


if __name__ == "__main__":
    raise SystemExit(main())
