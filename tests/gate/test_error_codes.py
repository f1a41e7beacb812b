"""The provider's own word for an error, as each client library says it, and nothing but words."""

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger import semconv
from spanledger.instrumentation._error_codes import provider_code
from spanledger.instrumentation._facts import ReportedFailure
from spanledger.testing.providers import Fail, Reply, StreamError
from tests.gate._apis import (
    ALL,
    ASYNC_ALL,
    CHAT,
    COHERE,
    COMPLETIONS,
    CONVERSE,
    EMBEDDINGS,
    GEMINI,
    GEMINI_EMBEDDINGS,
    GROQ,
    MESSAGES,
    MISTRAL,
    MISTRAL_EMBEDDINGS,
    OLLAMA,
    ON_BEDROCK,
    ON_VERTEX,
    RESPONSES,
    Api,
)
from tests.gate._gate import Gate

#: What the providers say by themselves when there were too many requests.
BUSY = {
    CHAT.name: "rate_limit_exceeded",
    RESPONSES.name: "rate_limit_exceeded",
    COMPLETIONS.name: "rate_limit_exceeded",
    EMBEDDINGS.name: "rate_limit_exceeded",
    GROQ.name: "rate_limit_exceeded",
    MESSAGES.name: "rate_limit_error",
    ON_BEDROCK.name: "ThrottlingException",
    ON_VERTEX.name: "rate_limit_error",
    GEMINI.name: "RESOURCE_EXHAUSTED",
    GEMINI_EMBEDDINGS.name: "RESOURCE_EXHAUSTED",
    CONVERSE.name: "ThrottlingException",
    MISTRAL.name: "requests",
    MISTRAL_EMBEDDINGS.name: "requests",
    # These say it in a sentence, and in no word.
    COHERE.name: None,
    OLLAMA.name: None,
}
every_api = pytest.mark.parametrize("api", ALL, ids=lambda api: api.name)
#: Whose errors the program can name by a word of its own.
NAMED = [api for api in ALL if api.library not in {"cohere", "ollama"}]


@every_api
def test_a_failed_call_has_the_providers_word_for_it(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Fail(status=429))
    with pytest.raises(Exception):  # noqa: B017, PT011 - each client raises its own
        api.create(api.client(gate.provider, max_retries=0))

    assert gate.attributes.get(semconv.ERROR_PROVIDER_CODE) == BUSY[api.name]
    assert gate.attributes[semconv.ERROR_STATUS_CODE] == 429
    gate.assert_settled_once()


@pytest.mark.parametrize(
    "api", [api for api in NAMED if api in ASYNC_ALL], ids=lambda api: api.name
)
async def test_an_async_call_has_it_as_well(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Fail(status=400, code="insufficient_quota"))
    async with api.open_async(gate.provider, max_retries=0) as client:
        with pytest.raises(Exception):  # noqa: B017, PT011 - each client raises its own
            await api.create(client)

    assert gate.attributes[semconv.ERROR_PROVIDER_CODE] == "insufficient_quota"
    gate.assert_settled_once()


@pytest.mark.parametrize("api", [a for a in NAMED if a.retries], ids=lambda api: api.name)
def test_an_attempt_that_is_tried_again_has_it_too(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(
        Fail(status=429, retry_after_s=0.01, code="insufficient_quota"), Reply(text="Yes.")
    )
    api.create(api.client(gate.provider, max_retries=1))

    found = {r["attributes"][semconv.BILLING]: r["attributes"] for r in gate.records}
    assert found["attempt"][semconv.ERROR_PROVIDER_CODE] == "insufficient_quota"
    assert semconv.ERROR_PROVIDER_CODE not in found["call"]


@pytest.mark.parametrize("api", [CHAT, MESSAGES], ids=lambda api: api.name)
def test_an_error_inside_a_stream_has_it(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(StreamError(after_chunks=2, code="overloaded_error"))
    with pytest.raises(Exception):  # noqa: B017, PT011 - each client raises its own
        list(api.stream(api.client(gate.provider)))

    assert gate.attributes[semconv.ERROR_PROVIDER_CODE] == "overloaded_error"


def test_an_error_that_comes_as_an_answer_has_it(gate: Gate) -> None:
    failure = StreamError(after_chunks=6, code="server_error", responses_event="failed")
    gate.provider.enqueue(failure)
    list(RESPONSES.stream(RESPONSES.client(gate.provider)))

    assert gate.attributes[semconv.ERROR_PROVIDER_CODE] == "server_error"


def test_a_call_that_never_reached_a_provider_has_none(gate: Gate) -> None:
    client = CHAT.client(gate.provider, max_retries=0, base_url="http://127.0.0.1:9/v1")
    with pytest.raises(Exception):  # noqa: B017, PT011 - its class is not what this is about
        CHAT.create(client)

    assert semconv.ERROR_PROVIDER_CODE not in gate.attributes


@pytest.mark.parametrize(
    "said",
    [
        "You exceeded your current quota, please check your plan",
        "429",
        "req_8f14e45fceea167a5a36dedd4bea2543",
        "gpt-4o-2024-08-06",
        "sk-" + "proj-" + "aB3dE5gH" * 5,
        "x" * 65,
        "a",
        "error",
        "",
        "two\nlines",
        "Größe",
        17,
        None,
        ["rate_limit"],
    ],
)
def test_what_is_no_word_of_few_is_left_out(said: Any) -> None:
    bodies = ({"code": said}, {"error": {"code": said}}, {"error": {"type": said}})
    assert [provider_code(_error(body=body)) for body in bodies] == [None] * 3
    assert provider_code(_error(code=said)) is None


@pytest.mark.parametrize("word", ["insufficient_quota", "invalid_base64", "Model.NotReady", "io"])
def test_a_word_is_kept_as_it_is(word: str) -> None:
    assert provider_code(_error(body={"error": {"code": word}})) == word
    assert provider_code(_error(body=f'{{"code": "{word}"}}')) == word
    assert provider_code(None, SimpleNamespace(content=f'{{"error":{{"type":"{word}"}}}}'.encode()))
    assert provider_code(ReportedFailure(word)) == word


def test_the_code_goes_before_its_kind() -> None:
    body = {"code": "model_not_found", "type": "invalid_request_error"}
    assert provider_code(_error(body=body)) == "model_not_found"
    assert provider_code(_error(body={**body, "code": "404"})) == "invalid_request_error"


_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "code", "type", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(_JSON | st.binary(max_size=50) | _JSON.map(json.dumps), st.integers() | st.text())
def test_whatever_a_body_holds_the_word_is_one_of_a_few_characters(body: Any, code: Any) -> None:
    found = provider_code(
        _error(body=body, code=code, response=body), SimpleNamespace(content=body)
    )
    assert found is None or re.fullmatch(r"[A-Za-z][\w.-]{1,63}", found, re.ASCII)


def test_a_large_body_and_one_that_can_not_be_read_are_left_alone() -> None:
    class Unread:
        @property
        def content(self) -> bytes:
            raise RuntimeError("read() was not called")

    assert provider_code(None, Unread()) is None
    assert provider_code(_error(body='{"code": "io"}' + " " * 20_000)) is None


def _error(**attributes: Any) -> Exception:
    made = Exception("failed")
    vars(made).update(attributes)
    return made
