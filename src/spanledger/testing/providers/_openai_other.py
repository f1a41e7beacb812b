"""OpenAI's embeddings and legacy text completions. Pure."""

import base64
import hashlib
import struct
from typing import Any

from spanledger.testing.providers._openai_chat import openai_usage
from spanledger.testing.providers._rendered import DONE, data_event
from spanledger.testing.providers._request import RecordedRequest
from spanledger.testing.providers._tokens import Answer

_DEFAULT_DIMENSIONS = 8


def embeddings_body(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    """Vectors that depend on the input alone, so that equal texts are equal vectors."""
    body: dict[str, Any] = {
        "object": "list",
        "data": [_embedding(request, i, item) for i, item in enumerate(_inputs(request))],
        "model": answer.model,
    }
    if answer.usage is not None:
        total = answer.usage.input_tokens
        body["usage"] = {"prompt_tokens": total, "total_tokens": total}
    return body


def completion_body(request: RecordedRequest, answer: Answer, now_s: float) -> dict[str, Any]:
    text, finish = answer.text or "", _finish(answer)
    return {
        **_base(request, answer, now_s),
        "choices": [_choice(i, text, finish) for i in range(answer.choices)],
        **({} if answer.usage is None else {"usage": openai_usage(answer.usage)}),
    }


def completion_events(request: RecordedRequest, answer: Answer, now_s: float) -> tuple[bytes, ...]:
    base = _base(request, answer, now_s)
    nothing = {"usage": None} if request.include_usage else {}
    steps = [*((delta, None) for delta in answer.deltas), ("", _finish(answer))]
    events = [
        data_event({**base, "choices": [_choice(i, text, finish)], **nothing})
        for text, finish in steps
        for i in range(answer.choices)
    ]
    if request.include_usage and answer.usage is not None:
        events.append(data_event({**base, "choices": [], "usage": openai_usage(answer.usage)}))
    return (*events, DONE)


def _base(request: RecordedRequest, answer: Answer, now_s: float) -> dict[str, Any]:
    return {
        "id": f"cmpl-mock-{request.at_index:06d}",
        "object": "text_completion",
        "created": int(now_s),
        "model": answer.model,
        "system_fingerprint": "fp_mock",
    }


def _choice(index: int, text: str, finish_reason: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}


def _finish(answer: Answer) -> str:
    # This format is older than tool calls.
    return "stop" if answer.finish_reason == "tool_calls" else answer.finish_reason


def _inputs(request: RecordedRequest) -> list[Any]:
    value = request.field("input")
    is_one = isinstance(value, str) or (isinstance(value, list) and value and _is_tokens(value))
    return [value] if is_one or not isinstance(value, list) else value


def _is_tokens(value: list[Any]) -> bool:
    return all(isinstance(item, int) for item in value)


def _embedding(request: RecordedRequest, index: int, item: Any) -> dict[str, Any]:
    values = vector(item, request.field("dimensions") or _DEFAULT_DIMENSIONS)
    packed = struct.pack(f"<{len(values)}f", *values)
    as_text = request.field("encoding_format") == "base64"
    return {
        "object": "embedding",
        "index": index,
        "embedding": base64.b64encode(packed).decode() if as_text else values,
    }


def vector(item: Any, dimensions: int) -> list[float]:
    """Numbers that depend on the item alone."""
    seed = hashlib.sha256(repr(item).encode()).digest()
    # Sixteenths are exact in single precision, so both encodings give the same numbers.
    return [(seed[i % len(seed)] - 128) / 16 for i in range(dimensions)]
