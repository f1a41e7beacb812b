"""Every other way to make a call: helpers, parsed and raw responses, the bare `post`."""

from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel

from spanledger import semconv
from spanledger.testing.providers import Reply, ToolCall, UsageSpec
from tests.gate._apis import CHAT, EMBEDDINGS, MESSAGES, RESPONSES, STAINLESS, Api, cost_nano_usd
from tests.gate._gate import Gate

every_api = pytest.mark.parametrize("api", [*STAINLESS, EMBEDDINGS], ids=lambda api: api.name)
streaming_apis = pytest.mark.parametrize("api", STAINLESS, ids=lambda api: api.name)


class City(BaseModel):
    name: str
    people: int


CITY = '{"name": "Bern", "people": 134}'
USAGE = UsageSpec(input_tokens=1000, output_tokens=500)
#: Of an endpoint without output the mock provider says only what went in.
READ = UsageSpec(input_tokens=1000, output_tokens=0)


def usage_of(api: Api) -> UsageSpec:
    return READ if api is EMBEDDINGS else USAGE


def assert_billed_as(gate: Gate, api: Api, usage: UsageSpec) -> None:
    found = gate.attributes
    assert found[semconv.BILLING] == "call"
    assert found[semconv.USAGE_SOURCE] == "provider"
    assert found[semconv.USAGE_INPUT_TOKENS] == usage.input_tokens
    assert found[semconv.USAGE_OUTPUT_TOKENS] == usage.output_tokens
    expected = cost_nano_usd(api.model, usage.input_tokens, usage.output_tokens)
    assert found[semconv.COST_NANO_USD] == expected
    gate.assert_settled_once()


@streaming_apis
def test_the_stream_helper_is_one_call(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Reply(text="Yes it is.", usage=USAGE))
    with api.endpoint(api.client(gate.provider)).stream(**api.body) as stream:
        assert list(stream)
    assert_billed_as(gate, api, USAGE)


@streaming_apis
async def test_the_async_stream_helper_is_one_call(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Reply(text="Yes it is.", usage=USAGE))
    async with (
        api.async_client(gate.provider) as client,
        api.endpoint(client).stream(**api.body) as stream,
    ):
        assert [event async for event in stream]
    assert_billed_as(gate, api, USAGE)


def test_the_final_message_of_a_helper_is_complete(gate: Gate) -> None:
    gate.provider.enqueue(Reply(text="Yes it is.", usage=USAGE))
    client: anthropic.Anthropic = MESSAGES.client(gate.provider)
    with client.messages.stream(**MESSAGES.body) as stream:
        assert "".join(stream.text_stream) == "Yes it is."
        assert stream.get_final_message().usage.output_tokens == 500
    assert_billed_as(gate, MESSAGES, USAGE)


def test_the_final_completion_of_a_helper_is_complete(gate: Gate) -> None:
    gate.provider.enqueue(Reply(text="Yes it is.", usage=USAGE))
    client: openai.OpenAI = CHAT.client(gate.provider)
    with client.chat.completions.stream(**CHAT.body) as stream:
        stream.until_done()
        assert stream.get_final_completion().choices[0].message.content == "Yes it is."
    assert_billed_as(gate, CHAT, USAGE)


@pytest.mark.parametrize(
    ("api", "shape"),
    [(CHAT, "response_format"), (RESPONSES, "text_format"), (MESSAGES, "output_format")],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_parsed_answer_is_one_call(gate: Gate, api: Api, shape: str) -> None:
    gate.provider.enqueue(Reply(text=CITY, usage=USAGE))
    answer = api.endpoint(api.client(gate.provider)).parse(**api.body, **{shape: City})
    assert "Bern" in answer.model_dump_json()
    assert_billed_as(gate, api, USAGE)


@every_api
def test_a_raw_response_is_billed_and_still_parses(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=usage_of(api)))
    raw = api.endpoint(api.client(gate.provider)).with_raw_response.create(**api.body)
    assert raw.status_code == 200
    assert raw.parse().model == api.model
    assert_billed_as(gate, api, usage_of(api))


@every_api
async def test_an_async_raw_response_is_billed_and_still_parses(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=usage_of(api)))
    async with api.async_client(gate.provider) as client:
        raw = await api.endpoint(client).with_raw_response.create(**api.body)
        parsed = raw.parse()
        assert (await parsed if hasattr(parsed, "__await__") else parsed).model == api.model
    assert_billed_as(gate, api, usage_of(api))


@streaming_apis
def test_a_raw_response_that_is_parsed_into_a_stream_is_billed(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Reply(text="Yes it is.", usage=USAGE))
    extra = {"stream_options": {"include_usage": True}} if api is CHAT else {}
    raw = api.endpoint(api.client(gate.provider)).with_raw_response.create(
        **api.body, stream=True, **extra
    )
    assert list(raw.parse())
    assert_billed_as(gate, api, USAGE)


@every_api
def test_a_streaming_response_that_is_read_is_billed(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=usage_of(api)))
    endpoint = api.endpoint(api.client(gate.provider))
    with endpoint.with_streaming_response.create(**api.body) as response:
        assert response.json()["model"] == api.model
    assert_billed_as(gate, api, usage_of(api))


@every_api
async def test_an_async_streaming_response_that_is_read_is_billed(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=usage_of(api)))
    async with api.async_client(gate.provider) as client:
        endpoint = api.endpoint(client)
        async with endpoint.with_streaming_response.create(**api.body) as response:
            assert (await response.json())["model"] == api.model
    assert_billed_as(gate, api, usage_of(api))


@streaming_apis
def test_the_lines_of_a_streamed_raw_response_are_billed(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Reply(text="Yes it is.", usage=USAGE))
    extra = {"stream_options": {"include_usage": True}} if api is CHAT else {}
    endpoint = api.endpoint(api.client(gate.provider))
    with endpoint.with_streaming_response.create(**api.body, stream=True, **extra) as response:
        assert [line for line in response.iter_lines() if line.startswith("data:")]
    assert_billed_as(gate, api, USAGE)


@streaming_apis
def test_a_streaming_response_that_is_not_read_is_estimated(gate: Gate, api: Api) -> None:
    endpoint = api.endpoint(api.client(gate.provider))
    with endpoint.with_streaming_response.create(**api.body) as response:
        assert response.status_code == 200
    assert gate.attributes[semconv.USAGE_SOURCE] == "estimated"
    assert gate.attributes[semconv.COST_NANO_USD] > 0
    gate.assert_settled_once()


@pytest.mark.parametrize(
    ("api", "path"),
    [
        (CHAT, "/chat/completions"),
        (RESPONSES, "/responses"),
        (MESSAGES, "/v1/messages"),
        (EMBEDDINGS, "/embeddings"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_bare_post_is_gated_like_the_method(gate: Gate, api: Api, path: str) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=usage_of(api)))
    answer: Any = api.client(gate.provider).post(path, body=api.body, cast_to=object)
    assert answer["model"] == api.model
    assert_billed_as(gate, api, usage_of(api))


@streaming_apis
def test_tool_calls_are_billed_like_text(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(
        Reply(tool_calls=(ToolCall(name="search", arguments={"query": "Bern"}),), usage=USAGE)
    )
    assert list(api.stream(api.client(gate.provider)))
    assert_billed_as(gate, api, USAGE)


@streaming_apis
def test_options_of_the_client_keep_their_gate(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=USAGE))
    api.create(api.client(gate.provider).with_options(timeout=30.0))
    assert_billed_as(gate, api, USAGE)


def test_azures_client_is_gated_like_openais(gate: Gate) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=USAGE))
    client = openai.AzureOpenAI(
        azure_endpoint=gate.provider.url, api_version="2024-10-21", api_key="none"
    )
    client.chat.completions.create(**CHAT.body)
    assert "/deployments/gpt-4o-mini/" in gate.provider.requests[0].path
    assert_billed_as(gate, CHAT, USAGE)


def test_anthropics_beta_endpoint_is_gated_like_the_other(gate: Gate) -> None:
    gate.provider.enqueue(Reply(text="Yes.", usage=USAGE))
    client: anthropic.Anthropic = MESSAGES.client(gate.provider)
    client.beta.messages.create(**MESSAGES.body, betas=["context-1m-2025-08-07"])
    assert gate.provider.requests[0].headers["anthropic-beta"]
    assert_billed_as(gate, MESSAGES, USAGE)
