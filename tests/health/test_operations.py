"""Timed operations: counted by name, bounded, and what they make of the health."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger import semconv
from spanledger.health import operation_timer, record_operation, report
from spanledger.health._operations import Operations, quantile, the_operations
from spanledger.testing.clock import TickingClock
from spanledger.testing.spans import capture_spans


def test_a_block_is_timed_and_an_error_is_a_failure() -> None:
    with operation_timer("parse") as timer:
        pass
    with pytest.raises(KeyError), operation_timer("parse"):
        raise KeyError("x")
    (found,) = the_operations.stats()
    assert (found.name, found.runs, found.failures, found.recent) == ("parse", 2, 1, 2)
    assert found.longest_s >= timer.duration_s > 0


def test_functions_and_coroutines_are_timed_by_their_name() -> None:
    @operation_timer()
    def plain() -> int:
        return 1

    @operation_timer("other")
    async def later() -> int:
        await asyncio.sleep(0)
        return 2

    assert (plain(), asyncio.run(later())) == (1, 2)
    names = {stats.name for stats in the_operations.stats()}
    assert "other" in names
    assert any(name.endswith("plain") for name in names)


def test_a_cancelled_coroutine_has_not_failed() -> None:
    @operation_timer("cancelled")
    async def forever() -> None:
        await asyncio.Event().wait()

    async def run() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(forever(), 0.01)

    asyncio.run(run())
    (found,) = the_operations.stats()
    assert (found.runs, found.failures) == (1, 0)


def test_what_can_not_be_timed_is_told_so() -> None:
    with pytest.raises(TypeError, match="functions and coroutines"):

        @operation_timer()
        def tokens() -> Iterator[int]:
            yield 1

    with pytest.raises(TypeError, match="brackets"):
        operation_timer(len)  # type: ignore[arg-type]  # the mistake that is tested


@pytest.mark.parametrize("wrong", [-0.1, float("nan"), float("inf")])
def test_a_duration_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="duration_s"):
        record_operation("x", wrong)
    assert the_operations.stats() == []


def test_lately_is_five_minutes() -> None:
    clock = TickingClock()
    operations = Operations(clock.monotonic)
    operations.record("a", 1.0, failed=True, slow=False)
    clock.advance(200.0)
    operations.record("a", 3.0, failed=False, slow=True)
    clock.advance(200.0)
    (found,) = operations.stats()
    assert (found.runs, found.failures, found.total_s) == (2, 1, 4.0)
    assert (found.recent, found.recent_failures, found.recent_slow) == (1, 0, 1)
    assert (found.median_s, found.p95_s) == (3.0, 3.0)


def test_names_and_runs_are_bounded() -> None:
    operations = Operations()
    for number in range(1000):
        operations.record(str(number), 0.0, failed=False, slow=False)
    assert {stats.name for stats in operations.stats()} == {str(n) for n in range(744, 1000)}
    for _ in range(1000):
        operations.record("one", 0.0, failed=False, slow=False)
    (one,) = [stats for stats in operations.stats() if stats.name == "one"]
    assert (one.runs, one.recent) == (1000, 256)


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_the_smallest_value_that_the_share_does_not_pass(
    values: list[float], share: float
) -> None:
    ordered = sorted(values)
    found = quantile(ordered, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values) + 1e-9
    assert quantile([], share) is None


@pytest.mark.parametrize("_race", range(20))
def test_no_run_is_lost_between_threads(_race: int) -> None:
    operations = Operations()

    def run() -> None:
        for _ in range(100):
            operations.record("a", 0.5, failed=True, slow=False)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (found,) = operations.stats()
    assert (found.runs, found.failures, found.total_s) == (800, 800, 400.0)


def _busy() -> int:
    found = 0
    for number in range(300_000):
        found += number
    return found


def test_a_profile_lies_on_the_span_that_is_open() -> None:
    with capture_spans(as_global=True) as capture:
        agent = capture.tracer().start_as_current_span("agent")
        with agent, operation_timer("outer", profile=True), operation_timer("in", profile=True):
            _busy()
    (span,) = capture.named("agent")
    (event,) = [e for e in span["events"] if e["name"] == semconv.HEALTH_PROFILE]
    functions = str(event["attributes"][semconv.EVENT_ATTRIBUTE_PREFIX + "functions"])
    assert "_busy (test_operations.py" in functions
    assert event["attributes"][semconv.EVENT_ATTRIBUTE_PREFIX + "operation"] == "outer"


def test_failing_operations_lower_the_score_and_are_named() -> None:
    for number in range(10):
        record_operation("search", 0.1, failed=number < 6)
    found = report()
    assert "failures" in [finding.sign for finding in found.findings]
    assert found.score <= 40
    assert "search: 10 runs, 6 failed, median 0.100 s" in str(found)
    assert found.as_dict()["operations"][0]["name"] == "search"


def test_a_single_failure_says_nothing() -> None:
    record_operation("search", 0.1, failed=True)
    assert "failures" not in [finding.sign for finding in report().findings]
