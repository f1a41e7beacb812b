"""A loop check: the fingerprint of a call, the question, and its result taken in."""

import json
from contextlib import ExitStack
from typing import Any

from benchmarks.micro.case import Case, cpu

from spanledger.guard.fingerprints import fingerprint, result_print
from spanledger.guard.loop_watch import LoopWatch
from spanledger.guard.loops import LoopRule

RULE = LoopRule("benchmark", action="block")
CHECK_US = 15

#: What agents send: a path and a piece of text, a query with its filters, a row of numbers.
TEXT = {"path": "src/module.py", "text": "lorem ipsum dolor sit amet, consectetur " * 24}
FIELDS = {f"field_{i}": f"value number {i}" for i in range(33)}
NUMBERS = {"rows": [[i, i + 1, i * 7] for i in range(80)]}
LOG = (
    "2026-11-20T10:00:01Z GET /items 200 in 12 ms, request 550e8400-e29b-41d4-a716-446655440000\n"
    "lorem ipsum dolor sit amet, consectetur adipiscing elit, 42 rows, commit 3fa9c1d2\n"
)


def cases(_stack: ExitStack) -> list[Case]:
    watch, call, result = LoopWatch(), fingerprint("tool", TEXT), result_print("x")
    return [
        _check("text", TEXT, TEXT),
        _check("fields", FIELDS, FIELDS),
        _check("fields as a model wrote them", json.dumps(FIELDS), FIELDS),
        _check("numbers", NUMBERS, NUMBERS),
        cpu("observe what is hashed", lambda: watch.observe("s", call, result, RULE), 10),
        _result("1 KB", 1, 60),
        _result("16 KB", 16, 900),
        _result("1 MB", 1024, 4000),
    ]


def _check(name: str, arguments: object, value: Any) -> Case:
    """All that a call waits for before it runs, for each KB of its arguments."""
    watch, kilobytes = LoopWatch(), len(json.dumps(value)) / 1024
    watch.observe("s", fingerprint("tool", arguments), result_print("x"), RULE)

    def check() -> None:
        watch.blocked("s", fingerprint("tool", arguments), RULE)

    return cpu(f"check, each KB of {name}", check, CHECK_US, required=True, per=kilobytes)


def _result(name: str, kilobytes: int, target_us: float) -> Case:
    text = (LOG * (kilobytes * 1024 // len(LOG) + 1))[: kilobytes * 1024]
    return cpu(f"hash a result of {name}", lambda: result_print(text), target_us)
