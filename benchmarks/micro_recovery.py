"""CPU of a call that needs no recovery, and of timing an operation.

    python benchmarks/micro_recovery.py

Prints microseconds that each wrapper adds to a function that does nothing (best of several
rounds, all interleaved, so that a slow moment of the machine hits them alike) beside its target.
Exits with 1 if one is missed.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

from spanledger.health import operation_timer, report
from spanledger.recovery import adaptive, breaker, default_answer, fallback, is_circuit_open, retry

ROUNDS = 15
REPEATS = 2000


@dataclass(frozen=True)
class Operation:
    name: str
    run: Callable[[], object]
    target_us: float


def nothing() -> None:
    """What is called."""


def operations() -> list[Operation]:
    return [
        Operation("retry, first try works", retry("a")(nothing), 20.0),
        Operation("fallback, first way works", fallback(default_answer(1))(nothing), 5.0),
        Operation("adaptive, first prompt works", adaptive("a")(nothing), 3.0),
        Operation("breaker, closed", breaker("a")(nothing), 10.0),
        Operation("is_circuit_open", lambda: is_circuit_open("openai/gpt-4o"), 5.0),
        Operation("operation_timer", operation_timer("a")(nothing), 5.0),
        Operation("report", report, 100.0),
    ]


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
        print(f"{operation.name:30} {measured:7.2f} us   target {target:6.1f} us   {verdict}")
    return int(any(best[o.name] > o.target_us for o in todo))


if __name__ == "__main__":
    raise SystemExit(main())
