"""Spans of other instrumentations: one is the call's, and no call is billed by two of them."""

import threading
import time
from typing import Any

import pytest
from opentelemetry.trace import Tracer

from spanledger import semconv, track
from spanledger.guard import BudgetExceeded
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from tests.gate._apis import CHAT
from tests.gate._gate import Gate, gated, limited

ANSWER = Reply(
    text="Yes it is.",
    usage=UsageSpec(input_tokens=1000, output_tokens=500),
    model="gpt-4o-mini-2024-07-18",
)
#: An inference span in the words of each dialect, as it looks when it starts.
DIALECTS: dict[str, dict[str, str]] = {
    "conventions": {semconv.OPERATION_NAME: "chat", semconv.REQUEST_MODEL: "gpt-4o-mini"},
    "openinference": {"openinference.span.kind": "LLM"},
    "openllmetry": {"llm.request.type": "chat"},
}
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)


def tracer(gate: Gate) -> Tracer:
    return gate.capture.tracer("somebody.else")


def call(gate: Gate, **extra: Any) -> Any:
    gate.provider.enqueue(ANSWER)
    return CHAT.create(CHAT.client(gate.provider), **extra)


def billing_of(gate: Gate, name: str) -> object:
    (span,) = gate.capture.named(name)
    return span["attributes"].get(semconv.BILLING)


@every_dialect
def test_the_open_inference_span_is_the_calls(gate: Gate, dialect: str) -> None:
    with tracer(gate).start_as_current_span("theirs", attributes=DIALECTS[dialect]):
        call(gate)
    assert gate.record["name"] == "theirs"
    assert gate.attributes[semconv.COST_NANO_USD] == 450_000
    assert gate.attributes[semconv.PROVIDER_NAME] == "openai"
    assert len(gate.spans) == 1
    gate.assert_settled_once()


def test_what_is_billed_has_the_last_word(gate: Gate) -> None:
    with tracer(gate).start_as_current_span("theirs", attributes=DIALECTS["conventions"]) as span:
        call(gate)
        span.set_attribute(semconv.USAGE_INPUT_TOKENS, 7)
    assert gate.attributes[semconv.USAGE_INPUT_TOKENS] == 1000
    gate.assert_settled_once()


def test_two_calls_inside_one_inference_span_are_two_records(gate: Gate) -> None:
    with tracer(gate).start_as_current_span("theirs", attributes=DIALECTS["conventions"]):
        call(gate)
        call(gate)
    assert len(gate.records) == 2
    gate.assert_settled_once()


def test_an_inference_span_around_the_billed_one_is_a_container(gate: Gate) -> None:
    start = tracer(gate).start_as_current_span
    with (
        start("framework", attributes=DIALECTS["conventions"]),
        start("client", attributes=DIALECTS["conventions"]),
    ):
        call(gate)
    assert billing_of(gate, "framework") == "container"
    assert billing_of(gate, "client") == "call"
    gate.assert_settled_once()


@every_dialect
@pytest.mark.parametrize("answered_by", ["gpt-4o-mini", ANSWER.model])
def test_a_span_that_is_made_after_the_call_is_a_shadow(
    gate: Gate, dialect: str, answered_by: str
) -> None:
    began = time.time_ns()
    call(gate)
    attributes = {**DIALECTS[dialect], "llm.model_name": answered_by}
    tracer(gate).start_span("late", attributes=attributes, start_time=began).end()
    assert billing_of(gate, "late") == "shadow"
    gate.assert_settled_once()


@every_dialect
def test_a_span_that_is_never_current_is_a_shadow(gate: Gate, dialect: str) -> None:
    span = tracer(gate).start_span("aside", attributes=DIALECTS[dialect])
    call(gate)
    span.end()
    assert billing_of(gate, "aside") == "shadow"
    gate.assert_settled_once()


def test_a_span_that_ends_in_another_thread_is_a_shadow(gate: Gate) -> None:
    """A stream that is read elsewhere: there nothing but the client tells that it is one call."""
    theirs = gate.capture.tracer("openinference.instrumentation.openai")
    span = theirs.start_span("aside", attributes=DIALECTS["openinference"])
    call(gate)
    other = threading.Thread(target=span.end)
    other.start()
    other.join()
    assert billing_of(gate, "aside") == "shadow"
    gate.assert_settled_once()


def test_the_span_of_another_model_is_a_call_of_its_own(gate: Gate) -> None:
    theirs = {semconv.OPERATION_NAME: "chat", semconv.REQUEST_MODEL: "gemini-2.5-flash"}
    span = tracer(gate).start_span("aside", attributes=theirs)
    call(gate)
    span.end()
    assert billing_of(gate, "aside") == "call"


def test_a_span_that_starts_after_the_call_is_a_call_of_its_own(gate: Gate) -> None:
    call(gate)
    tracer(gate).start_span("next", attributes=DIALECTS["conventions"]).end()
    assert billing_of(gate, "next") == "call"


def test_a_shadow_of_a_refused_call_is_not_billed_either(provider: MockProvider) -> None:
    with gated(provider, limited("calls", 0)) as gate:
        began = time.time_ns()
        with pytest.raises(BudgetExceeded):
            call(gate)
        attributes = DIALECTS["openllmetry"]
        tracer(gate).start_span("late", attributes=attributes, start_time=began).end()
        assert billing_of(gate, "late") == "shadow"
        assert gate.records == []


def test_a_span_that_ends_before_its_stream_hands_the_call_to_one_of_ours(gate: Gate) -> None:
    with tracer(gate).start_as_current_span("theirs", attributes=DIALECTS["conventions"]):
        stream = call(gate, stream=True)
    assert gate.open == 1
    list(stream)
    assert billing_of(gate, "theirs") == "container"
    assert gate.record["parent"] == "theirs"
    assert gate.attributes[semconv.USAGE_OUTPUT_TOKENS] == 500
    gate.assert_settled_once()


def test_agents_around_a_call_are_not_its_span_and_know_its_totals(gate: Gate) -> None:
    with track.session("ticket-1"), track.agent("planner"):
        call(gate)
        call(gate)
    (agent,) = gate.capture.named("invoke_agent planner")
    assert agent["attributes"][semconv.SUBTREE_COST_NANO_USD] == 900_000
    assert agent["attributes"][semconv.SUBTREE_CALLS] == 2
    assert agent["attributes"][semconv.SUBTREE_TOKENS] == 3000
    for record in gate.records:
        assert record["parent"] == "invoke_agent planner"
        assert record["attributes"][semconv.AGENT_NAME] == "planner"
        assert record["attributes"][semconv.CONVERSATION_ID] == "ticket-1"
    gate.assert_settled_once()
