"""What the gate changes in a request and in a stream, and what it leaves as it is."""

from typing import Any

import openai
import pytest

from spanledger import semconv
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from tests.gate._apis import CHAT, EMBEDDINGS, MESSAGES, RESPONSES, STAINLESS, Api
from tests.gate._gate import Gate, gated

USAGE = UsageSpec(input_tokens=1000, output_tokens=500)
every_api = pytest.mark.parametrize("api", [*STAINLESS, EMBEDDINGS], ids=lambda api: api.name)


def sent_body(provider: MockProvider) -> dict[str, Any]:
    """The body that arrived, without what the client itself adds to embeddings."""
    body = provider.requests[-1].body
    assert body is not None
    return {name: value for name, value in body.items() if name != "encoding_format"}


@every_api
def test_the_body_of_a_plain_call_is_sent_as_it_was_made(gate: Gate, api: Api) -> None:
    api.create(api.client(gate.provider))
    assert sent_body(gate.provider) == api.body


@pytest.mark.parametrize("api", [RESPONSES, MESSAGES], ids=lambda api: api.name)
def test_the_body_of_other_streams_is_sent_as_it_was_made(gate: Gate, api: Api) -> None:
    list(api.stream(api.client(gate.provider)))
    assert sent_body(gate.provider) == {**api.body, "stream": True}


def test_a_chat_stream_asks_for_its_usage_and_changes_nothing_else(gate: Gate) -> None:
    list(CHAT.stream(CHAT.client(gate.provider)))
    expected = {**CHAT.body, "stream": True, "stream_options": {"include_usage": True}}
    assert sent_body(gate.provider) == expected


def test_other_stream_options_of_the_caller_are_kept(gate: Gate) -> None:
    list(CHAT.stream(CHAT.client(gate.provider), stream_options={"include_obfuscation": False}))
    options = sent_body(gate.provider)["stream_options"]
    assert options == {"include_obfuscation": False, "include_usage": True}


def test_the_callers_own_objects_are_not_changed(gate: Gate) -> None:
    own = {"include_obfuscation": False}
    list(CHAT.stream(CHAT.client(gate.provider), stream_options=own))
    assert own == {"include_obfuscation": False}


def without_usage(chunk: openai.types.chat.ChatCompletionChunk) -> dict[str, Any]:
    """A chunk as it would look had nobody asked for usage; the id counts requests."""
    return chunk.model_dump(exclude={"id", "created", "usage"})


def test_the_extra_chunk_is_hidden_from_a_caller_who_did_not_ask(provider: MockProvider) -> None:
    client: openai.OpenAI = CHAT.client(provider)
    plain = [without_usage(chunk) for chunk in CHAT.stream(client)]
    with gated(provider) as gate:
        seen = list(CHAT.stream(client))
        assert [without_usage(chunk) for chunk in seen] == plain
        assert all(chunk.usage is None for chunk in seen)
        assert gate.attributes[semconv.USAGE_SOURCE] == "provider"


def test_the_usage_chunk_is_shown_to_a_caller_who_asked(gate: Gate) -> None:
    gate.provider.enqueue(Reply(usage=USAGE))
    client = CHAT.client(gate.provider)
    chunks = list(CHAT.stream(client, stream_options={"include_usage": True}))
    assert chunks[-1].usage.completion_tokens == 500
    assert chunks[-1].choices == []


def test_a_raw_stream_is_not_changed_because_its_extra_chunk_could_not_be_hidden(
    gate: Gate,
) -> None:
    endpoint = CHAT.endpoint(CHAT.client(gate.provider))
    list(endpoint.with_raw_response.create(**CHAT.body, stream=True).parse())
    assert sent_body(gate.provider) == {**CHAT.body, "stream": True}
    assert gate.attributes[semconv.USAGE_SOURCE] == "estimated"
    assert gate.attributes[semconv.COST_NANO_USD] > 0
    gate.assert_settled_once()


def test_asking_for_usage_can_be_switched_off(provider: MockProvider) -> None:
    with gated(provider, gate__include_usage=False) as gate:
        list(CHAT.stream(CHAT.client(provider)))
        assert "stream_options" not in sent_body(provider)
        assert gate.attributes[semconv.USAGE_SOURCE] == "estimated"
        gate.assert_settled_once()


@pytest.mark.parametrize(
    ("api", "name", "own"),
    [(CHAT, "max_completion_tokens", "max_tokens"), (RESPONSES, *["max_output_tokens"] * 2)],
    ids=["chat", "responses"],
)
def test_a_request_without_an_output_limit_gets_the_default_one(
    provider: MockProvider, api: Api, name: str, own: str
) -> None:
    body = {key: value for key, value in api.body.items() if key != own}
    with gated(provider, guard__default_max_output_tokens=77):
        api.endpoint(api.client(provider)).create(**body)
    assert sent_body(provider) == {**body, name: 77}


@every_api
def test_the_default_output_limit_changes_no_request_that_has_one_or_needs_none(
    provider: MockProvider, api: Api
) -> None:
    with gated(provider, guard__default_max_output_tokens=77):
        api.create(api.client(provider))
    assert sent_body(provider) == api.body


def test_embeddings_of_many_texts_get_no_output_limit(provider: MockProvider) -> None:
    with gated(provider, guard__default_max_output_tokens=77):
        EMBEDDINGS.create(EMBEDDINGS.client(provider), input=["a", "b"])
    assert "max_output_tokens" not in sent_body(provider)
