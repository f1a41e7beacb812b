"""Beside other instrumentations and inside frameworks: each provider call is billed once."""

import pytest

from tests.matrix._sets import (
    assert_limited_and_billed_once,
    assert_usage_is_the_providers,
    run,
)

CLIENTS = [
    "chat",
    "chat_stream",
    "chat_async",
    "chat_async_stream",
    "responses",
    "responses_stream",
    "embeddings",
    "messages",
    "messages_stream",
    "messages_helper",
    "messages_async",
    "messages_async_stream",
]
FRAMEWORKS = ["langchain", "langchain_stream", "langchain_async", "agents", "agents_chat"]

_OFFICIAL = "opentelemetry.instrumentation.genai"
OFFICIAL_CLIENTS = (
    f"{_OFFICIAL}.openai:OpenAIInstrumentor",
    f"{_OFFICIAL}.anthropic:AnthropicInstrumentor",
)
OFFICIAL_FRAMEWORKS = (
    f"{_OFFICIAL}.langchain:LangChainInstrumentor",
    f"{_OFFICIAL}.openai_agents:OpenAIAgentsInstrumentor",
)
OPENLLMETRY = (
    "opentelemetry.instrumentation.openai:OpenAIInstrumentor",
    "opentelemetry.instrumentation.anthropic:AnthropicInstrumentor",
)
OPENINFERENCE = (
    "openinference.instrumentation.openai:OpenAIInstrumentor",
    "openinference.instrumentation.anthropic:AnthropicInstrumentor",
)

GOOGLE = ["gemini", "gemini_stream", "gemini_async", "gemini_async_stream"]
BEDROCK = ["converse", "converse_stream", "invoke", "invoke_stream"]
GOOGLE_AND_AWS = [*GOOGLE, *BEDROCK]
OFFICIAL_GOOGLE = ("opentelemetry.instrumentation.google_genai:GoogleGenAiSdkInstrumentor",)
OFFICIAL_BEDROCK = (f"{_OFFICIAL}.bedrock:BedrockInstrumentor",)
BOTOCORE = ("opentelemetry.instrumentation.botocore:BotocoreInstrumentor",)

SETUPS = [
    pytest.param("official", CLIENTS, OFFICIAL_CLIENTS, id="official"),
    pytest.param("official", FRAMEWORKS, (), id="frameworks-alone"),
    pytest.param("official", FRAMEWORKS, OFFICIAL_FRAMEWORKS, id="frameworks-instrumented"),
    pytest.param(
        "official",
        FRAMEWORKS,
        (*OFFICIAL_CLIENTS, *OFFICIAL_FRAMEWORKS),
        id="frameworks-and-clients-instrumented",
    ),
    pytest.param("foreign", CLIENTS, OPENLLMETRY, id="openllmetry"),
    pytest.param("official-google-and-aws", GOOGLE_AND_AWS, OFFICIAL_GOOGLE, id="official-google"),
    pytest.param("official-google-and-aws", BEDROCK, OFFICIAL_BEDROCK, id="official-bedrock"),
    pytest.param("official-google-and-aws", BEDROCK, BOTOCORE, id="botocore"),
    pytest.param("foreign", CLIENTS, OPENINFERENCE, id="openinference"),
    pytest.param("foreign", CLIENTS, (*OPENLLMETRY, *OPENINFERENCE), id="two-of-them"),
]


@pytest.mark.parametrize(("environment", "kinds", "instrumentors"), SETUPS)
def test_each_provider_call_is_billed_once(
    environment: str, kinds: list[str], instrumentors: tuple[str, ...]
) -> None:
    results = run(environment, kinds, instrumentors)
    for kind, result in results.items():
        assert_limited_and_billed_once(kind, result)
        if kind != "embeddings":  # their answers have no tokens
            assert_usage_is_the_providers(kind, result)
