"""What kind of failure an error is: of real clients, against a provider that answers so."""

import json
from types import SimpleNamespace
from typing import Any

import anthropic
import openai
import pytest

from spanledger.guard import Refusal
from spanledger.recovery import InvalidAnswer, InvalidToolArguments, classify
from spanledger.recovery.failures import Kind
from spanledger.testing.providers import Fail, Hang, MockProvider
from spanledger.track.tools import Registry

NOW = 1_768_478_400.0


def _openai_error(provider: MockProvider, answer: Any, **options: Any) -> Exception:
    provider.enqueue(answer)
    client = openai.OpenAI(
        base_url=provider.openai_base_url, api_key="none", max_retries=0, **options
    )
    with pytest.raises(openai.OpenAIError) as caught:
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}]
        )
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "bad_request"),
        (401, "authentication"),
        (403, "authentication"),
        (404, "bad_request"),
        (408, "timeout"),
        (409, "conflict"),
        (429, "rate_limited"),
        (500, "server"),
        (503, "server"),
        (504, "timeout"),
        (529, "server"),
    ],
)
def test_a_status_says_what_kind_of_failure_it_is(
    provider: MockProvider, status: int, kind: Kind
) -> None:
    found = classify(_openai_error(provider, Fail(status=status)), NOW)
    assert (found.kind, found.status) == (kind, status)


def test_the_time_that_a_provider_asks_for_is_read(provider: MockProvider) -> None:
    error = _openai_error(provider, Fail(status=429, retry_after_s=7))
    assert classify(error, NOW).retry_after_s == 7


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Thu, 15 Jan 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_each_form_of_the_header_is_read(headers: dict[str, str], seconds: float | None) -> None:
    error = RuntimeError("busy")
    error.response = SimpleNamespace(headers=headers)  # type: ignore[attr-defined]  # as clients do
    assert classify(error, NOW).retry_after_s == seconds


def test_no_answer_in_time_is_a_timeout(provider: MockProvider) -> None:
    error = _openai_error(provider, Hang(), timeout=0.2)
    assert classify(error, NOW).kind == "timeout"


def test_a_provider_that_is_not_there_is_a_connection_failure() -> None:
    client = openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="none", max_retries=0)
    with pytest.raises(openai.APIConnectionError) as caught:
        client.models.list()
    assert classify(caught.value, NOW).kind == "connection"


def _said(code: str, message: str, status: int = 400) -> Exception:
    response = SimpleNamespace(status_code=status, headers={}, request=None)
    body = {"code": code, "message": message, "type": "invalid_request_error"}
    error: Any = openai.APIStatusError
    return error(message, response=response, body=body)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("code", "message", "status", "kind"),
    [
        ("context_length_exceeded", "This model's maximum context length is 8192 tokens.", 400,
         "context_too_long"),
        ("", "prompt is too long: 210000 tokens > 200000 maximum", 400, "context_too_long"),
        ("", "The input token count (9) exceeds the maximum", 400, "context_too_long"),
        ("content_filter", "The response was filtered", 400, "content_filter"),
        ("content_policy_violation", "Your request was rejected", 400, "content_filter"),
        ("insufficient_quota", "You exceeded your current quota", 429, "quota"),
        ("", "Your credit balance is too low to access the API.", 400, "quota"),
        ("", "something else", 422, "bad_request"),
    ],
)  # fmt: skip
def test_the_words_of_providers_are_understood(
    code: str, message: str, status: int, kind: Kind
) -> None:
    assert classify(_said(code, message, status), NOW).kind == kind


def test_an_error_of_the_program_that_speaks_of_a_context_window_is_its_own() -> None:
    assert classify(ValueError("the context window of the editor"), NOW).kind == "other"


def test_an_answer_that_is_no_json_is_an_invalid_answer() -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    assert classify(caught.value, NOW).kind == "invalid_answer"


def test_what_the_program_says_is_taken_at_its_word() -> None:
    assert classify(InvalidAnswer("no name", schema={"a": 1}), NOW).schema == {"a": 1}
    found = classify(InvalidToolArguments("search", "limit is negative"), NOW)
    assert (found.kind, found.tool, found.detail) == (
        "invalid_arguments",
        "search",
        "limit is negative",
    )


def test_arguments_that_a_registry_refuses_are_invalid_arguments() -> None:
    result = Registry().add(_search).call("_search", {"limit": "many"})
    found = classify(result.exception or Exception(), NOW)
    assert (found.kind, found.tool) == ("invalid_arguments", "_search")
    assert found.detail == "limit: must be a whole number, not 'many'"


def _search(limit: int) -> int:
    return limit


def test_a_refusal_of_ours_says_when_there_is_room() -> None:
    error = Refusal("rate_limited", rule="calls", retry_after_s=3.0).error()
    assert classify(error, NOW)[:3] == ("refused", str(error), 3.0)


def test_anthropic_is_read_alike(provider: MockProvider) -> None:
    provider.enqueue(Fail(status=529))
    client = anthropic.Anthropic(
        base_url=provider.anthropic_base_url, api_key="none", max_retries=0
    )
    with pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(
            model="claude-haiku-4-5",
            max_tokens=10,
            messages=[{"role": "user", "content": "Hi"}],
        )
    assert classify(caught.value, NOW).kind == "server"


def test_an_error_that_cannot_be_shown_is_classified_all_the_same() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert classify(Mute(), NOW).detail == "Mute"
