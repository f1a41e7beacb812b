"""`fallback`: who is asked next, who is passed over, and what the trail says."""

import inspect
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from spanledger import guard, semconv
from spanledger.guard import Budget, BudgetExceeded, CircuitOpen, Guard, Policy, Refusal
from spanledger.guard.breaker_rule import BreakerRule, model_target
from spanledger.recovery import cached_answer, default_answer, fallback, other, set_fallbacks
from spanledger.recovery._alternatives import NotAvailable, _Answers
from spanledger.testing.clock import TickingClock
from spanledger.testing.providers import Fail, MockProvider, Reply
from spanledger.testing.spans import SpanCapture, capture_spans
from tests.gate._gate import gated

BREAKERS = Policy(breakers=(BreakerRule("provider"),))


@pytest.fixture
def capture() -> Iterator[SpanCapture]:
    with capture_spans(as_global=True) as capture:
        yield capture


@pytest.fixture
def with_breakers() -> Iterator[Guard]:
    yield guard.use(Guard(BREAKERS))
    guard.use(Guard())


def _busy(*_args: Any, **_kwargs: Any) -> str:
    raise ConnectionError("busy")


def _trail(capture: SpanCapture, run: Any) -> list[str]:
    with capture.tracer().start_as_current_span("agent"):
        run()
    (span,) = capture.named("agent")
    (event,) = [e for e in span["events"] if e["name"] == semconv.RECOVERY_EVENT_NAME]
    trail: Any = event["attributes"][semconv.RECOVERY_TRAIL]
    return list(trail)


def test_the_first_that_answers_is_taken_and_the_rest_are_not_asked() -> None:
    asked: list[str] = []
    ask = fallback(other(_busy), other(lambda q: q.upper()), other(asked.append))(_busy)
    assert ask("hi") == "HI"
    assert asked == []


def test_the_trail_is_recorded_once_for_each_that_was_tried(capture: SpanCapture) -> None:
    ask = fallback(other(_busy, name="second"), default_answer("?"), name="ask")(_busy)
    assert _trail(capture, ask) == ["_busy: connection", "second: connection", "default: ok"]
    spans = capture.named("fallback ask")
    assert [s["attributes"][semconv.RECOVERY_CHOICE] for s in spans] == ["second", "default"]
    assert [s["status"] for s in spans] == ["error", "unset"]


def test_what_answers_at_once_leaves_no_trace(capture: SpanCapture) -> None:
    assert fallback(default_answer("?"))(lambda: "yes")() == "yes"
    assert capture.spans == []


def test_an_error_of_the_program_is_raised_at_once() -> None:
    def wrong() -> str:
        raise KeyError("name")

    with pytest.raises(KeyError):
        fallback(default_answer("?"))(wrong)()


def test_if_nobody_answers_the_first_error_is_raised_with_the_trail() -> None:
    def first() -> str:
        raise ConnectionError("first")

    with pytest.raises(ConnectionError, match="first") as caught:
        fallback(other(_busy), name="ask")(first)()
    assert "first: connection; _busy: connection" in caught.value.__notes__[0]


def test_one_whose_breaker_is_open_is_passed_over_before_it_is_asked(
    with_breakers: Guard, capture: SpanCapture
) -> None:
    with_breakers.breakers.force("openai/gpt-4.1", "open")
    asked: list[str] = []
    ask = fallback(
        other(asked.append, breaker="openai/gpt-4.1", name="big"),
        other(lambda: "small", name="small", breaker="openai/gpt-4.1-mini"),
    )(_busy)
    assert _trail(capture, ask) == [
        "_busy: connection",
        "big: circuit_forced_open",
        "small: ok",
    ]
    assert asked == []


def test_the_function_itself_is_passed_over_as_well(with_breakers: Guard) -> None:
    with_breakers.breakers.force("openai/gpt-4.1", "open")
    ask = fallback(default_answer("?"), breaker="openai/gpt-4.1")(_busy)
    assert ask() == "?"
    with pytest.raises(CircuitOpen):
        fallback(breaker="openai/gpt-4.1")(_busy)()


@pytest.mark.parametrize("reason", ["loop_detected", "ceiling_reached", "ledger_unavailable"])
def test_after_a_refusal_that_says_stop_only_what_asks_nobody_may_answer(reason: Any) -> None:
    asked: list[str] = []

    def refused() -> str:
        raise Refusal(reason).error()

    assert fallback(other(asked.append), default_answer("?"))(refused)() == "?"
    assert asked == []


def test_a_cheaper_model_is_priced_and_reserved_anew(provider: MockProvider) -> None:
    """gpt-4o may use 10 times what there is; gpt-4o-mini fits."""
    client = openai.OpenAI(base_url=provider.openai_base_url, api_key="none", max_retries=0)

    def ask(model: str) -> str:
        reply = client.chat.completions.create(
            model=model, max_tokens=100, messages=[{"role": "user", "content": "Hi"}]
        )
        return reply.model

    policy = Policy((Budget("small", "cost", 200_000),))
    with gated(provider, policy) as gate:
        with pytest.raises(BudgetExceeded):
            ask("gpt-4o")
        run = fallback(other(lambda _model: ask("gpt-4o-mini")))(ask)
        assert run("gpt-4o").startswith("gpt-4o-mini")
        assert provider.calls() == 1
        assert gate.open == 0
        assert 0 < gate.spent("cost") < 200_000


def test_the_last_answer_to_the_same_question_is_given_again() -> None:
    works = True

    @fallback(cached_answer())
    def ask(question: str, *, context: list[str]) -> str:
        if works:
            return f"{question}!"
        raise ConnectionError

    assert ask("a", context=["x"]) == "a!"
    works = False
    assert ask("a", context=["x"]) == "a!"
    with pytest.raises(ConnectionError):
        ask("a", context=["y"])


def test_a_cached_answer_grows_old_and_makes_room() -> None:
    clock = TickingClock()
    kept = _Answers(60.0, 2, clock.monotonic)
    for name in ("a", "b", "c"):
        kept.remember((name,), {}, name.upper())
    with pytest.raises(NotAvailable, match="nothing"):
        kept.get(("a",), {})
    assert kept.get(("c",), {}) == "C"
    clock.advance(61.0)
    with pytest.raises(NotAvailable, match="old"):
        kept.get(("c",), {})


def test_what_cannot_be_compared_is_not_remembered() -> None:
    kept = _Answers(60.0, 2)
    kept.remember((object(),), {}, "wrong")
    with pytest.raises(NotAvailable):
        kept.get((object(),), {})


def test_a_category_has_fallbacks_for_all_its_tools() -> None:
    set_fallbacks("search", default_answer([]))
    try:
        found: object = fallback(category="search")(_busy)("cats")
        assert found == []
    finally:
        set_fallbacks("search")
    with pytest.raises(ConnectionError):
        fallback(category="search")(_busy)("cats")


async def test_coroutines_fall_back_to_functions_of_either_kind() -> None:
    async def busy(_question: str) -> str:
        raise ConnectionError

    async def works(question: str) -> str:
        return question.upper()

    ask = fallback(other(_busy), other(works))(busy)
    assert inspect.iscoroutinefunction(ask)
    assert await ask("hi") == "HI"


def test_a_generator_is_turned_away_at_once() -> None:
    with pytest.raises(TypeError, match="neither"):

        @fallback()
        def tokens() -> Iterator[int]:
            yield 1


def test_a_breaker_that_opens_on_the_way_is_seen_when_its_turn_comes(
    with_breakers: Guard,
) -> None:
    """The question is asked anew for each, not once at the start."""

    def opens_it() -> str:
        breakers = with_breakers.breakers
        rule, target = BREAKERS.breakers[0], model_target("openai", "gpt-4.1")
        for _ in range(10):
            permit = breakers.acquire(target, rule)
            breakers.report(permit, "failed")  # type: ignore[arg-type]  # a permit: it is closed
        raise ConnectionError

    ask = fallback(other(_busy, breaker="openai/gpt-4.1"), default_answer("?"))(opens_it)
    assert ask() == "?"


def test_a_provider_that_is_down_is_replaced_by_another(provider: MockProvider) -> None:
    provider.enqueue(Fail(status=503), Reply(text="From the second."))
    client = openai.OpenAI(base_url=provider.openai_base_url, api_key="none", max_retries=0)

    def ask(model: str = "gpt-4o") -> str:
        reply = client.chat.completions.create(
            model=model, max_tokens=10, messages=[{"role": "user", "content": "Hi"}]
        )
        return reply.choices[0].message.content or ""

    with gated(provider) as gate:
        run = fallback(other(lambda: ask("gpt-4o-mini"), breaker="openai/gpt-4o-mini"))(ask)
        assert run() == "From the second."
        gate.assert_settled_once()
    models = [record["attributes"][semconv.REQUEST_MODEL] for record in gate.records]
    assert models == ["gpt-4o", "gpt-4o-mini"]
