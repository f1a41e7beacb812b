"""Model calls that are billed are counted by themselves, wherever they are seen."""

from collections.abc import Iterator

import pytest
from opentelemetry import trace

from spanledger import semconv, track
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from spanledger.track import tokens
from tests.gate._gate import Gate, gated

openai = pytest.importorskip("openai")

ANSWER = Reply(text="Yes.", usage=UsageSpec(input_tokens=100, output_tokens=20))


@pytest.fixture
def gate() -> Iterator[Gate]:
    tokens.reset()
    with MockProvider(ANSWER) as provider, gated(provider) as gate:
        yield gate
    tokens.reset()


def test_a_gated_call_counts_for_its_session_tool_and_block(gate: Gate) -> None:
    client = openai.OpenAI(base_url=gate.provider.openai_base_url, api_key="none")

    @track.tool
    def ask() -> None:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "?"}])

    with track.session("s"), tokens.track_context() as used:
        ask()
        ask()
        tokens.track_operation("format", 3)
    report = tokens.session_report("s")
    assert report.tools["ask"].operations["chat"][:3] == (2, 200, 40)
    assert tokens.tool_stats("ask").duration_s > 0
    assert used.total_tokens == 243
    assert gate.spent("tokens") == 240


def test_a_stream_counts_for_the_block_it_was_asked_in(gate: Gate) -> None:
    client = openai.OpenAI(base_url=gate.provider.openai_base_url, api_key="none")
    with tokens.track_context() as used:
        stream = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "?"}], stream=True
        )
    assert used.total_tokens == 0
    for _chunk in stream:
        pass
    assert used.total_tokens == tokens.report().total.total_tokens == 120


def test_a_call_that_only_a_span_tells_of_counts_too(gate: Gate) -> None:
    attributes: dict[str, str | int] = {
        semconv.OPERATION_NAME: "chat",
        semconv.PROVIDER_NAME: "openai",
        semconv.REQUEST_MODEL: "gpt-4o",
        semconv.USAGE_INPUT_TOKENS: 100,
        semconv.USAGE_OUTPUT_TOKENS: 20,
    }
    with track.session("s"), tokens.track_context() as used:
        trace.get_tracer("a library").start_span("chat gpt-4o", attributes=attributes).end()
    assert tokens.session_report("s").total[:3] == (1, 100, 20)
    assert used.total_tokens == gate.spent("tokens") == 120
