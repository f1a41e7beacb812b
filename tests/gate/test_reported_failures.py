"""Errors that come as an answer with status 200: on the span, and in the eyes of breakers."""

from typing import Any, Literal

import httpx2
import openai
import pytest

from spanledger import semconv
from spanledger.guard.breaker import Throttled
from spanledger.instrumentation._facts import ReportedFailure
from spanledger.instrumentation._outcomes import of_call
from spanledger.testing.providers import Reply, StreamError
from tests.gate._apis import CHAT, RESPONSES
from tests.gate._gate import Gate


@pytest.mark.parametrize("event", ["flat", "failed"])
@pytest.mark.parametrize("code", ["server_error", "rate_limit_exceeded"])
def test_an_error_that_the_client_hands_out_as_an_event_is_one_on_the_span(
    gate: Gate, event: Literal["flat", "failed"], code: str
) -> None:
    failure = StreamError(after_chunks=6, reply=Reply(text="one two three four five"), code=code)
    gate.provider.enqueue(_with(failure, event))
    seen = [e.type for e in RESPONSES.stream(RESPONSES.client(gate.provider))]
    assert seen[-1] == ("error" if event == "flat" else "response.failed")
    assert_failed(gate, code)


@pytest.mark.parametrize("event", ["flat", "failed", "nested"])
async def test_an_error_in_a_raw_stream_is_one_on_the_span(
    gate: Gate, event: Literal["flat", "failed", "nested"]
) -> None:
    failure = StreamError(after_chunks=6, reply=Reply(text="one two three"), code="server_error")
    gate.provider.enqueue(_with(failure, event))
    async with RESPONSES.async_client(gate.provider) as client:
        make = client.responses.with_streaming_response.create
        async with make(**RESPONSES.body, stream=True) as response:
            assert [line async for line in response.iter_lines()]
    assert_failed(gate, "server_error")


def _with(failure: StreamError, event: Literal["flat", "failed", "nested"]) -> StreamError:
    return StreamError(
        after_chunks=failure.after_chunks,
        reply=failure.reply,
        code=failure.code,
        responses_event=event,
    )


def assert_failed(gate: Gate, code: str) -> None:
    found = gate.attributes
    assert found[semconv.ERROR_TYPE] == code
    assert found[semconv.STREAM_OUTCOME] == "failed"
    assert found[semconv.USAGE_SOURCE] == "estimated"
    assert found[semconv.COST_NANO_USD] > 0
    assert gate.record["status"] == "error"
    gate.assert_settled_once()


def test_a_whole_response_that_failed_is_an_error_on_the_span(gate: Gate) -> None:
    body = {
        "id": "resp_1",
        "status": "failed",
        "model": "gpt-4o-mini",
        "error": {"code": "server_error", "message": "It broke."},
        "output": [],
        "usage": {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12},
    }
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(200, json=body))
    client = openai.OpenAI(api_key="none", http_client=httpx2.Client(transport=transport))
    assert client.responses.create(**RESPONSES.body).status == "failed"
    found = gate.attributes
    assert found[semconv.ERROR_TYPE] == "server_error"
    assert found[semconv.USAGE_OUTPUT_TOKENS] == 2
    gate.assert_settled_once()


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("server_error", "failed"),
        ("rate_limit_exceeded", Throttled(None)),
        ("invalid_prompt", "ok"),
        ("content_policy_violation", "ok"),
    ],
)
def test_a_breaker_learns_from_the_providers_word(code: str, outcome: Any) -> None:
    assert of_call("failed", ReportedFailure(code), answered=True) == outcome


def test_a_chat_stream_with_an_error_that_is_read_raw_is_one_on_the_span(gate: Gate) -> None:
    gate.provider.enqueue(StreamError(after_chunks=2, reply=Reply(text="a b c"), code="broken"))
    make = CHAT.client(gate.provider).chat.completions.with_streaming_response.create
    with make(**CHAT.body, stream=True) as response:
        assert list(response.iter_lines())
    assert gate.attributes[semconv.ERROR_TYPE] == "broken"
    gate.assert_settled_once()
