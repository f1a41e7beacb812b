"""The same program on the oldest and on the newest versions that are supported."""

import pytest

from tests.matrix._sets import (
    Result,
    assert_limited_and_billed_once,
    assert_usage_is_the_providers,
    run,
)

OPENAI = ["chat", "chat_stream", "chat_async", "chat_async_stream", "chat_abandoned", "retries"]
OTHER_OPENAI = ["completions"]
#: Before openai 1.83 the client had no fields for their usage.
MEDIA = ["images", "transcription"]
GROQ = ["groq", "groq_stream", "groq_async_stream"]
#: Came with openai 1.66.
NEWER_OPENAI = ["responses", "responses_stream"]
ANTHROPIC = [
    "messages",
    "messages_stream",
    "messages_helper",
    "messages_async",
    "messages_async_stream",
]


GOOGLE = ["gemini", "gemini_stream", "gemini_async", "gemini_async_stream"]
BEDROCK = ["converse", "converse_stream", "invoke", "invoke_stream"]
LEFT = ["gemini_abandoned", "gemini_async_abandoned", "converse_abandoned"]
RETRIED = ["gemini_retries", "converse_retries"]


@pytest.mark.parametrize("environment", ["oldest-google-and-aws", "newest-google-and-aws"])
def test_limit_usage_streams_and_retries_of_google_and_aws_hold_on(environment: str) -> None:
    results = run(environment, [*GOOGLE, *BEDROCK, *LEFT, *RETRIED])
    for kind in RETRIED:
        assert_retried(results.pop(kind))
    for kind in LEFT:
        assert_left(kind, results.pop(kind))
    for kind, result in results.items():
        assert_limited_and_billed_once(kind, result)
        assert_usage_is_the_providers(kind, result)


def test_a_connection_that_breaks_under_aiohttp_is_an_attempt_of_its_own() -> None:
    (result,) = run("newest-google-and-aws", ["gemini_reconnects"]).values()
    assert_retried(result)


@pytest.mark.parametrize(
    ("environment", "kinds"),
    [
        ("oldest-clients", [*OPENAI, *OTHER_OPENAI, *GROQ, *ANTHROPIC]),
        ("older-clients", [*OPENAI, *OTHER_OPENAI, *MEDIA, *NEWER_OPENAI, *ANTHROPIC]),
        ("oldest-opentelemetry", [*OPENAI, *NEWER_OPENAI, *ANTHROPIC]),
    ],
)
def test_limit_usage_streams_and_retries_hold_on(environment: str, kinds: list[str]) -> None:
    results = run(environment, kinds)
    retries = results.pop("retries")
    abandoned = results.pop("chat_abandoned")
    for kind, result in results.items():
        assert_limited_and_billed_once(kind, result)
        assert_usage_is_the_providers(kind, result)
    assert_left("chat_abandoned", abandoned)
    assert_retried(retries)


OTHERS = [
    f"{client}{way}"
    for client in ("mistralai", "cohere", "ollama")
    for way in ("", "_stream", "_async", "_async_stream")
]
OTHERS_OWN = ["mistralai_conversation", "cohere_v1", "cohere_v1_stream", "ollama_generate"]
OTHERS_LEFT = ["mistralai_abandoned", "cohere_abandoned", "ollama_abandoned"]
OTHERS_RETRIED = ["mistralai_retries", "cohere_retries"]


@pytest.mark.parametrize("environment", ["oldest-others", "newest-others"])
def test_limit_usage_streams_and_retries_of_mistralai_cohere_and_ollama_hold_on(
    environment: str,
) -> None:
    results = run(environment, [*OTHERS, *OTHERS_OWN, *OTHERS_LEFT, *OTHERS_RETRIED])
    for kind in OTHERS_RETRIED:
        assert_retried(results.pop(kind))
    for kind in OTHERS_LEFT:
        assert_left(kind, results.pop(kind))
    for kind, result in results.items():
        assert_limited_and_billed_once(kind, result)
        assert_usage_is_the_providers(kind, result)


LITELLM = [
    "litellm_openai",
    "litellm_openai_stream",
    "litellm_openai_async",
    "litellm_anthropic",
    "litellm_anthropic_stream",
    "litellm_anthropic_async_stream",
]


@pytest.mark.parametrize("environment", ["oldest-litellm", "newest-litellm"])
def test_a_call_by_litellm_is_billed_once_whoever_sends_it(environment: str) -> None:
    left, retried, embedded = "litellm_abandoned", "litellm_retries", "litellm_embeddings"
    results = run(environment, [*LITELLM, left, retried, embedded])
    assert_left(left, results.pop(left))
    assert_retried(results.pop(retried))
    for kind, result in results.items():
        assert_limited_and_billed_once(kind, result)
        if kind != embedded:  # their answers have no tokens
            assert_usage_is_the_providers(kind, result)


@pytest.mark.parametrize("environment", ["oldest-litellm", "newest-litellm"])
def test_retries_and_fallbacks_of_litellm_are_calls_and_its_mocks_are_none(
    environment: str,
) -> None:
    results = run(environment, ["litellm_own_retries", "litellm_fallback", "litellm_mock"])
    mocked = results.pop("litellm_mock")
    assert (mocked.sent, mocked.outcomes, mocked.records) == (0, ["ok"] * 4, [])
    for kind, result in results.items():
        assert result.sent == 2, (kind, result)
        assert result.outcomes[0] == "ok", (kind, result)
        assert [r["billing"] for r in result.records] == ["call", "call"], (kind, result)
        assert result.open == 0, (kind, result)


def assert_left(kind: str, result: Result) -> None:
    assert_limited_and_billed_once(kind, result)
    assert {record["source"] for record in result.records} == {"estimated"}


def assert_retried(result: Result) -> None:
    assert result.sent == 2
    assert result.outcomes == ["ok", "refused", "refused", "refused"]
    billed = sorted((r["attempt"], r["billing"]) for r in result.records)
    assert billed == [(1, "attempt"), (2, "call")]
