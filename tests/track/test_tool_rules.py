"""`@tool` under rules: what is refused does not run, what runs is reported."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from spanledger import guard, semconv, track
from spanledger.guard import (
    Budget,
    BudgetExceeded,
    CeilingReached,
    CircuitOpen,
    Guard,
    LoopDetected,
    MemoryStore,
    Policy,
    RateLimit,
    RateLimited,
)
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.guard.ceilings import Ceilings
from spanledger.guard.loops import LoopRule
from spanledger.testing.spans import SpanCapture
from spanledger.track import tool

Use = Callable[[Policy], Guard]
TWO_CALLS = Policy((Budget("two", "calls", 2, scope="tool"),))
FRAGILE = Policy(breakers=(BreakerRule("fragile", min_calls=2),))
CIRCLE = Policy(loops=(LoopRule("circle", action="block", warn_at=2, block_at=3),))


@pytest.fixture
def use() -> Iterator[Use]:
    """Makes a guard that of the process, until the test is over."""
    before = guard.current()
    yield lambda policy: guard.use(Guard(policy))
    guard.use(before)


#: What ran.
ran: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


@tool
def plain(what: str = "x") -> str:
    ran.append(what)
    return what


@tool
async def coroutine(what: str = "x") -> str:
    ran.append(what)
    return what


@tool
def generator(what: str = "x") -> Iterator[str]:
    ran.append(what)
    yield what


@tool
async def async_generator(what: str = "x") -> AsyncIterator[str]:
    ran.append(what)
    yield what


async def _drain() -> list[str]:
    return [item async for item in async_generator()]


#: Every kind of function, called to its end.
KINDS: dict[str, Callable[[], object]] = {
    "plain": plain,
    "coroutine": lambda: asyncio.run(coroutine()),
    "generator": lambda: list(generator()),
    "async_generator": lambda: asyncio.run(_drain()),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_refused_tool_does_not_run(name: str, use: Use, captured_spans: SpanCapture) -> None:
    """Two calls may, of each kind; the third is on record with the reason."""
    use(TWO_CALLS)
    for _ in range(2):
        KINDS[name]()
    with pytest.raises(BudgetExceeded) as caught:
        KINDS[name]()
    assert ran == ["x", "x"]
    assert caught.value.refusal.scope == f"tool {name}"
    *_, refused = captured_spans.named(f"execute_tool {name}")
    assert refused["attributes"][semconv.ERROR_TYPE] == "BudgetExceeded"
    assert refused["attributes"][semconv.GUARD_REASON] == "budget_exhausted"
    assert refused["attributes"][semconv.GUARD_RULE] == "two"


@pytest.mark.parametrize("name", KINDS)
def test_a_tool_settles_when_it_ends(name: str, use: Use) -> None:
    """One at a time, as often as one likes."""
    held = use(Policy(rate_limits=(RateLimit("one", "concurrency", 1, scope="tool"),)))
    for _ in range(5):
        KINDS[name]()
    assert len(ran) == 5
    assert isinstance(held.store, MemoryStore)
    assert held.store.open_reservations() == 0


def test_a_generator_asks_when_it_takes_its_first_step_and_not_before(use: Use) -> None:
    """One that is never iterated was never called."""
    use(TWO_CALLS)
    for _ in range(5):
        generator()
    assert list(generator()) == list(generator()) == ["x"]
    refused = generator()
    with pytest.raises(BudgetExceeded):
        next(refused)


def test_a_generator_that_is_left_early_settles(use: Use) -> None:
    """Closed, or collected."""
    held = use(Policy(rate_limits=(RateLimit("one", "concurrency", 1, scope="tool"),)))
    assert isinstance(held.store, MemoryStore)
    for _ in range(3):
        steps = generator()
        assert next(steps) == "x"
        assert held.store.open_reservations() == 1
        del steps
    assert held.store.open_reservations() == 0


async def test_an_async_generator_that_is_left_early_settles(use: Use) -> None:
    """When it is closed."""
    held = use(Policy(rate_limits=(RateLimit("one", "concurrency", 1, scope="tool"),)))
    for _ in range(3):
        async with aclosing(async_generator()) as steps:  # type: ignore[type-var]  # it is one
            assert await anext(steps) == "x"
    assert isinstance(held.store, MemoryStore)
    assert held.store.open_reservations() == 0


def test_one_too_many_at_once_is_refused_while_the_other_runs(use: Use) -> None:
    """And runs when that is over."""
    before = use(Policy(rate_limits=(RateLimit("one", "concurrency", 1, scope="tool"),)))
    before.settings = type(before.settings)(on_contention="refuse")
    steps = generator()
    next(steps)
    with pytest.raises(RateLimited, match="as many calls as may run at once"):
        list(generator())
    assert list(steps) == []
    assert list(generator()) == ["x"]


# --- errors and breakers --------------------------------------------------------------------


class Mishap(Exception):
    """What the tool of a user may raise."""


def _failing(kind: str) -> Callable[[], object]:
    @tool(name="fails")
    def fails() -> None:
        raise Mishap(kind)

    @tool(name="fails")
    async def fails_async() -> None:
        raise Mishap(kind)

    @tool(name="fails")
    def fails_late() -> Iterator[int]:
        yield 1
        raise Mishap(kind)

    kinds: dict[str, Callable[[], object]] = {
        "plain": fails,
        "coroutine": lambda: asyncio.run(fails_async()),
        "generator": lambda: list(fails_late()),
    }
    return kinds[kind]


@pytest.mark.parametrize("kind", ["plain", "coroutine", "generator"])
def test_the_errors_of_a_tool_pass_and_open_its_breaker_only(kind: str, use: Use) -> None:
    """After two of them the tool is left alone; another one works."""
    use(FRAGILE)
    fails = _failing(kind)
    for _ in range(2):
        with pytest.raises(Mishap, match=kind):
            fails()
    with pytest.raises(CircuitOpen, match="tool:fails is failing"):
        fails()
    assert plain() == "x"


def test_a_tool_whose_model_call_was_refused_has_not_failed(use: Use) -> None:
    """Our own refusal says nothing about the tool; nor does a cancellation."""
    use(FRAGILE)

    @tool
    def asks() -> None:
        raise CeilingReached(guard.Refusal("ceiling_reached"))

    @tool
    async def is_cancelled() -> None:
        raise asyncio.CancelledError

    for _ in range(5):
        with pytest.raises(CeilingReached):
            asks()
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(is_cancelled())


def test_a_ledger_that_fails_at_the_end_does_not_take_the_result_away(
    use: Use, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The tool has run; what it gave belongs to the host."""
    use(Policy((Budget("many", "calls", 9, scope="tool"),)))

    def broken(*_: Any, **__: Any) -> bool:
        raise OSError("disk full")

    monkeypatch.setattr(MemoryStore, "settle", broken)
    assert plain() == "x"
    assert "could not be counted" in caplog.text


# --- loops and ceilings ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "coroutine"])
def test_a_circle_of_tool_calls_is_ended(name: str, use: Use) -> None:
    """Three times the same; other arguments pass."""
    use(CIRCLE)
    with track.session("s"):
        for _ in range(3):
            KINDS[name]()
        with pytest.raises(LoopDetected, match=f"{name} came 3 times in a row"):
            KINDS[name]()
        assert plain("y") == "y"
    assert ran == ["x", "x", "x", "y"]


def test_a_tool_that_fails_the_same_way_again_and_again_is_in_a_circle(use: Use) -> None:
    """An error is a result too."""
    use(CIRCLE)
    fails = _failing("plain")
    with track.session("s"):
        for _ in range(3):
            with pytest.raises(Mishap):
                fails()
        with pytest.raises(LoopDetected):
            fails()


def test_results_that_change_are_no_circle(use: Use) -> None:
    """Polling, as it should be."""
    use(CIRCLE)
    answers = iter(["queued", "started", "half done", "done", "cleaned up"])

    @tool
    def poll() -> str:
        return next(answers)

    with track.session("s"):
        assert [poll() for _ in range(5)][-1] == "cleaned up"


def test_the_same_calls_of_strangers_are_no_circle(use: Use, captured_spans: SpanCapture) -> None:
    """Each request of a server without sessions has a trace of its own."""
    use(CIRCLE)
    assert [plain() for _ in range(8)] == ["x"] * 8
    assert len({span["trace_id"] for span in captured_spans.spans}) == 8
    with track.agent("planner"):
        for _ in range(3):
            plain()
        with pytest.raises(LoopDetected):
            plain()


def test_a_session_has_so_many_steps(use: Use) -> None:
    """Tool calls are steps."""
    use(Policy(ceilings=(Ceilings("steps", max_steps=3),)))
    for session in "ab":
        with track.session(session):
            assert [plain() for _ in range(3)] == ["x"] * 3
            with pytest.raises(CeilingReached, match="max_steps is 3"):
                plain()


def test_an_agent_may_be_so_deep(use: Use) -> None:
    """The depth is that of the agents around the tool."""
    use(Policy(ceilings=(Ceilings("depth", max_depth=2),)))
    with track.agent("a"), track.agent("b"):
        assert plain() == "x"
        with track.agent("c"), pytest.raises(CeilingReached, match="max_depth is 2"):
            plain()


# --- whom it counts -------------------------------------------------------------------------


def test_a_tool_counts_for_whom_it_runs(use: Use) -> None:
    """Agent, user, session and the user's own attributes."""
    matches = {"agent": "planner", "user": "eu-*", "session": "s", "attribute:team": "red"}
    budgets = tuple(
        Budget(scope, "calls", 5, scope=scope, match=(("tool", "plain"), (scope, pattern)))
        for scope, pattern in matches.items()
    )
    held = use(Policy(budgets))
    plain()
    with (
        track.session("s", user="eu-7"),
        track.agent("planner"),
        track.attributes(team="red"),
    ):
        plain()
    found = {key.rule: (key.value, counter.spent) for key, counter in held.store.counters()}
    assert found == {
        "agent": ("planner", 1),
        "user": ("eu-7", 1),
        "session": ("s", 1),
        "attribute:team": ("red", 1),
    }


def test_without_rules_that_look_at_tools_nothing_is_asked(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even a call is described."""
    held = use(Policy((Budget("all", "cost", 0), Budget("agent", "calls", 0, scope="agent"))))
    assert not held.watches_tools

    def fail(*_: object) -> None:
        pytest.fail("the guard was asked")

    monkeypatch.setattr(Guard, "admit", fail)
    monkeypatch.setattr(Guard, "admit_async", fail)
    for call in KINDS.values():
        call()
    assert len(ran) == 4


@pytest.mark.parametrize(
    "policy",
    [
        TWO_CALLS,
        FRAGILE,
        CIRCLE,
        Policy(ceilings=(Ceilings("c"),)),
        Policy((Budget("b", "cost", 1, match=(("tool", "x"),)),)),
        Policy(rate_limits=(RateLimit("r", "calls", 1, "hour", scope="tool"),)),
    ],
)
def test_rules_that_look_at_tools_are_known(policy: Policy) -> None:
    assert Guard(policy).watches_tools


class Cursor:
    """A tool that is a method; its object says nothing to a loop rule."""

    @tool
    def again(self, what: str = "x") -> str:
        ran.append(what)
        return what

    @tool
    @classmethod
    def of_class(cls) -> str:
        ran.append("x")
        return "x"


LOOPING: dict[str, Callable[[], object]] = {
    **KINDS,
    "again": lambda: Cursor().again(),
    "of_class": Cursor.of_class,
}


@pytest.mark.parametrize("name", LOOPING)
def test_a_loop_is_seen_in_every_kind_of_tool(name: str, use: Use) -> None:
    """What a generator gives, taken together, is its result; the object of a method is nothing."""
    use(CIRCLE)
    with track.session("loops"):
        for _ in range(3):
            LOOPING[name]()
        with pytest.raises(LoopDetected):
            LOOPING[name]()
    assert len(ran) == 3


def test_generators_that_give_something_else_each_time_are_no_loop(use: Use) -> None:
    use(CIRCLE)
    numbers = iter(range(9))

    @tool
    def page() -> Iterator[str]:
        yield "head"
        yield "abcdefghi"[next(numbers)]

    with track.session("pages"):
        assert [list(page())[1] for _ in range(6)] == list("abcdef")


def test_a_generator_that_is_left_early_is_no_failure_and_its_result_is_what_came(
    use: Use,
) -> None:
    """The caller's having had enough is not what it gave: that may differ each time."""
    use(Policy(loops=CIRCLE.loops, breakers=FRAGILE.breakers))
    numbers = iter(range(9))

    @tool
    def stream() -> Iterator[str]:
        yield "abcdefghi"[next(numbers)]
        yield "more"

    with track.session("streams"):
        for letter in "abcdef":
            for item in stream():
                assert item == letter
                break
