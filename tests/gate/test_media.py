"""OpenAI's pictures, speech and transcriptions: billed by their tokens, or by a bound of them."""

import io
from collections.abc import Callable
from typing import Any

import openai
import pytest

from spanledger import semconv
from spanledger.guard import Budget, BudgetExceeded, Policy, SpanledgerRefusal
from spanledger.testing.providers import Fail, MockProvider, Reply, UsageSpec
from tests.gate._apis import CHAT
from tests.gate._gate import Gate, gated, limited

PROMPT = "a cat that reads"
PNG = bytes(range(128, 256)) * 8
WAV = bytes(range(128, 256)) * 80
USAGE = UsageSpec(input_tokens=100, output_tokens=1000)

IMAGE: dict[str, Any] = {"model": "gpt-image-1", "prompt": PROMPT, "size": "1024x1024"}
EDIT = {**IMAGE, "image": ("a.png", PNG, "image/png")}
SPEECH: dict[str, Any] = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": PROMPT}
SOUND: dict[str, Any] = {"model": "gpt-4o-transcribe", "file": ("a.wav", WAV, "audio/wav")}

Endpoint = Callable[[Any], Any]
#: How each is called, with what, and what its usage costs at the published prices, in nano-USD:
#: text in, output; 1000 of them are a dollar a million tokens.
BY_USAGE = [
    pytest.param(lambda c: c.images.generate, IMAGE, 100 * 5_000 + 1000 * 40_000, id="generate"),
    pytest.param(lambda c: c.images.edit, EDIT, 100 * 5_000 + 1000 * 40_000, id="edit"),
    pytest.param(
        lambda c: c.audio.transcriptions.create,
        SOUND,
        100 * 2_500 + 1000 * 10_000,
        id="transcription",
    ),
    pytest.param(
        lambda c: c.audio.translations.create, SOUND, 100 * 2_500 + 1000 * 10_000, id="translation"
    ),
]
STREAMED = [BY_USAGE[0], BY_USAGE[1], BY_USAGE[2]]
ALL = [*BY_USAGE, pytest.param(lambda c: c.audio.speech.create, SPEECH, 0, id="speech")]
by_usage = pytest.mark.parametrize(("endpoint", "body", "cost"), BY_USAGE)
streamed = pytest.mark.parametrize(("endpoint", "body", "cost"), STREAMED)
all_endpoints = pytest.mark.parametrize(("endpoint", "body", "cost"), ALL)


def assert_billed(gate: Gate, cost: int) -> None:
    found = gate.attributes
    assert found[semconv.BILLING] == "call"
    assert found[semconv.USAGE_SOURCE] == "provider"
    assert found[semconv.USAGE_INPUT_TOKENS] == 100
    assert found[semconv.USAGE_OUTPUT_TOKENS] == 1000
    assert found[semconv.COST_NANO_USD] == cost
    gate.assert_settled_once()


@by_usage
def test_what_the_provider_counts_is_billed(
    gate: Gate, endpoint: Endpoint, body: dict[str, Any], cost: int
) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=USAGE))
    assert endpoint(CHAT.client(gate.provider))(**body)
    assert_billed(gate, cost)


@by_usage
async def test_what_the_provider_counts_is_billed_async(
    gate: Gate, endpoint: Endpoint, body: dict[str, Any], cost: int
) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=USAGE))
    async with CHAT.async_client(gate.provider) as client:
        assert await endpoint(client)(**body)
    assert_billed(gate, cost)


@streamed
def test_a_stream_is_billed_by_its_last_event(
    gate: Gate, endpoint: Endpoint, body: dict[str, Any], cost: int
) -> None:
    gate.provider.enqueue(Reply(text="Yes it is.", usage=USAGE))
    assert list(endpoint(CHAT.client(gate.provider))(**body, stream=True))
    assert_billed(gate, cost)


@streamed
async def test_an_async_stream_is_billed_by_its_last_event(
    gate: Gate, endpoint: Endpoint, body: dict[str, Any], cost: int
) -> None:
    gate.provider.enqueue(Reply(text="Yes it is.", usage=USAGE))
    async with CHAT.async_client(gate.provider) as client:
        assert [event async for event in await endpoint(client)(**body, stream=True)]
    assert_billed(gate, cost)


@by_usage
def test_a_raw_answer_is_billed(
    gate: Gate, endpoint: Endpoint, body: dict[str, Any], cost: int
) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=USAGE))
    method = endpoint(CHAT.client(gate.provider))
    raw = getattr(method.__self__.with_raw_response, method.__name__)(**body)
    assert raw.status_code == 200
    assert_billed(gate, cost)


@by_usage
def test_a_streaming_answer_that_is_read_is_billed(
    gate: Gate, endpoint: Endpoint, body: dict[str, Any], cost: int
) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=USAGE))
    method = endpoint(CHAT.client(gate.provider))
    with getattr(method.__self__.with_streaming_response, method.__name__)(**body) as response:
        assert response.json()
    assert_billed(gate, cost)


@all_endpoints
def test_a_refused_call_sends_nothing(
    provider: MockProvider, endpoint: Endpoint, body: dict[str, Any], cost: int
) -> None:
    with gated(provider, limited("calls", 1)):
        client = CHAT.client(provider)
        endpoint(client)(**body)
        with pytest.raises(BudgetExceeded):
            endpoint(client)(**body)
        assert provider.calls() == 1


@all_endpoints
def test_each_attempt_is_billed_for_itself(
    gate: Gate, endpoint: Endpoint, body: dict[str, Any], cost: int
) -> None:
    gate.provider.enqueue(Fail(status=429, retry_after_s=0.01), Reply(text="Yes.", usage=USAGE))
    endpoint(CHAT.client(gate.provider, max_retries=1))(**body)
    billing = sorted(str(r["attributes"][semconv.BILLING]) for r in gate.records)
    assert billing == ["attempt", "call"]
    gate.assert_settled_once()


@all_endpoints
def test_an_estimate_holds_what_the_call_may_use(
    provider: MockProvider, endpoint: Endpoint, body: dict[str, Any], cost: int
) -> None:
    """A budget of a thousandth of a cent has room for none of them."""
    with gated(provider, limited("cost", 10_000)):
        with pytest.raises(SpanledgerRefusal):
            endpoint(CHAT.client(provider))(**body)
        assert provider.requests == []


def test_pictures_are_held_at_the_price_of_pictures(provider: MockProvider) -> None:
    """A square picture of high quality is 4,160 tokens at 40 dollars a million: 16.64 cents."""
    for limit, refused in ((160_000_000, True), (170_000_000, False)):
        with gated(provider, limited("cost", limit)):
            client: openai.OpenAI = CHAT.client(provider)
            if refused:
                with pytest.raises(BudgetExceeded):
                    client.images.generate(**IMAGE, quality="high")
            else:
                client.images.generate(**IMAGE, quality="high")


def test_a_model_without_a_price_is_refused_under_a_limit_on_cost(provider: MockProvider) -> None:
    with gated(provider, limited("cost", 10**12)):
        client: openai.OpenAI = CHAT.client(provider)
        with pytest.raises(SpanledgerRefusal):
            client.images.generate(model="dall-e-3", prompt=PROMPT)
        with pytest.raises(SpanledgerRefusal):
            client.audio.transcriptions.create(model="whisper-1", file=SOUND["file"])
        assert provider.requests == []


def test_a_recording_that_is_billed_by_the_second_has_no_cost_and_is_not_free(
    provider: MockProvider,
) -> None:
    with gated(provider, Policy((Budget("calls", "calls", 10),))) as gate:
        client: openai.OpenAI = CHAT.client(provider)
        client.audio.transcriptions.create(model="whisper-1", file=SOUND["file"])
        assert gate.attributes[semconv.COST_PROVENANCE] == "unpriced"
        assert semconv.COST_NANO_USD not in gate.attributes
        assert gate.spent("calls") == 1
        gate.capture.clear()


def test_speech_is_billed_by_an_estimate_of_its_length(gate: Gate) -> None:
    client: openai.OpenAI = CHAT.client(gate.provider)
    assert client.audio.speech.create(**SPEECH).read()
    found = gate.attributes
    assert found[semconv.USAGE_SOURCE] == "estimated"
    assert found[semconv.USAGE_OUTPUT_TOKENS] == len(PROMPT) * 3
    assert found[semconv.COST_NANO_USD] > len(PROMPT) * 3 * 12_000
    gate.assert_settled_once()


async def test_speech_that_is_streamed_as_bytes_is_billed_like_any(gate: Gate) -> None:
    async with CHAT.async_client(gate.provider) as client:
        make = client.audio.speech.with_streaming_response.create
        async with make(**SPEECH) as response:
            assert b"".join([part async for part in response.iter_bytes()])
    assert gate.attributes[semconv.USAGE_OUTPUT_TOKENS] == len(PROMPT) * 3
    gate.assert_settled_once()


def test_speech_as_events_says_its_tokens(gate: Gate) -> None:
    gate.provider.enqueue(Reply(text="Yes it is.", usage=USAGE))
    client: openai.OpenAI = CHAT.client(gate.provider)
    make = client.audio.speech.with_streaming_response.create
    with make(**SPEECH, stream_format="sse") as response:
        assert list(response.iter_lines())
    assert_billed(gate, 100 * 600 + 1000 * 12_000)


def test_a_transcript_as_plain_text_is_counted(gate: Gate) -> None:
    gate.provider.enqueue(Reply(text="one two three"))
    client: openai.OpenAI = CHAT.client(gate.provider)
    said: Any = client.audio.transcriptions.create(**SOUND, response_format="text")
    assert said.strip() == "one two three"
    found = gate.attributes
    assert found[semconv.USAGE_SOURCE] == "estimated"
    assert found[semconv.USAGE_INPUT_TOKENS] >= len(WAV) * 4 // 3 // 16
    assert found[semconv.USAGE_OUTPUT_TOKENS] >= 3
    gate.assert_settled_once()


def test_an_open_file_is_measured_and_still_sent_as_a_whole(gate: Gate) -> None:
    file = io.BytesIO(WAV)
    file.name = "a.wav"
    client: openai.OpenAI = CHAT.client(gate.provider)
    client.audio.transcriptions.create(model="gpt-4o-transcribe", file=file)
    body = gate.provider.requests[0].body
    assert body is not None
    assert body["file"] == len(WAV)
    estimate = gate.attributes["spanledger.guard.estimate"]
    assert estimate.startswith("input:bytes+audio")
    gate.assert_settled_once()


def test_several_choices_and_prompts_are_all_held(provider: MockProvider) -> None:
    """Two prompts, best of three, 100 tokens each: 600 tokens, and 599 are too few."""
    for limit, refused in ((599, True), (1_000, False)):
        with gated(provider, limited("tokens", limit)):
            client: openai.OpenAI = CHAT.client(provider)
            call = {"model": "gpt-3.5-turbo-instruct", "max_tokens": 100, "best_of": 3}
            if refused:
                with pytest.raises(BudgetExceeded):
                    client.completions.create(prompt=["a", "b"], **call)  # type: ignore[call-overload]  # a dict
            else:
                client.completions.create(prompt=["a", "b"], **call)  # type: ignore[call-overload]  # a dict


def test_what_extra_body_says_counts(provider: MockProvider) -> None:
    with gated(provider, limited("tokens", 500)):
        client: openai.OpenAI = CHAT.client(provider)
        with pytest.raises(BudgetExceeded):
            client.chat.completions.create(**CHAT.body, extra_body={"max_tokens": 100_000})
        assert provider.requests == []


def test_a_body_of_raw_bytes_is_read(gate: Gate) -> None:
    client: openai.OpenAI = CHAT.client(gate.provider)
    raw = b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "four words"}]}'
    client.post("/chat/completions", content=raw, cast_to=object)
    assert gate.record["attributes"][semconv.REQUEST_MODEL] == "gpt-4o-mini"
    gate.assert_settled_once()


def test_free_endpoints_are_no_calls(gate: Gate) -> None:
    client: openai.OpenAI = CHAT.client(gate.provider)
    with pytest.raises(openai.NotFoundError):
        client.moderations.create(input="fine")
    assert gate.spans == []
    assert gate.spent("calls") == 0
