"""What a tool's decorator may say: time-outs, permissions, rates, results that are kept."""

import asyncio
import contextvars
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from spanledger import guard, semconv, track
from spanledger.guard import (
    Budget,
    CircuitOpen,
    Guard,
    LoopDetected,
    Policy,
    RateLimit,
    RateLimited,
)
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.guard.loops import LoopRule
from spanledger.testing.spans import SpanCapture
from spanledger.track import tool
from spanledger.track._kept import Results
from spanledger.track.tools import PermissionDenied, ToolTimeout, permit, permitted

Use = Callable[[Policy], Guard]


@pytest.fixture
def use() -> Iterator[Use]:
    """Makes a guard that of the process, until the test is over."""
    before = guard.current()
    yield lambda policy: guard.use(Guard(policy, clock=lambda: 1_000_000.0))
    guard.use(before)


# --- time-outs ------------------------------------------------------------------------------


def test_a_function_that_takes_too_long_is_left_behind(captured_spans: SpanCapture) -> None:
    go_on, ended = threading.Event(), threading.Event()

    @tool(timeout_s=0.02)
    def slow() -> None:
        go_on.wait(10)
        ended.set()

    with pytest.raises(ToolTimeout, match=r"'slow' gave nothing within 0\.02 s"):
        slow()
    (span,) = captured_spans.named("execute_tool slow")
    assert span["attributes"][semconv.ERROR_TYPE] == "ToolTimeout"
    assert span["attributes"][semconv.TOOL_TIMEOUT_S] == 0.02
    go_on.set()
    assert ended.wait(10)


def test_a_coroutine_that_takes_too_long_is_cancelled() -> None:
    cancelled = []

    @tool(timeout_s=0.01)
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with pytest.raises(ToolTimeout):
        asyncio.run(slow())
    assert cancelled == [True]


def test_a_time_out_of_the_tool_itself_stays_its_own() -> None:
    @tool(timeout_s=10)
    async def impatient() -> None:
        raise TimeoutError("of a socket")

    with pytest.raises(TimeoutError, match="of a socket") as caught:
        asyncio.run(impatient())
    assert not isinstance(caught.value, ToolTimeout)


def test_what_a_tool_with_a_time_out_gives_and_raises_is_its_own(
    captured_spans: SpanCapture,
) -> None:
    """And it sees what its caller sees: context variables, and the span it runs in."""
    asked = contextvars.ContextVar("asked", default="nothing")

    @tool(timeout_s=10)
    def look() -> str:
        with track.operation("inside"):
            return asked.get()

    @tool(timeout_s=10)
    def fail() -> None:
        raise KeyError("x")

    asked.set("this")
    assert look() == "this"
    with pytest.raises(KeyError):
        fail()
    (look_span,), (inside,) = (
        captured_spans.named("execute_tool look"), captured_spans.named("inside")
    )  # fmt: skip
    assert inside["parent_id"] == look_span["span_id"]


def test_a_time_out_is_a_failure_for_breakers(use: Use) -> None:
    use(Policy(breakers=(BreakerRule("fragile", min_calls=2),)))
    go_on = threading.Event()

    @tool(timeout_s=0.01)
    def slow() -> None:
        go_on.wait(10)

    for _ in range(2):
        with pytest.raises(ToolTimeout):
            slow()
    with pytest.raises(CircuitOpen):
        slow()
    go_on.set()


# --- permissions ----------------------------------------------------------------------------


def test_a_tool_runs_only_where_its_level_is_permitted(captured_spans: SpanCapture) -> None:
    @tool(permission="write")
    def delete() -> str:
        return "gone"

    @tool
    def harmless() -> str:
        return "fine"

    assert delete() == "gone"
    with permit("read"):
        assert harmless() == "fine"
        with pytest.raises(PermissionDenied, match="needs the permission 'write'"):
            delete()
        with permit("admin"), pytest.raises(PermissionDenied):
            delete()
    with permit("execute"):
        assert delete() == "gone"
    assert permitted() == "admin"
    refused = captured_spans.named("execute_tool delete")[1]
    assert refused["attributes"][semconv.ERROR_TYPE] == "PermissionDenied"
    assert refused["attributes"][semconv.TOOL_PERMISSION] == "write"


def test_a_permission_holds_for_results_that_are_kept() -> None:
    @tool(permission="admin", cache_s=60)
    def secret() -> str:
        return "kept"

    secret()
    with permit("read"), pytest.raises(PermissionDenied):
        secret()


# --- rates ----------------------------------------------------------------------------------


def test_a_rate_is_held_by_the_guard_without_any_policy(use: Use) -> None:
    use(Policy())

    @tool(rate="2/minute")
    def search(words: str) -> str:
        return words

    @tool(name="other", rate="2/minute")
    def other() -> None: ...

    assert [search("a"), search("b")] == ["a", "b"]
    with pytest.raises(RateLimited, match="Rate limit 'tool search' is reached") as caught:
        search("c")
    assert caught.value.retry_after_s is not None
    other()


def test_a_rate_is_held_for_coroutines_too(use: Use) -> None:
    use(Policy())

    @tool(rate="1 per hour")
    async def search() -> None: ...

    asyncio.run(search())
    with pytest.raises(RateLimited):
        asyncio.run(search())


def test_a_rule_of_the_policy_replaces_the_rate_of_its_name(use: Use) -> None:
    use(Policy(rate_limits=(RateLimit("tool search", "calls", 3, "minute", scope="tool"),)))

    @tool(rate="1/minute")
    def search() -> None: ...

    for _ in range(3):
        search()
    with pytest.raises(RateLimited):
        search()


def test_threads_share_a_rate_and_none_slips_through(use: Use) -> None:
    use(Policy())
    ran, refused, start = [], [], threading.Barrier(16)

    @tool(rate="5/hour")
    def search(words: str) -> None:
        ran.append(words)

    def work() -> None:
        start.wait(10)
        try:
            search("a")
        except RateLimited as error:
            refused.append(error)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (len(ran), len(refused)) == (5, 11)


def test_threads_that_keep_results_give_each_its_own() -> None:
    """More different arguments than are kept, so that results come and go all the time."""
    wrong: list[object] = []

    @tool(cache_s=60)
    def twice(number: int) -> int:
        return 2 * number

    def work(first: int) -> None:
        wrong.extend(n for n in range(first, first + 400) if twice(n) != 2 * n)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 400, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


# --- kept results ---------------------------------------------------------------------------


def test_a_kept_result_is_given_again_and_costs_nothing(
    use: Use, captured_spans: SpanCapture
) -> None:
    held = use(Policy((Budget("calls", "calls", 10, scope="tool"),)))
    ran = []

    @tool(cache_s=60, rate="1/minute")
    def look_up(word: str, times: int = 1) -> list[str]:
        ran.append(word)
        return [word] * times

    first = look_up("a")
    first.append("changed by the caller")
    assert look_up("a") == look_up(word="a", times=1) == ["a"]
    assert ran == ["a"]
    spans = captured_spans.named("execute_tool look_up")
    assert [span["attributes"].get(semconv.TOOL_CACHED) for span in spans] == [None, True, True]
    asked = guard.Call("x", "", "", "execute_tool", guard.Estimate(0, 0, 0, "none"), tool="look_up")
    assert [state.spent for state in held.state(asked)] == [1]


def test_a_coroutines_result_is_kept_too() -> None:
    ran = []

    @tool(cache_s=60)
    async def look_up(word: str) -> str:
        ran.append(word)
        return word

    async def twice() -> list[str]:
        return [await look_up("a"), await look_up("a")]

    assert asyncio.run(twice()) == ["a", "a"]
    assert ran == ["a"]


def test_results_are_kept_for_each_user_apart() -> None:
    @tool(cache_s=60)
    def whoami() -> str | None:
        return track.current_scope().user

    with track.user("ann"):
        assert whoami() == "ann"
    with track.user("bob"):
        assert whoami() == "bob"


def test_what_looks_alike_is_not_the_same() -> None:
    @tool(cache_s=60)
    def kind(value: Any) -> str:
        return type(value).__name__

    assert [kind(v) for v in (1, True, 1.0, "1", (1,), [1])] == [
        "int", "bool", "float", "str", "tuple", "list"
    ]  # fmt: skip


def test_neither_errors_nor_objects_are_kept() -> None:
    ran = []

    @tool(cache_s=60)
    def fail(word: object) -> None:
        ran.append(word)
        raise ValueError("not today")

    @tool(cache_s=60)
    def take(thing: object) -> None:
        ran.append(thing)

    for _ in range(2):
        with pytest.raises(ValueError, match="not today"):
            fail("a")
        take(ran)
    assert len(ran) == 4
    with pytest.raises(TypeError):
        take()  # type: ignore[call-arg]  # the tool's own error, and no other


def test_a_kept_result_is_a_step_that_loop_rules_see(use: Use) -> None:
    use(Policy(loops=(LoopRule("circle", action="block", warn_at=2, block_at=3),)))

    @tool(cache_s=60)
    def look_up() -> str:
        return "the same"

    def circle() -> None:
        for _ in range(10):
            look_up()

    with track.session("s"), pytest.raises(LoopDetected):
        circle()


def test_results_expire_and_are_bounded() -> None:
    now = [0.0]
    results = Results(lambda word: word, 10.0, lambda: now[0])
    for number in range(300):
        results.put(results.key((number,), {}), number)
    assert results.get(results.key((0,), {})) is None
    found = results.get(results.key((299,), {}))
    assert found is not None
    assert found.value == 299
    now[0] = 10.0
    assert results.get(results.key((299,), {})) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_keeps_nothing_and_hangs_on_no_lock() -> None:
    results = Results(lambda word: word, 10.0)
    key = results.key(("a",), {})
    results.put(key, 1)
    with results._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if results.get(key) is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# --- what can't be meant --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"timeout_s": 0}, "timeout_s"),
        ({"cache_s": -1}, "cache_s"),
        ({"cache_s": float("nan")}, "cache_s"),
        ({"rate": "often"}, "'10/minute'"),
        ({"rate": "0/minute"}, "'10/minute'"),
        ({"rate": "3/fortnight"}, "'10/minute'"),
        ({"permission": "root"}, "read, write, execute, admin"),
        ({"tags": "web"}, "tags"),
    ],
)
def test_options_that_can_not_be_meant_are_refused(how: dict[str, Any], error: str) -> None:
    with pytest.raises((ValueError, TypeError), match=error):
        tool(**how)(print)


def test_generators_and_methods_can_not_have_all_of_them() -> None:
    def items() -> Iterator[int]:
        yield 1

    async def async_items() -> AsyncIterator[int]:
        yield 1

    for function in (items, async_items):
        with pytest.raises(TypeError, match="is a generator"):
            tool(timeout_s=1)(function)
        with pytest.raises(TypeError, match="is a generator"):
            tool(cache_s=1)(function)
    with pytest.raises(TypeError, match="is a method"):

        class Desk:
            @tool(cache_s=1)
            def look(self) -> None: ...


def test_methods_may_have_a_time_out() -> None:
    class Desk:
        @tool(timeout_s=10)
        def look(self, word: str) -> str:
            return word

        @tool(timeout_s=10)
        @classmethod
        def make(cls) -> str:
            return cls.__name__

    assert Desk().look("a") == "a"
    assert Desk.make() == "Desk"


def test_a_tool_takes_no_further_options() -> None:
    @tool
    def look() -> None: ...

    assert tool(look) is look
    with pytest.raises(TypeError, match="is one already"):
        tool(timeout_s=1)(look)
