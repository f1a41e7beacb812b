"""What is Gemini's own: chats, called functions, both modes, pictures, errors, and its retries."""

import asyncio
import base64
import sys
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from spanledger import semconv
from spanledger.guard import BudgetExceeded, Policy
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.guard.errors import CircuitOpen
from spanledger.instrumentation import _hooks
from spanledger.instrumentation._content import measure
from spanledger.instrumentation._google_dialect import Target, read_request, target_of
from spanledger.testing.providers import Fail, MockProvider, Reply, ToolCall, UsageSpec
from spanledger.usage.media import Media
from tests.gate._apis import GEMINI, GEMINI_EMBEDDINGS, PROMPT, cost_nano_usd
from tests.gate._gate import Gate, gated, limited

MODEL = GEMINI.model
USAGE = UsageSpec(input_tokens=1000, output_tokens=500)
ANSWER = Reply(text="Yes.", usage=USAGE)
DATA = base64.b64encode(bytes(range(256)) * 40).decode()


def vertex(provider: MockProvider) -> genai.Client:
    return genai.Client(
        vertexai=True,
        api_key="none",
        http_options=types.HttpOptions(base_url=provider.google_base_url),
    )


def assert_billed(gate: Gate, calls: int = 1) -> None:
    assert len(gate.records) == calls
    for record in gate.records:
        assert record["attributes"][semconv.COST_NANO_USD] == cost_nano_usd(MODEL, 1000, 500)
    gate.assert_settled_once()


def test_a_chat_is_a_call_for_each_message(gate: Gate) -> None:
    gate.provider.enqueue(ANSWER, ANSWER)
    client = GEMINI.client(gate.provider)
    chat = client.chats.create(model=MODEL)
    chat.send_message("one")
    chat.send_message("two")
    assert_billed(gate, 2)


def test_a_streamed_chat_is_a_call(gate: Gate) -> None:
    gate.provider.enqueue(ANSWER)
    client = GEMINI.client(gate.provider)
    assert [c.text for c in client.chats.create(model=MODEL).send_message_stream("one")]
    assert_billed(gate)


def weather(city: str) -> str:
    """The weather of a city."""
    return f"Rain in {city}."


def test_functions_that_the_client_calls_by_itself_make_two_calls(gate: Gate) -> None:
    asks = Reply(tool_calls=(ToolCall(name="weather", arguments={"city": "Bern"}),), usage=USAGE)
    gate.provider.enqueue(asks, ANSWER)
    config = types.GenerateContentConfig(tools=[weather])
    client = GEMINI.client(gate.provider)
    reply = client.models.generate_content(model=MODEL, contents=PROMPT, config=config)
    assert reply.text == "Yes."
    assert_billed(gate, 2)


def test_vertex_is_billed_as_vertex(gate: Gate) -> None:
    gate.provider.enqueue(ANSWER)
    client = vertex(gate.provider)
    client.models.generate_content(model=MODEL, contents=PROMPT)
    assert "/publishers/google/models/" in gate.provider.requests[0].path
    assert gate.attributes[semconv.PROVIDER_NAME] == "gcp.vertex_ai"
    assert gate.attributes[semconv.REQUEST_MODEL] == MODEL
    assert_billed(gate)


def test_the_older_embeddings_of_vertex_are_read(provider: MockProvider) -> None:
    provider.enqueue(Reply(usage=UsageSpec(input_tokens=1000, output_tokens=0)))
    with gated(provider, limited("tokens", 10**6)) as gate:
        client = vertex(provider)
        client.models.embed_content(model="text-embedding-005", contents=["a b"])
        assert provider.requests[0].format == "gemini_predict"
        assert gate.attributes[semconv.OPERATION_NAME] == "embeddings"
        assert gate.attributes[semconv.USAGE_INPUT_TOKENS] == 1000
        assert gate.open == 0


def test_embeddings_without_a_usage_are_estimated_from_their_texts(gate: Gate) -> None:
    gate.provider.enqueue(Reply(omit_usage=True))
    GEMINI_EMBEDDINGS.create(GEMINI_EMBEDDINGS.client(gate.provider))
    assert gate.attributes[semconv.USAGE_SOURCE] == "estimated"
    assert gate.attributes[semconv.USAGE_INPUT_TOKENS] >= 4
    gate.assert_settled_once()


@pytest.mark.filterwarnings("ignore:The generate_images method")
def test_a_picture_is_a_call_without_a_price(provider: MockProvider) -> None:
    model = "imagen-4.0-generate-001"
    with gated(provider, limited("calls", 1)) as gate:
        client = vertex(provider)
        made = client.models.generate_images(model=model, prompt="a tree")
        assert made.generated_images
        assert gate.attributes[semconv.COST_PROVENANCE] == "unpriced"
        assert semconv.COST_NANO_USD not in gate.attributes
        with pytest.raises(BudgetExceeded):
            client.models.generate_images(model=model, prompt="a tree")
        assert provider.calls() == 1


def test_counting_tokens_is_free_and_passes(gate: Gate) -> None:
    client = GEMINI.client(gate.provider)
    assert client.models.count_tokens(model=MODEL, contents="one two").total_tokens == 2
    assert gate.records == []
    assert gate.spent("calls") == 0


def test_thoughts_and_cached_tokens_are_priced_as_such(gate: Gate) -> None:
    usage = UsageSpec(
        input_tokens=1000, output_tokens=500, cache_read_tokens=400, reasoning_tokens=200
    )
    gate.provider.enqueue(Reply(text="Yes.", usage=usage))
    GEMINI.create(GEMINI.client(gate.provider))
    # 600 × 0.30 + 400 × 0.03 + 500 × 2.50 dollars a million
    assert gate.attributes[semconv.COST_NANO_USD] == 180_000 + 12_000 + 1_250_000
    assert gate.attributes[semconv.USAGE_REASONING_TOKENS] == 200
    gate.assert_settled_once()


def test_the_request_is_sent_as_it_was_made(provider: MockProvider) -> None:
    with gated(provider):
        GEMINI.create(GEMINI.client(provider))
    GEMINI.create(GEMINI.client(provider))
    first, second = (request.body for request in provider.requests)
    assert first == second


def test_a_request_without_an_output_limit_gets_the_default_one(provider: MockProvider) -> None:
    with gated(provider, guard__default_max_output_tokens=77):
        client = GEMINI.client(provider)
        client.models.generate_content(model=MODEL, contents=PROMPT, config={"temperature": 0.5})
        client.models.generate_content(
            model=MODEL, contents=PROMPT, config={"max_output_tokens": 9}
        )
    found = [request.body for request in provider.requests]
    assert [body and body["generationConfig"] for body in found] == [
        {"temperature": 0.5, "maxOutputTokens": 77},
        {"maxOutputTokens": 9},
    ]


def test_a_stream_without_a_limit_is_cut_before_it_overruns(provider: MockProvider) -> None:
    provider.enqueue(Reply(text="0123456789" * 800, chunks=80))
    with gated(provider, limited("tokens", 4400)) as gate:
        client = GEMINI.client(provider)
        stream = client.models.generate_content_stream(model="nobody-knows-9", contents=PROMPT)
        seen: list[Any] = []
        with pytest.raises(BudgetExceeded) as raised:
            seen.extend(stream)
        assert raised.value.reason == "stream_exhausted"
        assert 40 <= len(seen) < 80
        assert gate.attributes[semconv.STREAM_OUTCOME] == "cut"
        assert gate.open == 0
        assert provider.wait_idle()


def test_an_error_in_a_stream_is_recorded_as_the_client_raises_it(gate: Gate) -> None:
    from spanledger.testing.providers import StreamError

    gate.provider.enqueue(StreamError(after_chunks=2))
    client = GEMINI.client(gate.provider)
    with pytest.raises(errors.ServerError):
        list(GEMINI.stream(client))
    assert gate.attributes[semconv.ERROR_TYPE] == "ServerError"
    assert gate.attributes[semconv.ERROR_STATUS_CODE] == 500
    gate.assert_settled_once()


def test_a_client_that_is_older_than_its_gate_has_its_attempts_counted(
    provider: MockProvider,
) -> None:
    client = GEMINI.client(provider, max_retries=2)
    provider.enqueue(Fail(status=500), Fail(status=500), ANSWER)
    with gated(provider) as gate:
        GEMINI.create(client)
        billed = sorted(str(r["attributes"][semconv.BILLING]) for r in gate.records)
        assert billed == ["attempt", "attempt", "call"]
        gate.assert_settled_once()


def test_retry_options_of_one_request_are_known_too(gate: Gate) -> None:
    gate.provider.enqueue(Fail(status=500), ANSWER)
    retries = types.HttpRetryOptions(attempts=2, initial_delay=0.01, jitter=0.01)
    config = types.GenerateContentConfig(http_options=types.HttpOptions(retry_options=retries))
    client = GEMINI.client(gate.provider)
    client.models.generate_content(model=MODEL, contents=PROMPT, config=config)
    assert len(gate.records) == 2
    gate.assert_settled_once()


def test_the_pause_that_google_asks_for_is_kept(provider: MockProvider) -> None:
    class Busy(errors.ClientError):
        pass

    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]
    with gated(provider, Policy(breakers=(BreakerRule("provider", min_calls=3),))):
        client = GEMINI.client(provider)
        refuse = Busy(429, {"error": {"code": 429, "details": details}})
        client._api_client._httpx_client.send = raising(refuse)
        with pytest.raises(Busy):
            GEMINI.create(client)
        with pytest.raises(CircuitOpen) as refused:
            GEMINI.create(client)
        assert refused.value.retry_after_s == pytest.approx(34.5, abs=2)


def raising(error: Exception) -> Any:
    def send(*_args: object, **_kwargs: object) -> object:
        raise error

    return send


async def test_many_async_calls_share_one_client(gate: Gate) -> None:
    async with GEMINI.open_async(gate.provider) as client:
        await asyncio.gather(*(GEMINI.create(client) for _ in range(8)))
    assert len(gate.records) == 8
    gate.assert_settled_once()


def test_a_library_without_its_funnel_is_not_half_gated(
    provider: MockProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = sys.modules["google.genai._api_client"]
    monkeypatch.delattr(base.HttpResponse, "async_segments")
    with gated(provider):
        assert _hooks.reports["google-genai"].state == "failed"
        assert not hasattr(base.BaseApiClient._request, "__wrapped__")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        (
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-x:generateContent",
            Target("generateContent", "gemini-x", "generativelanguage.googleapis.com"),
        ),
        (
            "https://a.test/v1/projects/p/locations/l/publishers/google/models/g%40001:predict",
            Target("predict", "g@001", "a.test"),
        ),
        (
            "https://a.test/v1/projects/p/locations/l/endpoints/12:streamGenerateContent?alt=sse",
            Target("streamGenerateContent", "endpoints/12", "a.test"),
        ),
        ("https://a.test/v1beta/models/gemini-x:countTokens", None),
        ("https://a.test/v1beta/cachedContents", None),
    ],
)
def test_an_address_says_what_is_asked_of_whom(url: str, target: Target | None) -> None:
    assert target_of(url) == target


def content_of(part: dict[str, Any], **more: Any) -> Any:
    body = {"contents": [{"role": "user", "parts": [{"text": "What is this?"}, part]}], **more}
    return measure(read_request(Target("generateContent", MODEL, ""), body).body)


@pytest.mark.parametrize(
    ("mime", "kind"),
    [("image/png", "image"), ("audio/wav", "audio"), ("video/mp4", "file"), ("a/pdf", "file")],
)
def test_what_is_no_text_is_measured_as_what_it_is(mime: str, kind: Any) -> None:
    content = content_of({"inlineData": {"mimeType": mime, "data": DATA}})
    assert content.media == (Media(kind, len(DATA)),)
    assert content.text_bytes < 300
    elsewhere = content_of({"fileData": {"mimeType": mime, "fileUri": "gs://a/b"}})
    assert elsewhere.media == (Media(kind),)


def test_text_that_is_sent_as_a_file_is_text() -> None:
    content = content_of({"inlineData": {"mimeType": "text/plain", "data": DATA}})
    assert content.media == ()
    assert content.text_bytes > len(DATA)


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"googleSearch": {}}]},
        {"tools": [{"codeExecution": {}}]},
        {"cachedContent": "cachedContents/1"},
    ],
)
def test_what_the_request_only_names_is_said_to_be_unseen(more: dict[str, Any]) -> None:
    assert [part.kind for part in content_of({"text": "a"}, **more).media] == ["unseen"]


def test_a_schema_and_the_systems_words_are_read_too() -> None:
    plain = content_of({"text": "a"}).text_bytes
    schema = {"type": "OBJECT", "properties": {"name": {"type": "STRING"}}}
    more = content_of(
        {"text": "a"},
        systemInstruction={"parts": [{"text": "Be brief."}]},
        generationConfig={"responseSchema": schema},
    )
    assert more.text_bytes > plain + len("Be brief.") + len("properties")
