"""Cohere's dialect, both versions of its API: chat, its streams, embeddings, rankings. Pure."""

from typing import Any

from spanledger.testing.providers._behaviours import UsageSpec
from spanledger.testing.providers._openai_other import vector
from spanledger.testing.providers._rendered import json_bytes, named_event
from spanledger.testing.providers._request import RecordedRequest
from spanledger.testing.providers._tokens import Answer

_FINISH = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}
_DEFAULT_DIMENSIONS = 8


def chat_body(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    """The reply to version 2's chat."""
    message = {"role": "assistant", "content": [{"type": "text", "text": answer.text or ""}]}
    body = {"id": _id(request), "message": message, "finish_reason": _finish(answer)}
    return body if answer.usage is None else {**body, "usage": _billed(answer.usage)}


def chat_events(request: RecordedRequest, answer: Answer) -> tuple[bytes, ...]:
    """The same as a stream."""
    start = {"id": _id(request), "delta": {"message": {"role": "assistant", "content": []}}}
    content = {"type": "text", "text": ""}
    end: dict[str, Any] = {"finish_reason": _finish(answer)}
    if answer.usage is not None:
        end["usage"] = _billed(answer.usage)
    return (
        named_event("message-start", start),
        named_event("content-start", {"index": 0, "delta": {"message": {"content": content}}}),
        *(named_event("content-delta", _delta(text)) for text in answer.deltas),
        named_event("content-end", {"index": 0}),
        named_event("message-end", {"id": _id(request), "delta": end}),
    )


def _delta(text: str) -> dict[str, Any]:
    return {"index": 0, "delta": {"message": {"content": {"text": text}}}}


def chat_v1_body(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    """The reply to version 1's chat."""
    return {
        "generation_id": _id(request),
        "text": answer.text or "",
        "finish_reason": _finish(answer),
        "chat_history": [],
        "meta": {} if answer.usage is None else _billed(answer.usage),
    }


def chat_v1_events(request: RecordedRequest, answer: Answer) -> tuple[bytes, ...]:
    """The same as a stream: one JSON object in each line."""
    last = chat_v1_body(request, answer)
    events = [
        {"event_type": "stream-start", "generation_id": _id(request)},
        *({"event_type": "text-generation", "text": text} for text in answer.deltas),
        {"event_type": "stream-end", "finish_reason": last["finish_reason"], "response": last},
    ]
    return tuple(json_bytes({"is_finished": False, **event}) + b"\n" for event in events)


def embeddings_body(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    """The reply to both versions' ``embed``."""
    texts = request.field("texts") or []
    vectors = [vector(text, _DEFAULT_DIMENSIONS) for text in texts]
    typed = request.field("embedding_types") is not None
    return {
        "id": _id(request),
        "response_type": "embeddings_by_type" if typed else "embeddings_floats",
        "embeddings": {"float": vectors} if typed else vectors,
        "texts": texts,
        "meta": {} if answer.usage is None else _billed(answer.usage, output=False),
    }


def ranking_body(request: RecordedRequest) -> dict[str, Any]:
    """The reply to ``rerank``, which is charged by the search."""
    documents = request.field("documents") or []
    results = [{"index": i, "relevance_score": 1 / (i + 2)} for i in range(len(documents))]
    return {"id": _id(request), "results": results, "meta": {"billed_units": {"search_units": 1}}}


def error_event(message: str) -> bytes:
    """The event that ends a stream of version 2 in an error."""
    return named_event("message-end", {"delta": {"error": message, "finish_reason": "ERROR"}})


def error_line(message: str) -> bytes:
    """The same in a stream of version 1."""
    last = {"generation_id": "", "text": message, "finish_reason": "ERROR", "meta": {}}
    event = {"event_type": "stream-end", "finish_reason": "ERROR", "response": last}
    return json_bytes({"is_finished": True, **event}) + b"\n"


def _billed(usage: UsageSpec, *, output: bool = True) -> dict[str, Any]:
    """What is charged for, and, a little more, what was read."""
    units = {"input_tokens": usage.input_tokens}
    read = {"input_tokens": usage.input_tokens + 70}
    if output:
        units["output_tokens"] = read["output_tokens"] = usage.output_tokens
    return {"billed_units": units, **({"tokens": read} if output else {})}


def _finish(answer: Answer) -> str:
    return _FINISH.get(answer.finish_reason, "ERROR")


def _id(request: RecordedRequest) -> str:
    return f"cohere-mock-{request.at_index:06d}"
