"""CPU of a loop check: the fingerprint of a call, the question, and its result taken in.

    python benchmarks/micro_loops.py

Prints microseconds for each operation (best of several rounds, all operations interleaved, so
that a slow moment of the machine hits them alike) beside its target. Exits with 1 if one is missed.
"""

import gc
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spanledger.guard.fingerprints import fingerprint, result_print
from spanledger.guard.loop_watch import LoopWatch
from spanledger.guard.loops import LoopRule

ROUNDS = 15
SECONDS_A_ROUND = 0.01
RULE = LoopRule("benchmark", action="block")

#: What agents send: a path and a piece of text, a query with its filters, a row of numbers.
TEXT = {"path": "src/module.py", "text": "lorem ipsum dolor sit amet, consectetur " * 24}
FIELDS = {f"field_{i}": f"value number {i}" for i in range(33)}
NUMBERS = {"rows": [[i, i + 1, i * 7] for i in range(80)]}
LOG = (
    "2026-11-20T10:00:01Z GET /items 200 in 12 ms, request 550e8400-e29b-41d4-a716-446655440000\n"
    "lorem ipsum dolor sit amet, consectetur adipiscing elit, 42 rows, commit 3fa9c1d2\n"
)


@dataclass(frozen=True)
class Operation:
    name: str
    run: Callable[[], object]
    target_us: float


def operations() -> list[Operation]:
    written = json.dumps(FIELDS)
    return [
        _check("check, text", TEXT, TEXT),
        _check("check, fields", FIELDS, FIELDS),
        _check("check, fields as a model wrote them", written, FIELDS),
        _check("check, numbers", NUMBERS, NUMBERS),
        Operation("observe a step that is already hashed", _observe(), 10.0),
        Operation("hash a result of 1 KB", _result(1024), 60.0),
        Operation("hash a result of 16 KB", _result(16 * 1024), 900.0),
        Operation("hash a result of 1 MB", _result(1024 * 1024), 4000.0),
    ]


def _check(name: str, arguments: object, value: Any) -> Operation:
    """All that a call waits for before it runs; 15 µs for each KB of its arguments."""
    watch, kilobytes = LoopWatch(), len(json.dumps(value)) / 1024
    watch.observe("s", fingerprint("tool", arguments), result_print("x"), RULE)

    def check() -> None:
        watch.blocked("s", fingerprint("tool", arguments), RULE)

    return Operation(f"{name} ({kilobytes:.1f} KB)", check, 15.0 * kilobytes)


def _observe() -> Callable[[], object]:
    watch, call, result = LoopWatch(), fingerprint("tool", TEXT), result_print("x")
    return lambda: watch.observe("s", call, result, RULE)


def _result(length: int) -> Callable[[], object]:
    text = (LOG * (length // len(LOG) + 1))[:length]
    return lambda: result_print(text)


def one_round(run: Callable[[], object], repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        run()
    return (time.process_time() - start) / repeats * 1e6


def main() -> int:
    todo = operations()
    repeats = {o.name: max(3, int(SECONDS_A_ROUND * 1e6 / o.target_us)) for o in todo}
    best = {operation.name: float("inf") for operation in todo}
    gc.disable()
    for _ in range(ROUNDS):
        for operation in todo:
            name = operation.name
            best[name] = min(best[name], one_round(operation.run, repeats[name]))
    for operation in todo:
        measured, target = best[operation.name], operation.target_us
        verdict = "ok" if measured <= target else "MISSED"
        print(f"{operation.name:46} {measured:8.2f} us   target {target:7.1f} us   {verdict}")
    return int(any(best[o.name] > o.target_us for o in todo))


if __name__ == "__main__":
    raise SystemExit(main())
