"""Every reply, event and error validates strictly against the client packages' own models.

The clients construct their models without validation, so a missing field would go unnoticed
there; here pydantic checks the bytes.
"""

import json
from typing import Any

import pytest
from anthropic.types import Message, MessageTokensCount, RawMessageStreamEvent
from anthropic.types.shared import ErrorResponse
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from spanledger.testing.providers import (
    Behaviour,
    Fail,
    ProviderScript,
    Reply,
    StreamError,
    ToolCall,
    UsageSpec,
)

USER = [{"role": "user", "content": "count these four words"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "gpt-4o-mini", "messages": USER},
    "/v1/responses": {"model": "gpt-4o-mini", "input": "count these four words"},
    "/v1/completions": {"model": "gpt-3.5-turbo-instruct", "prompt": "count these four words"},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": ["one", "two"]},
    "/v1/messages": {"model": "claude-sonnet-5", "max_tokens": 100, "messages": USER},
    "/v1/messages/count_tokens": {"model": "claude-sonnet-5", "messages": USER},
}
MODELS: dict[str, Any] = {
    "/v1/chat/completions": ChatCompletion,
    "/v1/responses": Response,
    "/v1/completions": Completion,
    "/v1/embeddings": CreateEmbeddingResponse,
    "/v1/messages": Message,
    "/v1/messages/count_tokens": MessageTokensCount,
}
EVENTS: dict[str, Any] = {
    "/v1/chat/completions": ChatCompletionChunk,
    "/v1/responses": ResponseStreamEvent,
    "/v1/completions": Completion,
    "/v1/messages": RawMessageStreamEvent,
}
FULL_USAGE = UsageSpec(
    input_tokens=1000,
    output_tokens=500,
    cache_read_tokens=300,
    cache_write_tokens=200,
    cache_write_1h_tokens=50,
    reasoning_tokens=100,
    input_audio_tokens=10,
    output_audio_tokens=5,
    web_searches=2,
)
REPLIES = {
    "echo": Reply(),
    "text": Reply(text="A short answer.", model="other-model", finish_reason="stop"),
    "usage": Reply(text="x", usage=FULL_USAGE),
    "tools": Reply(
        text="Let me look.",
        tool_calls=(
            ToolCall(name="search", arguments={"query": "weather in Bern", "limit": 3}),
            ToolCall(name="now", id="call_of_the_test"),
        ),
    ),
    "only tools": Reply(tool_calls=(ToolCall(name="now"),)),
    "reasoning": Reply(text="42", reasoning_text="I think and think"),
    "refusal": Reply(refusal="I cannot help with that."),
    "length": Reply(text="cut", finish_reason="length"),
    "filtered": Reply(text="cut", finish_reason="content_filter"),
    "empty": Reply(text=""),
    "no usage asked": Reply(text="x", chunks=3),
}


def rendered_parts(path: str, behaviour: Behaviour, **extra: object) -> tuple[bytes, ...]:
    script = ProviderScript(behaviour)
    body = json.dumps({**BODIES[path], **extra}).encode()
    return script.receive("POST", path, {}, body).rendered.parts


def events_of(parts: tuple[bytes, ...]) -> list[dict[str, Any]]:
    """The data of every event but pings and the end mark, read as a client would."""
    events = []
    for part in parts:
        lines = part.decode().removesuffix("\n\n").split("\n")
        data = lines[-1].removeprefix("data: ")
        if data != "[DONE]" and lines[0] != "event: ping":
            events.append(json.loads(data))
            assert len(lines) == 1 or lines[0] == f"event: {events[-1]['type']}"
    return events


@pytest.mark.parametrize("path", MODELS)
@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_every_body_validates_against_the_clients_model(path: str, reply: Reply) -> None:
    (body,) = rendered_parts(path, reply)

    TypeAdapter(MODELS[path]).validate_json(body)


@pytest.mark.parametrize("path", EVENTS)
@pytest.mark.parametrize("include_usage", [True, False])
@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_every_stream_event_validates_against_the_clients_model(
    path: str, reply: Reply, include_usage: bool
) -> None:
    options = {"stream_options": {"include_usage": include_usage}}
    events = events_of(rendered_parts(path, reply, stream=True, **options))

    adapter = TypeAdapter[object](EVENTS[path])
    assert events
    for event in events:
        adapter.validate_python(_with_a_finish_reason(event) if "prompt" in BODIES[path] else event)


def _with_a_finish_reason(event: dict[str, Any]) -> dict[str, Any]:
    # The clients' one model for both shapes demands what a text stream sends in its last chunk.
    choices = [{**c, "finish_reason": c["finish_reason"] or "stop"} for c in event["choices"]]
    return {**event, "choices": choices}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_usage_is_in_an_openai_stream_exactly_if_it_was_asked_for(path: str) -> None:
    asked = events_of(
        rendered_parts(path, Reply(), stream=True, stream_options={"include_usage": True})
    )
    not_asked = events_of(rendered_parts(path, Reply(), stream=True))

    assert all(event["usage"] is None for event in asked[:-1])
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"]["completion_tokens"] == 5
    assert all("usage" not in event for event in not_asked)
    assert all(event["choices"] for event in not_asked)


def test_response_events_are_numbered_and_ordered_as_documented() -> None:
    reply = Reply(text="a b", reasoning_text="hm", tool_calls=(ToolCall(name="now"),))
    events = events_of(rendered_parts("/v1/responses", reply, stream=True))

    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert events[0]["response"]["usage"] is None
    assert events[-1]["response"]["usage"]["output_tokens"] == 4


@pytest.mark.parametrize(
    ("finish_reason", "event", "reason"),
    [
        ("length", "response.incomplete", "max_output_tokens"),
        ("content_filter", "response.incomplete", "content_filter"),
    ],
)
def test_a_response_that_ends_early_is_incomplete_and_says_why(
    finish_reason: str, event: str, reason: str
) -> None:
    reply = Reply(text="x", finish_reason=finish_reason)
    last = events_of(rendered_parts("/v1/responses", reply, stream=True))[-1]

    assert last["type"] == event
    assert last["response"]["incomplete_details"] == {"reason": reason}


def test_anthropic_events_are_ordered_as_documented() -> None:
    reply = Reply(text="a", reasoning_text="hm", tool_calls=(ToolCall(name="now"),))
    events = events_of(rendered_parts("/v1/messages", reply, stream=True))

    start, delta, stop = (f"content_block_{step}" for step in ("start", "delta", "stop"))
    thinking = [start, delta, delta, stop]  # the second delta is the signature
    text = [start, delta, stop]
    tool = [start, delta, delta, delta, stop]  # empty, and the two halves of {}
    middle = thinking + text + tool
    names = [event["type"] for event in events]
    assert names == ["message_start", *middle, "message_delta", "message_stop"]
    assert events[0]["message"]["usage"]["output_tokens"] == 1
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_anthropic_reports_its_input_without_the_cache_tokens() -> None:
    (body,) = rendered_parts("/v1/messages", Reply(text="x", usage=FULL_USAGE))
    usage = json.loads(body)["usage"]

    assert usage["input_tokens"] == 1000 - 300 - 200
    assert usage["cache_read_input_tokens"] == 300
    assert usage["cache_creation_input_tokens"] == 200
    assert usage["cache_creation"] == {
        "ephemeral_5m_input_tokens": 150,
        "ephemeral_1h_input_tokens": 50,
    }
    assert usage["output_tokens"] == 500
    assert usage["server_tool_use"]["web_search_requests"] == 2


def test_openai_reports_its_input_with_the_cache_tokens() -> None:
    (body,) = rendered_parts("/v1/chat/completions", Reply(text="x", usage=FULL_USAGE))
    usage = json.loads(body)["usage"]

    assert usage["prompt_tokens"] == 1000
    assert usage["prompt_tokens_details"] == {
        "cached_tokens": 300,
        "audio_tokens": 10,
        "cache_write_tokens": 200,
    }
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 100


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
@pytest.mark.parametrize("stream", [True, False])
def test_omitted_usage_is_nowhere_in_the_reply(path: str, stream: bool) -> None:
    parts = rendered_parts(
        path,
        Reply(text="x", omit_usage=True),
        stream=stream,
        stream_options={"include_usage": True},
    )

    counts = (b'"prompt_tokens"', b'"output_tokens"', b'"input_tokens"')
    assert not any(name in part for part in parts for name in counts)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 504, 529])
def test_anthropic_errors_validate_against_the_clients_model(status: int) -> None:
    (body,) = rendered_parts("/v1/messages", Fail(status=status))

    error = ErrorResponse.model_validate_json(body)
    assert error.error.message
    assert error.request_id == "req_mock_000000"


@pytest.mark.parametrize("path", EVENTS)
def test_a_stream_error_ends_the_stream_in_place_of_the_rest(path: str) -> None:
    whole = rendered_parts(path, Reply(text="a b c d"), stream=True)
    parts = rendered_parts(path, StreamError(after_chunks=3, message="broken"), stream=True)

    assert len(parts) == 4 < len(whole)
    assert b"broken" in parts[-1]
    assert b"[DONE]" not in b"".join(parts)


@pytest.mark.parametrize("event", ["flat", "failed"])
def test_the_documented_error_events_of_responses_validate(event: Any) -> None:
    error = StreamError(after_chunks=2, code="server_error", responses_event=event)
    last = events_of(rendered_parts("/v1/responses", error, stream=True))[-1]

    TypeAdapter[object](ResponseStreamEvent).validate_python(last)
    assert last["sequence_number"] == 2
