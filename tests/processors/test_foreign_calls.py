"""Calls that no gate sees: the innermost inference span is billed, once, and the ledger knows."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Span, Status, StatusCode, set_span_in_context

from spanledger import guard, semconv, track
from spanledger.guard import Budget, BudgetExceeded, Policy
from spanledger.instrumentation import install, uninstall
from spanledger.processors import gates
from spanledger.testing.otlp_server import OtlpServer
from spanledger.testing.spans import SpanCapture, SpanDict, capture_spans
from tests.usage.test_dialects import NAMELESS, SPANS

COST_NANO_USD = 450_000
COUNTING = Policy(
    (
        Budget("cost", "cost", 10**15),
        Budget("tokens", "tokens", 10**12),
        Budget("calls", "calls", 10**6),
        Budget("agents", "cost", 10**15, scope="agent"),
        Budget("sessions", "cost", 10**15, scope="session"),
    )
)
#: It lets what a span raises through, and asks a provider whose client has no gate here.
UNGATED = "pydantic-ai"
CHAT: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "cohere",
    "gen_ai.request.model": "command-r",
}
COSTLY: dict[str, Any] = {"operation.cost": 0.123}
USED = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 500}


#: The one name of the conventions under which somebody writes a value of its own.
OPERATION_OF_LITELLM = {"gen_ai.operation.name": "completion"}


@contextmanager
def installed(policy: Policy = COUNTING, **overrides: Any) -> Iterator[SpanCapture]:
    """Everything but the export, over a captured provider."""
    chosen = {name.replace("__", "."): value for name, value in overrides.items()}
    settings = {"export.mode": "off", "guard.store": "memory", **chosen}
    with capture_spans(as_global=True) as capture:
        try:
            assert install(environ={}, overrides=settings, policy=policy) is not None
            yield capture
        finally:
            uninstall()


@pytest.fixture(autouse=True)
def _no_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever clients earlier tests have imported: here, nobody's calls go through a gate."""
    monkeypatch.setattr(gates, "opened", lambda _client: None)
    monkeypatch.setattr(gates, "_gated", set())


@pytest.fixture
def spans() -> Iterator[SpanCapture]:
    with installed() as capture:
        yield capture


def tell(capture: SpanCapture, name: str = "theirs", **extra: Any) -> SpanDict:
    """A call that only a span tells of, from its beginning to its end."""
    span = capture.tracer(UNGATED).start_span(name, attributes={**CHAT, **extra})
    span.set_attributes(USED)
    span.end()
    return capture.named(name)[-1]


def billing_of(capture: SpanCapture, name: str) -> object:
    (span,) = capture.named(name)
    return span["attributes"].get(semconv.BILLING)


def spent(rule: str) -> dict[str, int]:
    counters = guard.current().store.counters(rule)
    return {key.value: counter.spent for key, counter in counters if counter.spent}


@pytest.mark.parametrize("dialect", SPANS)
def test_a_call_of_any_dialect_is_billed_at_its_price(spans: SpanCapture, dialect: str) -> None:
    scope, attributes = SPANS[dialect]
    spans.tracer(scope).start_span("theirs", attributes=attributes).end()
    (span,) = spans.named("theirs")
    found = span["attributes"]
    assert found[semconv.BILLING] == "call"
    assert found[semconv.COST_NANO_USD] == COST_NANO_USD
    # By the model's name alone the price is a guess.
    assert found[semconv.COST_PROVENANCE] == ("estimated" if dialect in NAMELESS else "computed")
    assert found[semconv.OPERATION_NAME] == "chat"
    assert found[semconv.REQUEST_MODEL] == "gpt-4o-mini"
    assert found[semconv.USAGE_INPUT_TOKENS] == 1000
    assert found[semconv.USAGE_OUTPUT_TOKENS] == 500
    assert spent("cost") == {"": COST_NANO_USD}
    assert spent("tokens") == {"": 1500}
    assert spent("calls") == {"": 1}


def test_the_price_that_a_library_tells_is_kept_beside_ours(spans: SpanCapture) -> None:
    found = tell(spans, "theirs", **COSTLY)["attributes"]
    assert found[semconv.COST_FOREIGN_USD] == 0.123
    assert found[semconv.COST_NANO_USD] != 123_000_000
    assert semconv.COST_FOREIGN_USD not in tell(spans, name="plain")["attributes"]


def test_session_agents_and_user_are_those_in_which_the_call_began(spans: SpanCapture) -> None:
    """Its span may end elsewhere: a stream that is read by somebody else."""
    tracer = spans.tracer(UNGATED)
    with track.session("s-1"), track.agent("planner"), track.agent("writer"):
        span = tracer.start_span("theirs", attributes={**CHAT, **USED})
    span.end()
    cost = spans.named("theirs")[0]["attributes"][semconv.COST_NANO_USD]
    assert spent("agents") == {"planner": cost, "writer": cost}
    assert spent("sessions") == {"s-1": cost}


def test_session_and_agent_that_the_span_names_count_where_the_program_names_none(
    spans: SpanCapture,
) -> None:
    named: dict[str, Any] = {semconv.AGENT_NAME: "theirs", semconv.CONVERSATION_ID: "thread-7"}
    tell(spans, **named)
    assert set(spent("agents")) == {"theirs"}
    assert set(spent("sessions")) == {"thread-7"}


def test_agents_around_a_call_know_its_totals(spans: SpanCapture) -> None:
    with track.agent("planner"):
        tell(spans)
        tell(spans, name="second")
    (agent,) = spans.named("invoke_agent planner")
    assert agent["attributes"][semconv.SUBTREE_CALLS] == 2
    assert agent["attributes"][semconv.SUBTREE_TOKENS] == 3000
    assert agent["attributes"][semconv.SUBTREE_COST_NANO_USD] == spent("cost")[""]


#: Names under which others record what people and models said.
CONTENT = {
    "gen_ai.input.messages": "secret plans",
    "gen_ai.prompt.0.content": "secret plans",
    "llm.input_messages.0.message.content": "secret plans",
    "input.value": "secret plans",
    "traceloop.entity.input": "secret plans",
    "ai.prompt.messages": "secret plans",
}


@pytest.mark.parametrize("dialect", SPANS)
def test_our_pipeline_sends_the_bill_without_content_and_the_hosts_sends_what_was_written(
    dialect: str,
) -> None:
    scope, attributes = SPANS[dialect]
    theirs = InMemorySpanExporter()
    with OtlpServer() as otlp, capture_spans(as_global=True) as capture:
        capture.provider.add_span_processor(SimpleSpanProcessor(theirs))
        settings = {"export.endpoint": otlp.endpoint, "guard.store": "memory"}
        try:
            made = install(environ={}, overrides=settings, policy=COUNTING)
            assert made is not None
            written = {**attributes, **CONTENT}
            capture.tracer(scope).start_span("theirs", attributes=written).end()
            assert made.flush()
        finally:
            uninstall()
        (sent,) = [span for span in otlp.spans if span.name == "theirs"]
        (kept,) = theirs.get_finished_spans()
    assert sent.attributes[semconv.BILLING] == "call"
    assert sent.attributes[semconv.COST_NANO_USD] == COST_NANO_USD
    assert sent.attributes[semconv.USAGE_INPUT_TOKENS] == 1000
    assert "secret plans" not in str(sent)
    found = dict(kept.attributes or {})
    assert {name: found[name] for name in CONTENT} == CONTENT
    assert {n: v for n, v in attributes.items() if found[n] != v} in ({}, OPERATION_OF_LITELLM)


# --- one call, one bill ---------------------------------------------------------------------


def test_of_two_spans_of_a_call_the_inner_one_is_the_bill(spans: SpanCapture) -> None:
    start = spans.tracer(UNGATED).start_as_current_span
    with start("outer", attributes={**CHAT, **USED}), start("inner", attributes={**CHAT, **USED}):
        pass
    assert billing_of(spans, "outer") == "container"
    assert billing_of(spans, "inner") == "call"
    assert spent("calls") == {"": 1}


def test_spans_that_say_only_at_the_end_what_they_are_are_billed_once_too(
    spans: SpanCapture,
) -> None:
    start = spans.tracer(UNGATED).start_as_current_span
    with start("outer") as outer:
        with start("chain"), start("inner") as inner:
            inner.set_attributes({**CHAT, **USED})
        outer.set_attributes({**CHAT, **USED})
    assert billing_of(spans, "outer") == "container"
    assert billing_of(spans, "inner") == "call"
    assert spent("calls") == {"": 1}


def test_a_span_inside_a_bill_that_has_ended_is_a_shadow(spans: SpanCapture) -> None:
    tracer = spans.tracer(UNGATED)
    outer = tracer.start_span("outer")
    inner = tracer.start_span("inner", context=set_span_in_context(outer))
    for span in (outer, inner):
        span.set_attributes({**CHAT, **USED})
        span.end()
    assert billing_of(spans, "outer") == "call"
    assert billing_of(spans, "inner") == "shadow"
    assert spent("calls") == {"": 1}


def test_an_agent_inside_an_inference_span_has_calls_of_its_own(spans: SpanCapture) -> None:
    """A model that runs a tool, in which another model is asked: two calls."""
    start = spans.tracer(UNGATED).start_as_current_span
    tool = {semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_NAME: "ask"}
    with (
        start("outer", attributes={**CHAT, **USED}),
        start("tool", attributes=tool),
        start("inner", attributes={**CHAT, **USED}),
    ):
        pass
    assert billing_of(spans, "outer") == "call"
    assert billing_of(spans, "inner") == "call"
    assert spent("calls") == {"": 2}


@pytest.mark.parametrize("same_id", [True, False])
def test_two_instrumentations_side_by_side_are_one_call_or_two_as_the_answers_id_says(
    spans: SpanCapture, same_id: bool
) -> None:
    one, other = spans.tracer(UNGATED), spans.tracer("openinference.instrumentation.cohere")
    first_id, other_id = uuid.uuid4().hex, uuid.uuid4().hex
    with spans.tracer("host").start_as_current_span("work"):
        first = one.start_span("first", attributes={**CHAT, semconv.RESPONSE_ID: first_id})
        second_id = first_id if same_id else other_id
        second = other.start_span("second", attributes={**CHAT, semconv.RESPONSE_ID: second_id})
    second.end()
    first.end()
    assert billing_of(spans, "second") == "call"
    assert billing_of(spans, "first") == ("shadow" if same_id else "call")
    assert spent("calls") == {"": 1 if same_id else 2}


def test_without_ids_two_at_the_same_time_below_the_same_span_are_one(spans: SpanCapture) -> None:
    one, other = spans.tracer(UNGATED), spans.tracer("openinference.instrumentation.cohere")
    with spans.tracer("host").start_as_current_span("work"):
        first, second = (t.start_span("x", attributes={**CHAT, **USED}) for t in (one, other))
        first.end()
        second.end()
        one.start_span("later", attributes={**CHAT, **USED}).end()
    assert [s["attributes"][semconv.BILLING] for s in spans.named("x")] == ["call", "shadow"]
    assert billing_of(spans, "later") == "call"


@pytest.mark.parametrize("input_tokens", [1000, 7])
def test_a_framework_beside_its_client_is_one_call_if_it_tells_the_same_input(
    spans: SpanCapture, input_tokens: int
) -> None:
    """Neither is current and both are roots: LangChain's callbacks over a client."""
    framework = spans.tracer("openinference.instrumentation.langchain")
    outer = framework.start_span("outer", attributes={**CHAT, **USED})
    outer.set_attribute(semconv.USAGE_INPUT_TOKENS, input_tokens)
    spans.tracer(UNGATED).start_span("inner", attributes={**CHAT, **USED}).end()
    outer.end()
    assert billing_of(spans, "inner") == "call"
    assert billing_of(spans, "outer") == ("shadow" if input_tokens == 1000 else "call")


def test_calls_of_one_instrumentation_at_the_same_time_are_calls_of_their_own(
    spans: SpanCapture,
) -> None:
    """Two streams that are read in turns."""
    tracer = spans.tracer(UNGATED)
    with spans.tracer("host").start_as_current_span("work"):
        open_ = [tracer.start_span("x", attributes={**CHAT, **USED}) for _ in range(3)]
        for span in open_:
            span.end()
    assert spent("calls") == {"": 3}


def test_a_call_is_charged_once_however_often_its_span_is_ended(spans: SpanCapture) -> None:
    span = spans.tracer(UNGATED).start_span("theirs", attributes={**CHAT, **USED})
    span.end()
    span.end()
    assert spent("calls") == {"": 1}


def test_sums_of_agents_are_never_billed(spans: SpanCapture) -> None:
    for name in ("invoke_agent", "invoke_workflow", "create_agent"):
        attributes = {**USED, semconv.OPERATION_NAME: name, semconv.AGENT_NAME: "a"}
        spans.tracer(UNGATED).start_span(name, attributes=attributes).end()
        assert billing_of(spans, name) is None
    assert spent("calls") == {}


# --- calls that fail, and calls that say little ----------------------------------------------


def fail(spans: SpanCapture, error_type: str) -> dict[str, Any]:
    span: Span = spans.tracer(UNGATED).start_span("failed", attributes=CHAT)
    span.set_attribute(semconv.ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR, "it failed"))
    span.end()
    return spans.named("failed")[-1]["attributes"]


@pytest.mark.parametrize("error_type", ["429", "openai.RateLimitError", "BadRequestError"])
def test_a_call_that_the_provider_turned_away_costs_nothing(
    spans: SpanCapture, error_type: str
) -> None:
    found = fail(spans, error_type)
    assert found[semconv.COST_NANO_USD] == 0
    assert spent("calls") == {"": 1}
    assert spent("tokens") == {}


@pytest.mark.parametrize("error_type", ["500", "APITimeoutError"])
def test_a_call_that_failed_otherwise_is_unpriced_and_not_free(
    spans: SpanCapture, error_type: str
) -> None:
    found = fail(spans, error_type)
    assert found[semconv.COST_PROVENANCE] == "unpriced"
    assert found[semconv.USAGE_SOURCE] == "missing"
    assert semconv.COST_NANO_USD not in found
    assert spent("calls") == {"": 1}


def test_a_refusal_that_a_span_tells_of_is_no_call(spans: SpanCapture) -> None:
    assert fail(spans, "BudgetExceeded")[semconv.BILLING] == "refused"
    assert fail(spans, "spanledger.guard.errors.RateLimited")[semconv.BILLING] == "refused"
    assert spent("calls") == {}


def test_a_call_that_tells_no_tokens_is_a_call_without_a_price(spans: SpanCapture) -> None:
    """A stream that was left early, mostly."""
    spans.tracer(UNGATED).start_span("theirs", attributes=CHAT).end()
    found = spans.named("theirs")[0]["attributes"]
    assert found[semconv.COST_PROVENANCE] == "unpriced"
    assert found[semconv.USAGE_SOURCE] == "missing"
    assert spent("calls") == {"": 1}


def test_calls_that_the_sampler_drops_are_billed_all_the_same() -> None:
    with capture_spans(as_global=True, include_unsampled=True, sampler=ALWAYS_OFF) as capture:
        try:
            settings = {"export.mode": "alongside", "guard.store": "memory"}
            settings["export.endpoint"] = "http://127.0.0.1:9"
            assert install(environ={}, overrides=settings, policy=COUNTING) is not None
            tell(capture)
            assert billing_of(capture, "theirs") == "call"
            assert spent("calls") == {"": 1}
        finally:
            uninstall()


# --- budgets --------------------------------------------------------------------------------


def limited(metric: Any, limit: int) -> Policy:
    return Policy((Budget("small", metric, limit),))


@pytest.mark.parametrize(("metric", "limit"), [("calls", 2), ("tokens", 2000), ("cost", 500_000)])
def test_once_a_budget_is_used_up_the_next_call_does_not_begin(metric: str, limit: int) -> None:
    with installed(limited(metric, limit)) as spans:
        for _ in range(2):
            tell(spans)
        with pytest.raises(BudgetExceeded) as refused:
            tell(spans, name="third")
        assert refused.value.rule == "small"
        found = spans.named("third")[0]["attributes"]
        assert found[semconv.BILLING] == "refused"
        assert found[semconv.GUARD_REASON] == "budget_exhausted"
        assert spans.open_spans == []
        before = spent("small")
        with pytest.raises(BudgetExceeded):
            tell(spans, name="fourth")
        assert spent("small") == before
        assert guard.current().store.reset("small") == 1
        assert tell(spans, name="fifth")["attributes"][semconv.BILLING] == "call"


def test_a_call_through_a_gate_is_left_to_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows more, and one refusal is told once."""
    monkeypatch.setattr(gates, "_gated", {"cohere"})
    with installed(limited("calls", 1)) as spans:
        for name in ("one", "two"):
            tell(spans, name=name)
        assert billing_of(spans, "two") == "call"


@pytest.mark.parametrize("late", [True, False])
def test_what_is_sent_all_the_same_is_billed_and_not_called_refused(late: bool) -> None:
    """A library that swallows what a span raises, and one that makes its span afterwards."""
    scope = UNGATED if late else "openinference.instrumentation.cohere"
    began = time.time_ns() - 10**9 if late else None
    with installed(limited("calls", 1)) as spans:
        for name in ("one", "two"):
            tracer = spans.tracer(scope)
            tracer.start_span(name, attributes={**CHAT, **USED}, start_time=began).end()
        assert billing_of(spans, "two") == "call"
        assert spent("small") == {"": 2}


def test_a_span_that_does_not_say_whose_call_it_is_begins(spans: SpanCapture) -> None:
    """A gate may be below it."""
    with installed(limited("calls", 1)) as capture:
        for name in ("one", "two"):
            span = capture.tracer("my.app").start_span(
                name, attributes={semconv.OPERATION_NAME: "chat"}
            )
            span.end()
        assert billing_of(capture, "two") == "call"


def test_on_an_event_loop_a_ledger_on_disk_is_told_and_asked_by_another_thread(
    tmp_path: Path,
) -> None:
    async def calls(spans: SpanCapture) -> list[str]:
        told = []
        for number in range(200):
            try:
                tell(spans, name=f"call-{number}")
            except BudgetExceeded:
                told.append("refused")
                break
            told.append("ok")
            await asyncio.sleep(0.01)
        return told

    overrides = {"guard__store": "sqlite", "warehouse__data_dir": tmp_path}
    with installed(limited("calls", 2), **overrides) as spans:
        told = asyncio.run(calls(spans))
        assert told[-1] == "refused"
        assert told[:2] == ["ok", "ok"]
        assert spent("small") == {"": len(told) - 1}


def test_a_fault_in_billing_does_not_reach_the_program(
    spans: SpanCapture, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("spanledger.processors.leaf_billing._price", broken)
    tell(spans)
    assert len(spans.named("theirs")) == 1
    assert "could not be billed" in caplog.text
