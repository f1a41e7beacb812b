"""The way out: nothing is lost without being counted, and nothing waits for a dead collector."""

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from opentelemetry import context
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from spanledger.processors import Books, Exporter, ExportOptions, ExportProcessor
from spanledger.processors.clean import Cleaner
from spanledger.processors.redaction import AllowList, redactor
from spanledger.processors.spool import Signal
from spanledger.processors.transport import Sent, Transport
from spanledger.testing.otlp_server import (
    Accept,
    HangReply,
    LostReply,
    OtlpServer,
    PartialSuccess,
    Refuse,
    SlowReply,
)
from tests._ports import free_port
from tests.guard._wait import until
from tests.processors._exporting import (
    FAST,
    SECRET,
    assert_law,
    exporter_to,
    exporting,
    record,
    span,
)


@pytest.fixture
def dead_endpoint() -> str:
    """An address at which nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


def test_spans_and_records_arrive_without_secrets(otlp_server: OtlpServer) -> None:
    """In one go, each in its own request; the records under the program's resource."""
    with exporting(otlp_server.endpoint) as exporter:
        exporter.put(span(f"chat {SECRET}", **{"gen_ai.agent.name": SECRET, "input.value": "hi"}))
        exporter.put(record(f"refused {SECRET}"))
        assert exporter.flush(5.0)
        assert exporter.books() == Books(2, 2, 0, 0)
    assert otlp_server.spans[0].name == "chat [redacted:environment]"
    assert otlp_server.spans[0].attributes == {"gen_ai.agent.name": "[redacted:environment]"}
    stored = otlp_server.logs[0]
    assert stored.body == "refused [redacted:environment]"
    assert stored.attributes == {"spanledger.guard.rule": "r"}
    assert stored.resource == {"service.name": "app"}
    assert stored.severity == "WARN"


def test_a_span_is_sent_soon_without_any_flush(otlp_server: OtlpServer) -> None:
    """By the worker alone."""
    with exporting(otlp_server.endpoint) as exporter:
        exporter.put(span())
        assert otlp_server.wait_for(spans=1)


def test_more_than_a_batch_is_sent_in_batches(otlp_server: OtlpServer) -> None:
    """And all of it arrives."""
    with exporting(otlp_server.endpoint) as exporter:
        for _ in range(1200):
            exporter.put(span())
        assert exporter.flush(10.0)
    assert len(otlp_server.unique_spans) == 1200
    assert otlp_server.duplicates == 0
    assert max(request.items for request in otlp_server.requests) <= 512


@pytest.mark.parametrize(
    "fault",
    [
        Refuse(status=503, retry_after_s=0.05),
        Refuse(status=503),
        Refuse(status=429, retry_after_s=0),
        Refuse(status=502),
        LostReply(),
        LostReply(reset=True),
        HangReply(seconds=0.05),
        HangReply(seconds=0.05, store=True),
        SlowReply(byte_delay_s=0.001),
    ],
    ids=repr,
)
def test_a_fault_that_passes_loses_nothing(fault: object, otlp_server: OtlpServer) -> None:
    """Spans may come twice (they have an identity), but they come."""
    otlp_server.enqueue(fault)  # type: ignore[arg-type]  # each of the list above is a behaviour
    with exporting(otlp_server.endpoint) as exporter:
        exporter.put(span())
        exporter.put(span())
        assert exporter.flush(10.0)
        assert exporter.books() == Books(2, 2, 0, 0)
    assert len(otlp_server.unique_spans) == 2


def test_what_is_refused_for_good_is_dropped_and_counted(
    otlp_server: OtlpServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It would be refused for ever; what comes after it goes through."""
    otlp_server.enqueue(Refuse(status=400, message="no such schema"))
    with exporting(otlp_server.endpoint) as exporter:
        exporter.put(span())
        assert exporter.flush(5.0)
        exporter.put(span())
        assert exporter.flush(5.0)
        assert exporter.books() == Books(2, 1, 0, 1, {"refused": 1})
    assert "refused 1 spans: HTTP 400: no such schema" in caplog.text


def test_a_partial_success_is_counted_in_part(otlp_server: OtlpServer) -> None:
    """What the collector rejected is lost, what it took is delivered; nothing is sent again."""
    otlp_server.enqueue(PartialSuccess(rejected=2))
    with exporting(otlp_server.endpoint) as exporter:
        for _ in range(5):
            exporter.put(span())
        assert exporter.flush(5.0)
        books = exporter.books()
    assert (books.accepted, books.delivered, books.dropped) == (5, 3, 2)
    assert books.dropped_by_reason == {"rejected": 2}
    assert len(otlp_server.requests) == 1


def test_a_collector_that_comes_back_gets_everything(
    otlp_server: OtlpServer, caplog: pytest.LogCaptureFixture
) -> None:
    """And its absence is said once, with what to do."""
    otlp_server.stop()
    with exporting(otlp_server.endpoint) as exporter:
        for _ in range(3):
            exporter.put(span())
            assert not exporter.flush(0.15)
        assert exporter.books().spooled == 3
        otlp_server.start()
        assert exporter.flush(10.0)
        assert exporter.books() == Books(3, 3, 0, 0)
    warnings = [r for r in caplog.records if "can't be sent" in r.getMessage()]
    assert len(warnings) == 1
    assert "spanledger up" in warnings[0].getMessage()
    assert otlp_server.endpoint in warnings[0].getMessage()


def test_a_queue_that_is_full_drops_the_oldest_and_counts_them(dead_endpoint: str) -> None:
    """Memory is bounded while nobody listens."""
    small = ExportOptions(queue_size=50, interval_s=0.01, timeout_s=1.0, shutdown_timeout_s=0.2)
    with exporting(dead_endpoint, small) as exporter:
        for _ in range(500):
            exporter.put(span())
        books = exporter.books()
        assert_law(books)
        assert books.spooled <= 51
    books = exporter.books()
    assert books.dropped_by_reason["queue_full"] >= 449
    assert books.dropped_by_reason.get("shutdown", 0) + books.spooled <= 51


class _Busy:
    """A transport that always asks to try again, and counts."""

    target = "test"

    def __init__(self, retry_after_s: float | None) -> None:
        self.sent = 0
        self._retry_after_s = retry_after_s

    def send(self, signal: Signal, request: bytes, *, timeout_s: float) -> Sent:
        self.sent += 1
        return Sent("retry", "busy", retry_after_s=self._retry_after_s)

    def close(self) -> None: ...


def _exporter_over(transport: Transport, options: ExportOptions) -> Exporter:
    return Exporter(lambda: transport, Cleaner(AllowList(), redactor([])), options)


def test_more_spans_are_no_reason_to_ask_a_busy_collector_earlier() -> None:
    """It said how long to leave it alone; neither a flush nor the end of the program matter."""
    busy = _Busy(retry_after_s=20.0)
    exporter = _exporter_over(busy, ExportOptions(interval_s=0.01))
    exporter.put(span())
    until(lambda: busy.sent and exporter._delivery.not_before)
    for _ in range(2000):
        exporter.put(span())
    began = time.monotonic()
    assert not exporter.flush(3.0)
    exporter.shutdown()
    assert busy.sent == 1
    # There was nothing to wait for.
    assert time.monotonic() - began < 2.0
    assert_law(exporter.books())


@pytest.mark.parametrize("kind", ["dead", "hanging"])
def test_shutdown_takes_no_longer_than_five_and_a_half_seconds(
    kind: str, dead_endpoint: str, otlp_server: OtlpServer
) -> None:
    """With the default options, whatever the collector does; the loss is counted."""
    otlp_server.always(HangReply())
    endpoint = dead_endpoint if kind == "dead" else otlp_server.endpoint
    exporter = exporter_to(endpoint, ExportOptions())
    for _ in range(20):
        exporter.put(span())
    if kind == "hanging":
        assert exporter._options.interval_s == 1.0
        assert otlp_server.wait_for(requests=1)
    began = time.monotonic()
    exporter.shutdown()
    exporter.shutdown()
    assert time.monotonic() - began <= 5.5
    books = exporter.books()
    assert_law(books)
    assert books.delivered == 0
    assert books.dropped + books.spooled == 20


def test_a_burst_costs_the_program_little_while_the_collector_hangs(
    otlp_server: OtlpServer,
) -> None:
    """The caller only enqueues: far below a millisecond for each span."""
    otlp_server.always(HangReply())
    options = ExportOptions(queue_size=1000, interval_s=0.01, shutdown_timeout_s=0.1)
    with exporting(otlp_server.endpoint, options) as exporter:
        finished = span()
        began = time.thread_time()
        for _ in range(20_000):
            exporter.put(finished)
        assert (time.thread_time() - began) / 20_000 < 1e-3


def test_a_span_that_cannot_be_encoded_does_not_stop_the_others(
    otlp_server: OtlpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is dropped and counted; those that came with it are sent."""
    with exporting(otlp_server.endpoint) as exporter:
        bad = span("bad")
        clean = exporter._encoder._cleaner.span

        def fails(one: ReadableSpan) -> ReadableSpan:
            if one is bad:
                raise TypeError("unencodable")
            return clean(one)

        monkeypatch.setattr(exporter._encoder._cleaner, "span", fails)
        for one in (span("a"), bad, span("b"), span("c")):
            exporter.put(one)
        assert exporter.flush(5.0)
        assert exporter.books() == Books(4, 3, 0, 1, {"unsendable": 1})
    assert sorted(one.name for one in otlp_server.spans) == ["a", "b", "c"]


def test_a_shutdown_without_anything_to_send_starts_nothing(dead_endpoint: str) -> None:
    """No thread, no connection, no wait."""
    exporter = exporter_to(dead_endpoint)
    exporter.shutdown()
    assert not exporter._taking.runs
    assert not exporter._sending.runs


def test_the_threads_end_with_the_shutdown(otlp_server: OtlpServer) -> None:
    """Whoever takes us out of a process finds nothing left running."""
    exporter = exporter_to(otlp_server.endpoint)
    exporter.put(span())
    exporter.shutdown()
    until(lambda: not exporter._taking.runs and not exporter._sending.runs)
    exporter.put(span("late"))
    assert exporter.flush(5.0)
    assert exporter.books().delivered == 2
    exporter.shutdown()


def test_the_shutdown_sends_by_itself_what_no_thread_can_be_started_for(
    otlp_server: OtlpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first span of a process may end when the interpreter is on its way out."""
    exporter, last = exporter_to(otlp_server.endpoint), span("last")

    start = threading.Thread.start

    def fails(thread: threading.Thread) -> None:
        if thread.name.startswith("spanledger-"):
            raise RuntimeError("can't create new thread at interpreter shutdown")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fails)
    exporter.put(last)
    exporter.shutdown()
    assert [one.name for one in otlp_server.spans] == ["last"]
    assert exporter.books() == Books(1, 1, 0, 0)


class _Watching:
    """A transport that notes what the thread that sends looks like."""

    target = "test"

    def __init__(self) -> None:
        self.traced: list[bool] = []
        self.inherited: list[object] = []

    def send(self, signal: Signal, request: bytes, *, timeout_s: float) -> Sent:
        self.traced.append(is_instrumentation_enabled())
        self.inherited.append(context.get_value("mine"))
        return Sent("delivered")

    def close(self) -> None: ...


def test_our_own_requests_are_not_traced() -> None:
    """Instrumented `requests` would make a span of each request, and so for ever."""
    watching = _Watching()
    exporter = _exporter_over(watching, FAST)
    exporter.put(span())
    assert exporter.flush(5.0)
    exporter.shutdown()
    assert watching.traced == [False]
    assert is_instrumentation_enabled()


def test_a_log_handler_that_makes_spans_does_not_run_away(
    otlp_server: OtlpServer,
) -> None:
    """Our warning is logged once; a span for each log line must not feed it."""
    provider = TracerProvider(shutdown_on_exit=False)
    otlp_server.always(Refuse(status=503))
    exporter = exporter_to(
        otlp_server.endpoint,
        ExportOptions(interval_s=0.01, shutdown_timeout_s=0.2),
    )
    provider.add_span_processor(ExportProcessor(exporter))
    tracer = provider.get_tracer("logging")

    class Spanning(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tracer.start_span("log line").end()

    handler = Spanning()
    logger = logging.getLogger("spanledger.export")
    logger.addHandler(handler)
    try:
        tracer.start_span("first").end()
        assert otlp_server.wait_for(requests=2)
        assert exporter.books().accepted == 2
    finally:
        provider.shutdown()
        logger.removeHandler(handler)
    assert_law(exporter.books())


def test_the_worker_does_not_inherit_the_context_in_which_it_is_started() -> None:
    """Instrumented threads do; the first span that ends would be its context for ever."""
    watching = _Watching()
    instrumentor = ThreadingInstrumentor()
    instrumentor.instrument()
    token = context.attach(context.set_value("mine", "x"))
    try:
        exporter = _exporter_over(watching, FAST)
        exporter.put(span())
        assert exporter.flush(5.0)
        exporter.shutdown()
    finally:
        context.detach(token)
        instrumentor.uninstrument()
    assert watching.inherited == [None]


def test_only_one_worker_is_started_by_many_threads(otlp_server: OtlpServer) -> None:
    """All of them put the first span."""
    start = threading.Barrier(16)
    with exporting(otlp_server.endpoint) as exporter:

        def work() -> None:
            start.wait()
            exporter.put(span())

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert exporter.flush(5.0)
        assert exporter.books().delivered == 16
        assert otlp_server.duplicates == 0


def test_a_span_that_ends_while_the_worker_is_being_started_does_not_hang(
    otlp_server: OtlpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the garbage collector runs just then, on the same thread."""
    with exporting(otlp_server.endpoint) as exporter:
        start = threading.Thread.start

        def collecting(thread: threading.Thread) -> None:
            if thread.name == "spanledger-export":
                exporter.put(span())
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", collecting)
        caller = threading.Thread(target=exporter.put, args=(span(),), daemon=True)
        caller.start()
        caller.join(10.0)
        assert not caller.is_alive()
        assert exporter.flush(5.0)
    assert len(otlp_server.unique_spans) == 2


def test_a_forked_child_sends_its_own_spans_and_not_its_parents(otlp_server: OtlpServer) -> None:
    """With a worker of its own; the parent's go on."""
    otlp_server.always(Refuse(status=503, retry_after_s=0.05))
    with exporting(otlp_server.endpoint) as exporter:
        exporter.put(span("parent"))
        assert otlp_server.wait_for(requests=1)
        child = os.fork()
        if child == 0:
            status = 1
            if exporter.books() == Books():
                exporter.put(span("child"))
                status = 0 if exporter.flush(10.0) else 2
            os._exit(status)
        otlp_server.always(Accept())
        assert os.waitpid(child, 0)[1] == 0
        assert exporter.flush(10.0)
    assert sorted(found.name for found in otlp_server.unique_spans) == ["child", "parent"]


PROGRAM = """
import sys, time
from tests.processors._exporting import exporter_to, span
exporter = exporter_to(sys.argv[1])
import atexit
atexit.register(exporter.shutdown)
exporter.put(span("last words"))
"""


def test_what_waits_when_a_program_ends_is_still_sent(otlp_server: OtlpServer) -> None:
    """By the worker, which is a daemon thread: the exit waits for it a while."""
    subprocess.run(
        [sys.executable, "-c", PROGRAM, otlp_server.endpoint],
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert [found.name for found in otlp_server.spans] == ["last words"]


def test_the_processor_hands_over_ended_spans_and_flushes(otlp_server: OtlpServer) -> None:
    """Between a provider and the exporter."""
    exporter = exporter_to(otlp_server.endpoint, FAST)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(ExportProcessor(exporter))
    provider.get_tracer("t").start_span("open")
    provider.get_tracer("t").start_span("ended").end()
    assert provider.force_flush(5000)
    assert [found.name for found in otlp_server.spans] == ["ended"]
    provider.shutdown()
    assert_law(exporter.books())
