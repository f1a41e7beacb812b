"""How LiteLLM's calls are read. `tests/matrix` shows with the library that they are billed once."""

from types import SimpleNamespace as Object
from typing import Any

import pytest

from spanledger.instrumentation._litellm_dialect import FUNCTIONS, Stream, is_sent, provider_of
from spanledger.usage import MISSING, Usage

COMPLETION, EMBEDDING = FUNCTIONS["completion"], FUNCTIONS["embedding"]
USAGE = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}


@pytest.mark.parametrize(
    ("word", "provider"),
    [
        ("openai", "openai"),
        ("azure", "azure.ai.openai"),
        ("bedrock", "aws.bedrock"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("mistral", "mistral_ai"),
        ("cohere_chat", "cohere"),
        ("somebody-new", "somebody-new"),
    ],
)
def test_a_provider_has_the_name_of_the_conventions(word: str, provider: str) -> None:
    assert provider_of(word) == provider


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"model": "a"}, True),
        ({"model": "a", "mock_response": "hi"}, False),
        ({"model": "a", "mock_timeout": True}, False),
        ({"model": "a", "fallbacks": ["b"]}, False),
        ({"model": "a", "fallbacks": None, "mock_response": None}, True),
    ],
)
def test_only_what_sends_a_request_is_a_call(body: dict[str, Any], sent: bool) -> None:
    assert is_sent(body) is sent


def test_a_stream_asks_for_its_usage_and_keeps_what_else_was_asked() -> None:
    asked = {"stream": True, "stream_options": {"a": 1}}
    expected = {"stream_options": {"a": 1, "include_usage": True}}
    assert COMPLETION.with_usage(asked) == expected
    assert COMPLETION.with_usage({"stream": True, **expected}) == {}
    assert COMPLETION.with_usage({"stream": False}) == {}
    assert EMBEDDING.with_usage({"stream": True}) == {}


def test_an_output_limit_is_added_where_there_is_none() -> None:
    assert COMPLETION.with_output_limit({}, 7) == {"max_tokens": 7}
    assert COMPLETION.with_output_limit({"max_completion_tokens": 3}, 7) == {}
    assert EMBEDDING.with_output_limit({}, 7) == {}


def chunk(content: str | None, usage: Any = None) -> Any:
    choice = Object(delta=Object(content=content), finish_reason=None)
    return Object(id="a", model="m", choices=[choice], usage=usage)


def test_a_stream_has_the_usage_that_the_provider_said() -> None:
    reader = Stream(COMPLETION, [chunk("Yes.", USAGE)])
    assert not reader.chunk(chunk("Yes."))
    last = chunk(None, USAGE)
    assert reader.hidden(last)
    assert reader.chunk(last)
    assert reader.reply().usage == Usage(input_tokens=10, output_tokens=4)
    assert reader.text == ["Yes."]


def test_a_usage_that_litellm_counted_by_itself_is_not_the_providers() -> None:
    reader = Stream(COMPLETION, [chunk("Yes.")])
    reader.chunk(chunk("Yes."))
    reader.chunk(chunk(None, USAGE))
    assert reader.reply().usage == MISSING
