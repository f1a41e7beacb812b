"""The same program on the oldest and on the newest versions that are supported."""

import pytest

from tests.matrix._sets import (
    assert_limited_and_billed_once,
    assert_usage_is_the_providers,
    run,
)

OPENAI = ["chat", "chat_stream", "chat_async", "chat_async_stream", "chat_abandoned", "retries"]
#: Came with openai 1.66.
NEWER_OPENAI = ["responses", "responses_stream"]
ANTHROPIC = [
    "messages",
    "messages_stream",
    "messages_helper",
    "messages_async",
    "messages_async_stream",
]


@pytest.mark.parametrize(
    ("environment", "kinds"),
    [
        ("oldest-clients", [*OPENAI, *ANTHROPIC]),
        ("older-clients", [*OPENAI, *NEWER_OPENAI, *ANTHROPIC]),
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
    assert_limited_and_billed_once("chat_abandoned", abandoned)
    assert {record["source"] for record in abandoned.records} == {"estimated"}
    assert retries.sent == 2
    assert retries.outcomes == ["ok", "refused", "refused", "refused"]
    billed = sorted((r["attempt"], r["billing"]) for r in retries.records)
    assert billed == [(1, "attempt"), (2, "call")]
