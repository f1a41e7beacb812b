"""Clients that reach a model through a cloud: other addresses, bodies and signatures, one gate."""

from typing import Any

import anthropic
import openai
import pytest

from spanledger import semconv
from spanledger.guard import BudgetExceeded
from spanledger.testing.providers import Fail, MockProvider, Reply, UsageSpec
from tests.gate._apis import (
    CHAT,
    COMPLETIONS,
    GROQ,
    MESSAGES,
    ON_BEDROCK,
    ON_VERTEX,
    Api,
    cost_nano_usd,
)
from tests.gate._gate import Gate, gated, limited

USAGE = UsageSpec(input_tokens=1000, output_tokens=500)
clouds = pytest.mark.parametrize("api", [ON_BEDROCK, ON_VERTEX], ids=lambda api: api.name)
others = pytest.mark.parametrize("api", [COMPLETIONS, GROQ, ON_VERTEX], ids=lambda api: api.name)


def assert_billed(gate: Gate, api: Api, provider: str = "") -> None:
    found = gate.attributes
    assert found[semconv.BILLING] == "call"
    assert found[semconv.PROVIDER_NAME] == (provider or api.provider)
    assert found[semconv.USAGE_SOURCE] == "provider"
    assert found[semconv.COST_NANO_USD] == cost_nano_usd(api.model, 1000, 500)
    gate.assert_settled_once()


def test_bedrocks_client_signs_and_names_the_model_in_its_address(gate: Gate) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=USAGE))
    ON_BEDROCK.create(ON_BEDROCK.client(gate.provider))
    request = gate.provider.requests[0]
    assert request.path == "/model/anthropic.claude-3-haiku-20240307-v1:0/invoke"
    assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256")
    assert request.body is not None
    assert "model" not in request.body
    assert_billed(gate, ON_BEDROCK)


def test_vertexs_client_names_the_model_in_its_address(gate: Gate) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=USAGE))
    list(ON_VERTEX.stream(ON_VERTEX.client(gate.provider)))
    path = "/projects/project/locations/us-east5/publishers/anthropic/models/"
    assert gate.provider.requests[0].path.startswith(path)
    assert gate.provider.requests[0].path.endswith(":streamRawPredict")
    assert_billed(gate, ON_VERTEX)


@clouds
def test_the_stream_helper_of_a_cloud_is_one_call(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Reply(text="Yes it is.", usage=USAGE))
    with api.endpoint(api.client(gate.provider)).stream(**api.body) as stream:
        assert stream.get_final_message().content[0].text == "Yes it is."
    assert_billed(gate, api)


@clouds
async def test_beta_messages_of_a_cloud_are_billed(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=USAGE))
    async with api.async_client(gate.provider) as client:
        await client.beta.messages.create(**api.body, betas=["context-1m-2025-08-07"])
    assert_billed(gate, api)


@clouds
def test_a_raw_answer_of_a_cloud_is_billed(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=USAGE))
    raw = api.client(gate.provider).messages.with_raw_response.create(**api.body)
    assert raw.parse().content[0].text == "Yes."
    assert_billed(gate, api)


@others
def test_a_raw_stream_with_usage_is_billed(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Reply(text="Yes it is.", usage=USAGE))
    extra = {"stream_options": {"include_usage": True}} if api is COMPLETIONS else {}
    make = api.endpoint(api.client(gate.provider)).with_streaming_response.create
    with make(**api.body, stream=True, **extra) as response:
        assert [line for line in response.iter_lines() if line.startswith("data:")]
    assert_billed(gate, api)


def test_a_raw_event_stream_of_bedrock_is_charged_in_full(gate: Gate) -> None:
    """Nobody parses it, so nothing is known of its length: all that was reserved is charged."""
    make = ON_BEDROCK.client(gate.provider).messages.with_streaming_response.create
    with make(**ON_BEDROCK.body, stream=True) as response:
        assert b"".join(response.iter_bytes())
    assert gate.attributes[semconv.COST_PROVENANCE] == "unpriced"
    assert gate.spent("tokens") > ON_BEDROCK.body["max_tokens"]
    assert gate.open == 0


def test_foundrys_client_is_gated(gate: Gate) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=USAGE))
    client = anthropic.AnthropicFoundry(api_key="none", base_url=f"{gate.provider.url}/anthropic")
    client.messages.create(**MESSAGES.body)
    assert_billed(gate, MESSAGES)


def test_counting_tokens_is_free_and_no_call(gate: Gate) -> None:
    client: anthropic.Anthropic = MESSAGES.client(gate.provider)
    client.messages.count_tokens(model=MESSAGES.model, messages=MESSAGES.body["messages"])
    assert gate.provider.calls() == 1
    assert gate.records == []
    assert gate.spent("calls") == 0


def azure(provider: MockProvider) -> openai.AzureOpenAI:
    return openai.AzureOpenAI(
        azure_endpoint=provider.url, api_version="2024-10-21", api_key="none", max_retries=0
    )


AZURE: list[tuple[str, str, dict[str, Any]]] = [
    ("chat.completions.create", "/chat/completions", CHAT.body),
    ("completions.create", "/completions", COMPLETIONS.body),
    ("embeddings.create", "/embeddings", {"model": "text-embedding-3-small", "input": "a b"}),
    ("images.generate", "/images/generations", {"model": "gpt-image-1", "prompt": "a cat"}),
    (
        "audio.transcriptions.create",
        "/audio/transcriptions",
        {"model": "gpt-4o-transcribe", "file": ("a.wav", b"\x80" * 99)},
    ),
    (
        "audio.speech.create",
        "/audio/speech",
        {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "four words"},
    ),
]


@pytest.mark.parametrize(("method", "path", "body"), AZURE, ids=lambda v: str(v)[:24])
def test_every_deployment_of_azure_is_gated(
    provider: MockProvider, method: str, path: str, body: dict[str, Any]
) -> None:
    with gated(provider, limited("calls", 1)) as gate:
        found: Any = azure(provider)
        for name in method.split("."):
            found = getattr(found, name)
        found(**body)
        assert (
            provider.requests[0]
            .path.partition("?")[0]
            .endswith(f"/deployments/{body['model']}{path}")
        )
        assert gate.attributes[semconv.PROVIDER_NAME] == "azure.ai.openai"
        with pytest.raises(BudgetExceeded):
            found(**body)
        assert provider.calls() == 1


# --- middleware, which may send more than one request for one ----------------------------------


def twice(request: Any, call_next: Any) -> Any:
    call_next(request)
    return call_next(request)


def with_middleware(provider: MockProvider, *middleware: Any, **options: Any) -> Any:
    return MESSAGES.client(provider, middleware=middleware, **options)


def test_a_call_through_middleware_is_billed_once(gate: Gate) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=USAGE))
    client = with_middleware(gate.provider, lambda request, call_next: call_next(request))
    assert client.messages.create(**MESSAGES.body).content[0].text == "Yes."
    assert_billed(gate, MESSAGES)


def test_each_request_that_middleware_sends_is_a_call(gate: Gate) -> None:
    gate.provider.enqueue(*[Reply(text="Yes.", usage=USAGE)] * 2)
    with_middleware(gate.provider, twice).messages.create(**MESSAGES.body)
    assert len(gate.records) == 2
    assert gate.spent("calls") == 2
    gate.assert_settled_once()


def test_a_second_request_of_middleware_can_be_refused(provider: MockProvider) -> None:
    with gated(provider, limited("calls", 1)) as gate:
        with pytest.raises(BudgetExceeded):
            with_middleware(provider, twice).messages.create(**MESSAGES.body)
        assert provider.calls() == 1
        assert gate.open == 0


def test_an_error_below_middleware_is_settled_and_tried_again(gate: Gate) -> None:
    gate.provider.enqueue(Fail(status=529, retry_after_s=0.01), Reply(text="Yes.", usage=USAGE))
    client = with_middleware(
        gate.provider, lambda request, call_next: call_next(request), max_retries=1
    )
    client.messages.create(**MESSAGES.body)
    billing = sorted(str(r["attributes"][semconv.BILLING]) for r in gate.records)
    assert billing == ["attempt", "call"]
    gate.assert_settled_once()


def test_an_error_that_middleware_answers_with_another_request_is_a_call(gate: Gate) -> None:
    gate.provider.enqueue(Fail(status=400), Reply(text="Yes.", usage=USAGE))
    client = with_middleware(gate.provider, twice)
    assert client.messages.create(**MESSAGES.body).content[0].text == "Yes."
    failed = [r for r in gate.records if semconv.ERROR_STATUS_CODE in r["attributes"]]
    assert [r["attributes"][semconv.ERROR_STATUS_CODE] for r in failed] == [400]
    assert gate.spent("calls") == 2
    gate.assert_settled_once()


async def test_each_request_that_async_middleware_sends_is_a_call(gate: Gate) -> None:
    async def again(request: Any, call_next: Any) -> Any:
        await call_next(request)
        return await call_next(request)

    gate.provider.enqueue(*[Reply(text="Yes.", usage=USAGE)] * 2)
    async with MESSAGES.async_client(gate.provider, middleware=(again,)) as client:
        await client.messages.create(**MESSAGES.body)
    assert gate.spent("calls") == 2
    gate.assert_settled_once()


def test_a_stream_below_middleware_is_billed(gate: Gate) -> None:
    gate.provider.enqueue(Reply(text="Yes it is.", usage=USAGE))
    client = with_middleware(gate.provider, lambda request, call_next: call_next(request))
    assert list(client.messages.create(**MESSAGES.body, stream=True))
    assert_billed(gate, MESSAGES)
