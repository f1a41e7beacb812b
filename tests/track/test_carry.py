"""Context that goes along: by itself into threads and processes, by hand through queues."""

import asyncio
import json
import multiprocessing
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context
from opentelemetry.instrumentation.threading import ThreadingInstrumentor

from spanledger import track
from spanledger.instrumentation import _context_carry
from spanledger.testing.spans import SpanCapture
from spanledger.track import Scope, attach, carried, carry, current_scope
from tests.track._carriers import Who, who

NOBODY = (None, (), 0)


@pytest.fixture(params=["alone", "beside the threading instrumentation"])
def _carrying(request: pytest.FixtureRequest) -> Iterator[None]:
    beside = request.param != "alone"
    if beside:
        ThreadingInstrumentor().instrument()
    _context_carry.install({})
    yield
    _context_carry.uninstall()
    if beside:
        ThreadingInstrumentor().uninstrument()


@pytest.fixture
def inside(captured_spans: SpanCapture) -> Iterator[Who]:
    """Who does the work of the test."""
    with track.session("s"), track.agent("planner"):
        yield who()


class OwnRun(threading.Thread):
    """A thread with a `run` of its own."""

    def run(self) -> None:
        self.found = who()


def _in_thread() -> Who:
    found: list[Who] = []
    thread = threading.Thread(target=lambda: found.append(who()))
    thread.start()
    thread.join()
    assert "run" not in vars(thread)
    return found[0]


def _in_own_run() -> Who:
    thread = OwnRun()
    thread.start()
    thread.join()
    return thread.found


def _in_timer() -> Who:
    found: list[Who] = []
    timer = threading.Timer(0, lambda: found.append(who()))
    timer.start()
    timer.join()
    return found[0]


def _in_executor() -> Who:
    with ThreadPoolExecutor(1) as pool:
        assert list(pool.map(who, [1])) == [pool.submit(who).result()]
        return pool.submit(who).result()


def _in_run_in_executor() -> Who:
    async def main() -> Who:
        loop = asyncio.get_running_loop()
        assert await asyncio.to_thread(who) == await asyncio.create_task(_who())
        return await loop.run_in_executor(None, who)

    return asyncio.run(main())


async def _who() -> Who:
    return who()


def _in_thread_pool() -> Who:
    with ThreadPool(1) as pool:
        return pool.map(who, [1])[0]


THREADS: dict[str, Callable[[], Who]] = {
    function.__name__: function
    for function in (
        _in_thread, _in_own_run, _in_timer, _in_executor, _in_run_in_executor, _in_thread_pool
    )
}  # fmt: skip


@pytest.mark.usefixtures("_carrying")
@pytest.mark.parametrize("name", THREADS)
def test_threads_work_for_who_started_them(name: str, inside: Who) -> None:
    assert THREADS[name]() == inside


def test_a_timer_is_handed_over_after_the_threading_instrumentation_came_and_went(
    inside: Who,
) -> None:
    """It leaves the `start` of before in the class."""
    ThreadingInstrumentor().instrument()
    ThreadingInstrumentor().uninstrument()
    _context_carry.install({})
    try:
        assert _in_timer() == inside
    finally:
        _context_carry.uninstall()


@pytest.mark.usefixtures("_carrying")
def test_an_executors_thread_works_for_each_task_owner_and_not_for_its_first(
    captured_spans: SpanCapture,
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with track.agent("first"):
            assert pool.submit(who).result()[1] == ("first",)
        with track.agent("second"):
            assert pool.submit(who).result()[1] == ("second",)
        assert pool.submit(who).result() == NOBODY


def test_a_host_that_switched_threads_off_keeps_its_limits_and_gets_no_parents(
    inside: Who,
) -> None:
    _context_carry.install({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "requests, threading"})
    try:
        assert _in_thread() == _in_executor() == ("s", ("planner",), 0)
    finally:
        _context_carry.uninstall()


def test_what_was_put_in_is_taken_out_again(inside: Who) -> None:
    before = threading.Thread.start, ThreadPoolExecutor.submit
    _context_carry.install({})
    assert threading.Thread.start is not before[0]
    _context_carry.uninstall()
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == before
    assert _in_thread() == NOBODY


def _run_program(what: str, **environ: str) -> Any:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("_carriers.py")), what],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_child_processes_work_for_their_parent(method: str) -> None:
    """A process, and the tasks of both kinds of pools."""
    found = _run_program(method)
    assert found == dict.fromkeys(found, True)
    assert len(found) == 6


def test_a_program_that_is_started_with_it_begins_where_its_parent_is(inside: Who) -> None:
    session, agents, trace_id = _run_program("who", **carry().environ())
    assert (session, tuple(agents), trace_id) == inside


@pytest.mark.parametrize("form", ["itself", "pickled", "texts", "json"])
def test_a_queues_worker_works_for_who_queued_the_job(
    form: str, captured_spans: SpanCapture
) -> None:
    forms: dict[str, Callable[[Any], Any]] = {
        "itself": lambda job: job,
        "pickled": lambda job: pickle.loads(pickle.dumps(job)),  # noqa: S301 - our own bytes
        "texts": lambda job: job.as_dict(),
        "json": lambda job: json.loads(json.dumps(job.as_dict())),
    }
    jobs: queue.Queue[Any] = queue.Queue()
    found: list[Any] = []

    def worker() -> None:
        while (job := jobs.get()) is not None:
            with attach(job), track.operation("job"):
                found.append((who()[2], current_scope()))
            found.append(who())

    thread = threading.Thread(target=worker)
    thread.start()
    with track.session("s", user="ada"), track.attributes(team="x"), track.agent("a"):
        jobs.put(forms[form](carry()))
        expected = (who()[2], current_scope())
    jobs.put(None)
    thread.join()
    assert found == [expected, NOBODY]
    assert captured_spans.named("job")[0]["parent"] == "invoke_agent a"


def test_there_is_no_baggage_unless_it_is_asked_for(captured_spans: SpanCapture) -> None:
    with track.session("s", user="ada"), track.agent("a"):
        assert dict(baggage.get_all()) == {}
        assert "ada" not in json.dumps(dict(baggage.get_all()))
    track.use_baggage(True)
    try:
        with track.session("s", user="ada"), track.agent("a"):
            found = {"session.id": "s", "user.id": "ada", "gen_ai.agent.name": "a"}
            assert dict(baggage.get_all()) == found
    finally:
        track.use_baggage(False)
    assert dict(baggage.get_all()) == {}


@given(st.dictionaries(st.sampled_from(["traceparent", "spanledger-scope", "x"]), st.text()))
def test_texts_that_can_not_be_read_are_nobodys(texts: dict[str, str]) -> None:
    assert carried(texts).scope == Scope()


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_a_scope_of_another_make_is_read_or_left_out(value: Any) -> None:
    """Whatever stands where a name should be."""
    names = {"session": value, "agents": value, "attributes": value}
    assert isinstance(carried({"spanledger-scope": json.dumps(names)}).scope, Scope)


def test_a_context_in_the_environment_that_can_not_be_read_changes_nothing() -> None:
    before = context.get_current()
    for text in ("", "{", "[]", "null", '{"traceparent": 5}', "x" * 20_000):
        track.arrive_by({track.CARRIED_ENV: text})
        assert who() == NOBODY
    context.attach(before)
