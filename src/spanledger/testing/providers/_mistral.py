"""Mistral's dialect: OpenAI's chat with a usage in the last chunk, and conversations. Pure."""

from typing import Any

from spanledger.testing.providers import _openai_other
from spanledger.testing.providers._behaviours import UsageSpec
from spanledger.testing.providers._openai_chat import chat_body, chat_events
from spanledger.testing.providers._rendered import DONE, data_event, json_bytes, named_event
from spanledger.testing.providers._request import RecordedRequest
from spanledger.testing.providers._tokens import Answer


def completion_body(request: RecordedRequest, answer: Answer, now_s: float) -> dict[str, Any]:
    """The reply to chat, agents and fill-in-the-middle completions."""
    body = _without_openais_own(chat_body(request, answer, now_s))
    return body if answer.usage is None else {**body, "usage": usage(answer.usage)}


def completion_events(request: RecordedRequest, answer: Answer, now_s: float) -> tuple[bytes, ...]:
    """The same as a stream: the chunk with the finish reason has the usage."""
    *chunks, _done = chat_events(request, answer, now_s)
    if answer.usage is None:
        return (*chunks, DONE)
    end = b',"usage":%s}\n\n' % json_bytes(usage(answer.usage))
    return (*chunks[:-1], chunks[-1].removesuffix(b"}\n\n") + end, DONE)


def embeddings_body(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    """The reply to embeddings: OpenAI's with an id."""
    body = _openai_other.embeddings_body(request, answer)
    return {"id": f"embd-mock-{request.at_index:06d}", **body}


def conversation_body(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    """The reply to what starts a conversation, or goes on with one."""
    entry = {"type": "message.output", "role": "assistant", "content": answer.text or ""}
    found = {} if answer.usage is None else usage(answer.usage)
    return {
        "object": "conversation.response",
        "conversation_id": _conversation_id(request),
        "outputs": [entry],
        "usage": found,
    }


def conversation_events(request: RecordedRequest, answer: Answer) -> tuple[bytes, ...]:
    """The same as a stream."""
    at = "2025-01-01T00:00:00Z"
    started = {"conversation_id": _conversation_id(request), "created_at": at}
    spoken = [
        named_event(
            "message.output.delta",
            {"id": "msg_mock", "content": delta, "role": "assistant", "created_at": at},
        )
        for delta in answer.deltas
    ]
    found = {} if answer.usage is None else usage(answer.usage)
    return (
        named_event("conversation.response.started", started),
        *spoken,
        named_event("conversation.response.done", {"usage": found, "created_at": at}),
    )


def usage(spec: UsageSpec) -> dict[str, Any]:
    """The usage block of completions; what was cached is part of the prompt."""
    return {
        "prompt_tokens": spec.input_tokens,
        "completion_tokens": spec.output_tokens,
        "total_tokens": spec.input_tokens + spec.output_tokens,
        **({"num_cached_tokens": spec.cache_read_tokens} if spec.cache_read_tokens else {}),
    }


def error_event(message: str, code: str | None) -> bytes:
    """An error in the middle of a stream."""
    error = {"object": "error", "message": message, "type": "server_error", "code": code}
    return data_event({"error": error})


def _without_openais_own(body: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in body.items() if k not in {"service_tier", "system_fingerprint"}}


def _conversation_id(request: RecordedRequest) -> str:
    return f"conv_mock_{request.at_index:06d}"
