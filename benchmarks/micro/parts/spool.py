"""The way to the disk: a span put into the queue, and an entry appended to the spool."""

import itertools
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.micro.case import Case, cpu
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from spanledger.processors.delivery.weight import weigh
from spanledger.processors.queue import BoundedQueue
from spanledger.processors.spool import DiskSpool, Entry

SPANS = 500
SPAN_BYTES = 1500
MAX_BYTES = 64 * 1024 * 1024


def cases(stack: ExitStack) -> list[Case]:
    root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    folders = (root / str(number) for number in itertools.count())
    return [
        cpu("put a span into the queue", _put(), 5, per=SPANS),
        _spooled("append, entries of one span", _appending(next(folders), 1), 10, required=True),
        _spooled("append, entries of 50 spans", _appending(next(folders), 50), 10, required=True),
        _spooled("append, read, acknowledge, one span", _through(next(folders), 1), 30),
        _spooled("append, read, acknowledge, 50 spans", _through(next(folders), 50), 10),
    ]


def _spooled(
    name: str, run: Callable[[], object], target_us: float, *, required: bool = False
) -> Case:
    return cpu(f"{name} of 1.5 KB, each span", run, target_us, required=required, per=SPANS)


def _put() -> Callable[[], None]:
    span = ReadableSpan(
        "chat",
        SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(1)),
        attributes={f"gen_ai.request.number_{n}": "value" if n % 2 else n for n in range(25)},
        resource=Resource({}),
    )

    def run() -> None:
        queue: BoundedQueue[ReadableSpan] = BoundedQueue(8192, weigh=weigh)
        for _ in range(SPANS):
            queue.put(span)

    return run


def _appending(root: Path, items: int) -> Callable[[], None]:
    entry = Entry("traces", items, b"x" * SPAN_BYTES * items)

    def run() -> None:
        spool = DiskSpool(root, "benchmark", MAX_BYTES)
        for _ in range(SPANS // items):
            spool.make_room(entry)
            spool.append(entry)
        # What is left makes room for the next rounds, by and by.
        spool.close()

    return run


def _through(root: Path, items: int) -> Callable[[], None]:
    entry = Entry("traces", items, b"x" * SPAN_BYTES * items)

    def run() -> None:
        spool = DiskSpool(root, "benchmark", MAX_BYTES)
        for _ in range(SPANS // items):
            spool.make_room(entry)
            spool.append(entry)
            portion = spool.next(most_items=512, most_bytes=1 << 20)
            assert portion is not None
            spool.acknowledge(portion)
        spool.close()

    return run
