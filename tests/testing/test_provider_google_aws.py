"""Gemini's and Bedrock's wire formats, held against what the client libraries themselves read."""

import importlib
import json
from typing import Any

import pytest
from google.genai.types import GenerateContentResponse
from hypothesis import given
from hypothesis import strategies as st

from spanledger.testing.providers import (
    Behaviour,
    Fail,
    ProviderScript,
    Reply,
    StreamError,
    ToolCall,
    UsageSpec,
)
from spanledger.testing.providers._event_stream import event, exception, message

botocore_stream: Any = importlib.import_module("botocore.eventstream")

CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "count these four words"}]}]}
GEMINI = "/v1beta/models/gemini-2.5-flash:"
USAGE = UsageSpec(
    input_tokens=1000,
    output_tokens=500,
    cache_read_tokens=300,
    reasoning_tokens=100,
    input_audio_tokens=10,
)
REPLIES = [
    Reply(),
    Reply(text="Yes.", usage=USAGE, reasoning_text="Let me see."),
    Reply(tool_calls=(ToolCall(name="search", arguments={"query": "Bern"}),)),
    Reply(refusal="No.", omit_usage=True),
    Reply(text="", finish_reason="length"),
]


def parts_of(path: str, body: dict[str, Any], behaviour: Behaviour) -> tuple[bytes, ...]:
    """The reply to one request, event by event."""
    script = ProviderScript(behaviour, wall_clock=lambda: 1.0)
    return script.receive("POST", path, {}, json.dumps(body).encode()).rendered.parts


def strictly(body: Any) -> GenerateContentResponse:
    """The client's own model, which forbids fields that it does not know."""
    return GenerateContentResponse.model_validate(body)


@pytest.mark.parametrize("reply", REPLIES)
def test_geminis_body_validates_against_the_clients_model(reply: Reply) -> None:
    (part,) = parts_of(f"{GEMINI}generateContent", CONTENTS, reply)
    assert strictly(json.loads(part)).candidates


@pytest.mark.parametrize("reply", REPLIES)
def test_geminis_events_validate_and_end_with_a_reason_and_the_whole_usage(reply: Reply) -> None:
    whole = json.loads(parts_of(f"{GEMINI}generateContent", CONTENTS, reply)[0])
    events = parts_of(f"{GEMINI}streamGenerateContent?alt=sse", CONTENTS, reply)
    chunks = [json.loads(e.removeprefix(b"data: ")) for e in events]
    reasons = [c["candidates"][0].get("finishReason") for c in chunks]
    assert all(strictly(chunk) for chunk in chunks)
    assert reasons[-1] == whole["candidates"][0]["finishReason"]
    assert not any(reasons[:-1])
    assert chunks[-1].get("usageMetadata") == whole.get("usageMetadata")


def test_gemini_counts_thoughts_beside_the_candidates() -> None:
    reply = Reply(text="Yes.", usage=USAGE)
    usage = json.loads(parts_of(f"{GEMINI}generateContent", CONTENTS, reply)[0])["usageMetadata"]
    assert usage["candidatesTokenCount"] == 400
    assert usage["thoughtsTokenCount"] == 100
    assert usage["totalTokenCount"] == 1500


@pytest.mark.parametrize(
    ("status", "word"),
    [(429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE"), (400, "INVALID_ARGUMENT")],
)
def test_geminis_errors_have_googles_words(status: int, word: str) -> None:
    (part,) = parts_of(f"{GEMINI}generateContent", CONTENTS, Fail(status=status))
    error = json.loads(part)["error"]
    assert (error["code"], error["status"]) == (status, word)


def decoded(data: bytes) -> list[Any]:
    """The messages in bytes; botocore checks lengths and both checksums."""
    buffer = botocore_stream.EventStreamBuffer()
    buffer.add_data(data)
    return list(buffer)


NAMES = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=40)


@given(
    headers=st.dictionaries(NAMES, st.text(max_size=200), max_size=5),
    payload=st.binary(max_size=500),
)
def test_every_message_can_be_read_by_botocore(headers: dict[str, str], payload: bytes) -> None:
    (found,) = decoded(message(headers, payload))
    assert found.headers == headers
    assert found.payload == payload


def test_events_and_errors_are_told_apart() -> None:
    first, last = decoded(event("chunk", {"a": 1}) + exception("throttlingException", {}))
    assert first.to_response_dict()["status_code"] == 200
    assert last.to_response_dict()["status_code"] == 400


def test_one_bit_that_is_wrong_is_noticed() -> None:
    data = bytearray(event("chunk", {"a": 1}))
    data[-6] ^= 1
    with pytest.raises(botocore_stream.ChecksumMismatch):
        decoded(bytes(data))


def test_converses_stream_ends_with_its_usage_or_with_an_error() -> None:
    path, body = "/model/amazon.nova-lite-v1:0/converse-stream", {"messages": [{"role": "user"}]}
    whole = decoded(b"".join(parts_of(path, body, Reply(text="Yes.", usage=USAGE))))
    assert [m.headers[":event-type"] for m in whole][-2:] == ["messageStop", "metadata"]
    usage = json.loads(whole[-1].payload)["usage"]
    assert (usage["inputTokens"], usage["cacheReadInputTokens"]) == (700, 300)
    cut = decoded(b"".join(parts_of(path, body, StreamError(after_chunks=1))))
    assert [m.headers[":message-type"] for m in cut] == ["event", "exception"]
