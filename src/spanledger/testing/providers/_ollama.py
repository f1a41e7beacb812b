"""Ollama's dialect: chat, generate, embeddings; a stream is lines of JSON. Pure."""

from datetime import UTC, datetime
from typing import Any

from spanledger.testing.providers._openai_other import vector
from spanledger.testing.providers._rendered import json_bytes
from spanledger.testing.providers._request import RecordedRequest
from spanledger.testing.providers._tokens import Answer

_DEFAULT_DIMENSIONS = 8


def body(request: RecordedRequest, answer: Answer, now_s: float) -> dict[str, Any]:
    """The reply to ``/api/chat`` or ``/api/generate`` as a whole."""
    return {**_piece(request, answer, now_s, answer.text or ""), **_last(answer)}


def events(request: RecordedRequest, answer: Answer, now_s: float) -> tuple[bytes, ...]:
    """The same as a stream: the last line has the counts."""
    pieces = [{**_piece(request, answer, now_s, d), "done": False} for d in answer.deltas]
    last = {**_piece(request, answer, now_s, ""), **_last(answer)}
    return tuple(json_bytes(piece) + b"\n" for piece in [*pieces, last])


def embeddings_body(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    """The reply to ``/api/embed``."""
    texts = request.field("input")
    vectors = [
        vector(t, _DEFAULT_DIMENSIONS) for t in (texts if isinstance(texts, list) else [texts])
    ]
    counts = {} if answer.usage is None else {"prompt_eval_count": answer.usage.input_tokens}
    return {"model": answer.model, "embeddings": vectors, **counts}


def error_line(message: str) -> bytes:
    """The line that ends a stream in an error."""
    return json_bytes({"error": message}) + b"\n"


def _piece(request: RecordedRequest, answer: Answer, now_s: float, text: str) -> dict[str, Any]:
    at = datetime.fromtimestamp(int(now_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    chat = request.format == "ollama_chat"
    said = {"message": {"role": "assistant", "content": text}} if chat else {"response": text}
    return {"model": answer.model, "created_at": at, **said}


def _last(answer: Answer) -> dict[str, Any]:
    counts: dict[str, Any] = {"done": True, "done_reason": answer.finish_reason}
    if answer.usage is not None:
        counts["prompt_eval_count"] = answer.usage.input_tokens
        counts["eval_count"] = answer.usage.output_tokens
    return counts
