"""Groq's client: OpenAI's dialect, with a stream's usage in a field of its own."""

import groq
import pytest

from spanledger import semconv
from spanledger.guard import SpanledgerRefusal
from spanledger.instrumentation.groq import GroqChat, dialect_of
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from tests.gate._apis import GROQ, cost_nano_usd
from tests.gate._gate import Gate, gated, limited

USAGE = UsageSpec(input_tokens=1000, output_tokens=500)
SOUND = ("a.wav", bytes(range(128, 256)) * 80, "audio/wav")


def test_a_stream_is_not_changed_and_says_its_usage_all_the_same(gate: Gate) -> None:
    gate.provider.enqueue(Reply(text="Yes it is.", usage=USAGE))
    assert list(GROQ.stream(GROQ.client(gate.provider)))
    assert gate.provider.requests[0].body == {**GROQ.body, "stream": True}
    found = gate.attributes
    assert found[semconv.USAGE_SOURCE] == "provider"
    assert found[semconv.COST_NANO_USD] == cost_nano_usd(GROQ.model, 1000, 500)
    gate.assert_settled_once()


def test_raw_and_bare_calls_are_gated(gate: Gate) -> None:
    gate.provider.enqueue(*[Reply(text="Yes.", usage=USAGE)] * 2)
    client: groq.Groq = GROQ.client(gate.provider)
    client.chat.completions.with_raw_response.create(**GROQ.body)
    client.post("/openai/v1/chat/completions", body=GROQ.body, cast_to=object)
    assert gate.spent("cost") == 2 * cost_nano_usd(GROQ.model, 1000, 500)
    gate.assert_settled_once()


def test_a_stream_that_was_stopped_early_is_an_error_on_the_span() -> None:
    reader = GroqChat().stream_reader()
    reader.chunk({"id": "a", "choices": [], "x_groq": {"error": "over capacity"}})
    failure = reader.reply().failure
    assert failure is not None
    assert str(failure) == "over capacity"


def test_a_transcription_has_no_price_and_is_refused_under_a_limit_on_cost(
    provider: MockProvider,
) -> None:
    with gated(provider, limited("cost", 10**12)):
        client: groq.Groq = GROQ.client(provider)
        with pytest.raises(SpanledgerRefusal):
            client.audio.transcriptions.create(model="whisper-large-v3", file=SOUND)
        assert provider.requests == []


async def test_speech_and_translations_count_as_calls(provider: MockProvider) -> None:
    with gated(provider, limited("calls", 2)) as gate:
        async with GROQ.async_client(provider) as client:
            await client.audio.translations.create(model="whisper-large-v3", file=SOUND)
            await client.audio.speech.create(model="playai-tts", voice="a", input="four words")
        assert gate.spent("calls") == 2
        assert gate.open == 0


@pytest.mark.parametrize("path", ["/openai/v1/files", "/openai/v1/batches", "/openai/v1/models"])
def test_what_runs_no_model_is_not_gated(path: str) -> None:
    assert dialect_of(path) is None
