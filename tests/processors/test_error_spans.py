"""Which spans carry an error, once; and what is told of what went before."""

import asyncio
import logging
import pickle
import threading
import time
from contextlib import suppress
from functools import partial

import pytest
from opentelemetry.trace import SpanKind, Status, StatusCode

from spanledger import semconv, track
from spanledger.guard import Budget, Guard, Policy
from spanledger.processors import errors
from spanledger.testing.spans import SpanCapture
from tests.guard._calls import call
from tests.processors import _failing
from tests.processors._errors import (
    collecting,
    contexts,
    fail,
    redact,
    spans,
)

__all__ = ["collecting", "spans"]


def test_an_error_is_collected_at_the_innermost_span_and_named_on_the_others(
    spans: SpanCapture,
) -> None:
    with suppress(LookupError), track.session("s"), track.agent("a"):
        fail_in_tool = track.tool(_failing.plain)
        fail_in_tool()
    ids = {span["attributes"][semconv.ERROR_ID] for span in spans.spans}
    assert len(ids) == 1
    assert {s["name"]: len(contexts(s)) for s in spans.spans} == {
        "session": 0,
        "invoke_agent a": 0,
        "execute_tool plain": 1,
    }


def test_an_exception_that_takes_no_attribute_has_one_id_too(spans: SpanCapture) -> None:
    with track.operation("outer"):
        fail(_failing.frozen)
        [inner] = spans.named("work")
    assert len(contexts(inner)) == 1


def test_the_same_exception_in_another_trace_has_a_context_there_too(spans: SpanCapture) -> None:
    error = ValueError("a constant of the module")

    def again() -> None:
        raise error

    fail(again)
    fail(again)
    assert [len(contexts(span)) for span in spans.named("work")] == [1, 1]


def test_the_id_travels_with_a_pickled_exception() -> None:
    error = ValueError("from a worker")
    found = track.error(error)
    assert track.error(pickle.loads(pickle.dumps(error))) == found  # noqa: S301 - our own


def test_errors_of_the_same_functions_share_a_fingerprint(spans: SpanCapture) -> None:
    fail(_failing.plain)
    fail(lambda: _failing.plain("basel"))
    fail(_failing.caused)
    prints = [span["attributes"][semconv.ERROR_FINGERPRINT] for span in spans.named("work")]
    assert len(set(prints)) == 3  # the lambda is a function of its own
    fail(_failing.caused)
    assert spans.named("work")[-1]["attributes"][semconv.ERROR_FINGERPRINT] == prints[-1]


def test_the_log_names_the_error_and_not_what_it_says(
    spans: SpanCapture, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "spanledger.errors"):
        fail(_failing.plain)
    [record] = caplog.records
    assert str(spans.spans[0]["attributes"][semconv.ERROR_ID]) in record.getMessage()
    assert "bern" not in record.getMessage()


def test_a_library_that_ends_its_span_as_failed_says_nothing_more_than_that(
    spans: SpanCapture,
) -> None:
    """The exception on its way through is found; no `record_exception` was called."""
    span = spans.tracer().start_span("chat", attributes={semconv.OPERATION_NAME: "chat"})
    try:
        _failing.plain()
    except LookupError:
        span.set_status(Status(StatusCode.ERROR))
        span.end()
    assert contexts(spans.spans[0])[0]["chain"][0]["type"] == "LookupError"


def test_the_exception_around_a_span_is_not_its_own(spans: SpanCapture) -> None:
    """A fallback that fails in its own way, inside of ``except``."""
    try:
        _failing.plain()
    except LookupError:
        span = spans.tracer().start_span("tool", attributes={semconv.SPAN_KIND: "tool"})
        span.set_status(Status(StatusCode.ERROR, "isError"))
        span.end()
    [found] = contexts(spans.spans[0])
    assert "chain" not in found
    assert found["path"][0]["status"] == "failed"


def test_a_part_of_an_operation_leaves_the_telling_to_it(spans: SpanCapture) -> None:
    """An HTTP request inside a tool has a span of its own."""
    request = spans.tracer().start_as_current_span("GET", kind=SpanKind.CLIENT)
    with suppress(LookupError), track.agent("a"), request:
        _failing.plain()
    assert contexts(spans.named("GET")[0]) == []
    assert len(contexts(spans.named("invoke_agent a")[0])) == 1


def test_a_span_that_does_not_fail_has_no_context(spans: SpanCapture) -> None:
    with track.operation("work"):
        pass
    assert spans.spans[0]["events"] == []
    assert semconv.ERROR_ID not in spans.spans[0]["attributes"]


def test_a_refusal_of_ours_is_no_error_of_the_program(spans: SpanCapture) -> None:
    """An id to find it by, and nothing is collected."""
    refusal = Guard(Policy((Budget("none", "calls", 0),))).admit(call()).refusal
    assert refusal is not None

    def refused() -> None:
        raise refusal.error()

    fail(refused)
    [span] = spans.spans
    assert semconv.ERROR_ID in span["attributes"]
    assert contexts(span) == []


async def test_a_cancelled_task_is_no_error_of_the_program(spans: SpanCapture) -> None:
    async def work() -> None:
        with track.operation("work"):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert contexts(spans.spans[0]) == []


async def test_tasks_that_fail_at_once_keep_their_contexts_apart(spans: SpanCapture) -> None:
    async def work(word: str) -> None:
        with track.operation(word):
            await asyncio.sleep(0)
            _failing.plain(word)

    with suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            for i in range(10):
                group.create_task(work(f"word {i}"))
    for span in spans.spans:
        [found] = contexts(span)
        assert found["locals"][0]["variables"]["word"] == span["name"]


async def test_generators_and_coroutines_show_their_frames(spans: SpanCapture) -> None:
    with suppress(LookupError), track.operation("work"):
        async for _ in _failing.items():
            pass
    functions = [frame["function"] for frame in contexts(spans.spans[0])[0]["frames"]]
    assert functions[:2] == ["plain", "items"]


def test_threads_that_fail_at_once_collect_each_their_own(spans: SpanCapture) -> None:
    def work(number: int) -> None:
        for i in range(5):
            fail(partial(_failing.plain, f"{number}.{i}"), f"work {number}.{i}")

    errors.use(errors.ErrorRecorder(redact, pace=errors.Pace(burst=1000)))
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(spans.spans) == 40
    for span in spans.spans:
        [found] = contexts(span)
        assert found["locals"][0]["variables"]["word"] == span["name"].removeprefix("work ")


def test_the_path_leads_from_the_failure_back_to_the_session(spans: SpanCapture) -> None:
    look = track.tool(name="look")(lambda: "found")
    with suppress(LookupError), track.session("s"), track.agent("planner"):
        look()
        with suppress(LookupError), track.operation("try"):
            _failing.plain()
        track.tool(_failing.plain)()
    [found] = contexts(spans.named("execute_tool plain")[0])
    path = [(e["depth"], e["name"], e["kind"], e["status"]) for e in found["path"]]
    assert path == [
        (2, "execute_tool plain", "tool", "failed"),
        (2, "try", "operation", "error"),
        (2, "execute_tool look", "tool", "ok"),
        (1, "invoke_agent planner", "agent", "open"),
        (0, "session", "session", "open"),
    ]
    assert all(entry["duration_s"] >= 0 for entry in found["path"])


def test_a_long_session_remembers_the_last_steps_only(spans: SpanCapture) -> None:
    with suppress(LookupError), track.session("s"):
        for i in range(1000):
            with track.operation(f"step {i}"):
                pass
        _failing.plain()
    names = [entry["name"] for entry in contexts(spans.named("session")[0])[0]["path"]]
    assert names == [*(f"step {i}" for i in range(999, 991, -1)), "session"]


def test_the_use_of_resources_and_its_change_are_told(spans: SpanCapture) -> None:
    with suppress(LookupError), track.session("s"):
        ballast = b"x" * 30_000_000
        with open("/dev/null", "rb"), track.operation("work"):
            _failing.plain(str(len(ballast)))
    found = contexts(spans.named("work")[0])[0]["resources"]
    assert found["rss_bytes"] > 30_000_000
    assert found["since_session_began"]["rss_bytes"] > 20_000_000
    assert found["since_session_began"]["open_files"] == 1
    assert found["threads"] >= 1
    assert found["cpu_s"] > 0


async def test_a_blocked_event_loop_is_told(spans: SpanCapture) -> None:
    asyncio.get_running_loop().call_later(0.01, lambda: None)
    with suppress(LookupError), track.operation("work"):
        time.sleep(0.06)  # noqa: ASYNC251 - blocking the loop is the point
        _failing.plain()
    assert contexts(spans.spans[0])[0]["resources"]["event_loop"]["lag_s"] >= 0.04


def test_the_last_snapshots_are_told_with_what_changed(spans: SpanCapture) -> None:
    with suppress(LookupError), track.session("s-snapshots"):
        track.snapshot("plan", {"done": 0})
        track.snapshot("plan", {"done": 1})
        _failing.plain()
    [entry] = contexts(spans.spans[0])[0]["snapshots"]
    assert entry["changes"] == [{"op": "replace", "path": "/done", "old": 0, "value": 1}]
