"""CPU of the way to the disk: a span put into the queue, and an entry appended to the spool.

    python benchmarks/micro_spool.py [folder]

Prints microseconds for each span (best of several rounds, all operations interleaved, so that a
slow moment of the machine hits them alike) beside its target. Exits with 1 if one is missed.
The spool lies in a temporary folder, below the one that is named.
"""

import gc
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from spanledger.processors.delivery.weight import weigh
from spanledger.processors.queue import BoundedQueue
from spanledger.processors.spool import DiskSpool, Entry

ROUNDS = 15
SPANS_A_ROUND = 2000
SPAN_BYTES = 1500
MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Operation:
    name: str
    run: Callable[[], None]
    """Handles `SPANS_A_ROUND` spans."""
    target_us: float


def operations(root: Path) -> list[Operation]:
    return [
        Operation("put a span into the queue", _put(), 5.0),
        Operation("append an entry of one span, 1.5 KB", _append(root / "single", 1), 10.0),
        Operation("append an entry of 50 spans, 75 KB", _append(root / "many", 50), 10.0),
        Operation("append, read, acknowledge, one span", _through(root / "through", 1), 30.0),
        Operation("append, read, acknowledge, 50 spans", _through(root / "through-50", 50), 10.0),
    ]


def _put() -> Callable[[], None]:
    span = ReadableSpan(
        "chat",
        SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(1)),
        attributes={f"gen_ai.request.number_{n}": "value" if n % 2 else n for n in range(25)},
        resource=Resource({}),
    )

    def run() -> None:
        queue: BoundedQueue[ReadableSpan] = BoundedQueue(8192, weigh=weigh)
        for _ in range(SPANS_A_ROUND):
            queue.put(span)

    return run


def _append(root: Path, items: int) -> Callable[[], None]:
    entry = Entry("traces", items, b"x" * SPAN_BYTES * items)

    def run() -> None:
        spool = DiskSpool(root, "benchmark", MAX_BYTES)
        for _ in range(SPANS_A_ROUND // items):
            spool.make_room(entry)
            spool.append(entry)
        # What is left makes room for the next rounds, by and by.
        spool.close()

    return run


def _through(root: Path, items: int) -> Callable[[], None]:
    entry = Entry("traces", items, b"x" * SPAN_BYTES * items)

    def run() -> None:
        spool = DiskSpool(root, "benchmark", MAX_BYTES)
        for _ in range(SPANS_A_ROUND // items):
            spool.make_room(entry)
            spool.append(entry)
            portion = spool.next(most_items=512, most_bytes=1 << 20)
            assert portion is not None
            spool.acknowledge(portion)
        spool.close()

    return run


def one_round(run: Callable[[], None]) -> float:
    start = time.process_time()
    run()
    return (time.process_time() - start) / SPANS_A_ROUND * 1e6


def main(parent: str | None) -> int:
    gc.disable()
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        todo = operations(Path(folder))
        best = {operation.name: float("inf") for operation in todo}
        for _ in range(ROUNDS):
            for operation in todo:
                best[operation.name] = min(best[operation.name], one_round(operation.run))
    for operation in todo:
        measured, target = best[operation.name], operation.target_us
        verdict = "ok" if measured <= target else "MISSED"
        print(f"{operation.name:40} {measured:8.2f} us   target {target:6.1f} us   {verdict}")
    return int(any(best[o.name] > o.target_us for o in todo))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else None))
