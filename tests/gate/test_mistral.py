"""What is Mistral's own: agents, completions of code, conversations, its retries and its spans."""

import json
from typing import Any

import pytest
from mistralai.client import Mistral
from mistralai.client.errors import SDKError

from spanledger import semconv
from spanledger.guard import BudgetExceeded
from spanledger.instrumentation._content import measure
from spanledger.instrumentation._mistral_dialect import answers_of
from spanledger.testing.providers import Fail, MockProvider, Reply, StreamError, UsageSpec
from spanledger.usage.media import Media
from tests.gate._apis import MISTRAL, PROMPT, cost_nano_usd
from tests.gate._gate import Gate, gated, limited

MODEL = MISTRAL.model
USAGE = UsageSpec(input_tokens=1000, output_tokens=500)
ANSWER = Reply(text="Yes.", usage=USAGE)


def client_of(provider: MockProvider, **options: Any) -> Any:
    return Mistral(api_key="none", server_url=provider.mistral_server_url, **options)


def assert_billed(gate: Gate, operation: str = "chat") -> None:
    assert gate.attributes[semconv.COST_NANO_USD] == cost_nano_usd(MODEL, 1000, 500)
    assert gate.attributes[semconv.OPERATION_NAME] == operation
    gate.assert_settled_once()


def test_a_conversation_is_a_call(gate: Gate) -> None:
    gate.provider.enqueue(ANSWER)
    client_of(gate.provider).beta.conversations.start(model=MODEL, inputs=PROMPT)
    assert_billed(gate)


def test_a_streamed_conversation_is_a_call(gate: Gate) -> None:
    gate.provider.enqueue(ANSWER)
    list(client_of(gate.provider).beta.conversations.start_stream(model=MODEL, inputs=PROMPT))
    assert_billed(gate)
    assert gate.attributes[semconv.STREAM_OUTCOME] == "completed"


def test_what_goes_on_with_a_conversation_has_no_model_and_counts_its_tokens(
    provider: MockProvider,
) -> None:
    provider.enqueue(ANSWER)
    with gated(provider, limited("tokens", 10**6)) as gate:
        client_of(provider).beta.conversations.append(conversation_id="conv_1", inputs=PROMPT)
        assert gate.attributes[semconv.USAGE_INPUT_TOKENS] == 1000
        assert gate.attributes[semconv.COST_PROVENANCE] == "unpriced"
        assert "unseen" in gate.attributes[semconv.GUARD_ESTIMATE]


def test_completing_code_is_a_call(gate: Gate) -> None:
    gate.provider.enqueue(ANSWER)
    client_of(gate.provider).fim.complete(model=MODEL, prompt="def a(", suffix="return 1")
    assert_billed(gate, "text_completion")


def test_an_agent_has_no_price_and_counts_its_tokens(provider: MockProvider) -> None:
    provider.enqueue(ANSWER)
    with gated(provider, limited("tokens", 10**6)) as gate:
        client_of(provider).agents.complete(
            agent_id="ag_1", messages=[{"role": "user", "content": PROMPT}]
        )
        assert gate.attributes[semconv.REQUEST_MODEL] == "ag_1"
        assert gate.spent("tokens") == 1500


def test_the_request_is_sent_as_it_was_made(provider: MockProvider) -> None:
    with gated(provider):
        MISTRAL.create(MISTRAL.client(provider))
    MISTRAL.create(MISTRAL.client(provider))
    first, second = (request.body for request in provider.requests)
    assert first == second


def test_a_request_without_an_output_limit_gets_the_default_one(provider: MockProvider) -> None:
    with gated(provider, guard__default_max_output_tokens=77):
        client = client_of(provider)
        client.chat.complete(model=MODEL, messages=[{"role": "user", "content": PROMPT}])
        MISTRAL.create(MISTRAL.client(provider))
        client.beta.conversations.start(model=MODEL, inputs=PROMPT)
    chat, own, conversation = (request.body or {} for request in provider.requests)
    assert (chat["max_tokens"], own["max_tokens"]) == (77, 64)
    assert conversation["completion_args"]["max_tokens"] == 77


def test_a_stream_without_a_limit_is_cut_before_it_overruns(provider: MockProvider) -> None:
    provider.enqueue(Reply(text="0123456789" * 800, chunks=80))
    with gated(provider, limited("tokens", 4400)) as gate:
        stream = client_of(provider).chat.stream(
            model="nobody-knows-9", messages=[{"role": "user", "content": PROMPT}]
        )
        with pytest.raises(BudgetExceeded) as raised:
            list(stream)
        assert raised.value.reason == "stream_exhausted"
        assert gate.attributes[semconv.STREAM_OUTCOME] == "cut"
        assert gate.open == 0
        assert provider.wait_idle()


def test_an_error_in_a_stream_is_recorded(gate: Gate) -> None:
    gate.provider.enqueue(StreamError(after_chunks=2, code="overloaded"))
    client = client_of(gate.provider)
    with pytest.raises(Exception, match="validation error"):
        list(client.chat.stream(**MISTRAL.body))
    assert gate.attributes[semconv.STREAM_OUTCOME] == "failed"
    assert gate.record["status"] == "error"
    gate.assert_settled_once()


def test_an_error_has_its_status_and_its_request(gate: Gate) -> None:
    gate.provider.enqueue(Fail(status=403))
    with pytest.raises(SDKError):
        client_of(gate.provider).chat.complete(**MISTRAL.body)
    assert gate.attributes[semconv.ERROR_STATUS_CODE] == 403
    assert gate.attributes[semconv.COST_NANO_USD] == 0
    gate.assert_settled_once()


def test_cached_tokens_are_priced_as_such(gate: Gate) -> None:
    usage = UsageSpec(input_tokens=1000, output_tokens=500, cache_read_tokens=400)
    gate.provider.enqueue(Reply(text="Yes.", usage=usage))
    client_of(gate.provider).chat.complete(**MISTRAL.body)
    assert gate.attributes[semconv.USAGE_CACHE_READ_TOKENS] == 400
    gate.assert_settled_once()


def test_other_endpoints_pass_untouched(gate: Gate) -> None:
    with pytest.raises(SDKError):
        client_of(gate.provider).models.list()
    assert gate.provider.calls() == 1
    assert gate.records == []


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"type": "image_url", "image_url": "data:image/png;base64," + "A" * 400}, "image"),
        ({"type": "document_url", "document_url": "https://a.test/b.pdf"}, "file"),
        ({"type": "input_audio", "input_audio": "A" * 400}, "audio"),
    ],
)
def test_what_is_no_text_is_measured_as_what_it_is(part: dict[str, Any], kind: str) -> None:
    answers = answers_of("/v1/chat/completions")
    assert answers is not None
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, part]}]}
    found: tuple[Media, ...] = measure(answers.readable(json.loads(json.dumps(body)))).media
    assert [media.kind for media in found] == [kind]


@pytest.mark.parametrize(
    ("path", "gated_"),
    [
        ("/v1/chat/completions", True),
        ("/v1/conversations", True),
        ("/v1/conversations/conv_1/restart", True),
        ("/v1/moderations", False),
        ("/v1/ocr", False),
        ("/v1/agents", False),
    ],
)
def test_a_path_says_what_is_gated(path: str, gated_: bool) -> None:
    assert (answers_of(path) is not None) is gated_
