"""Gemini's dialect: generated content, its stream, embeddings, predictions, token counts. Pure."""

import json
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from spanledger.testing.providers._behaviours import UsageSpec
from spanledger.testing.providers._openai_other import vector
from spanledger.testing.providers._rendered import data_event
from spanledger.testing.providers._request import RecordedRequest, text_of
from spanledger.testing.providers._tokens import Answer, arguments_json, count_tokens, split

_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}
_DEFAULT_DIMENSIONS = 8
#: What a picture is in these answers: too short to be one.
_PICTURE = "aW1hZ2U="


def content_body(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    """The reply to ``generateContent``."""
    candidate = _candidate(_parts(request, answer), _finish(answer))
    body = _envelope(request, answer, [candidate | {"index": i} for i in range(answer.choices)])
    return body if answer.usage is None else {**body, "usageMetadata": _usage(answer.usage)}


def content_events(request: RecordedRequest, answer: Answer) -> tuple[bytes, ...]:
    """The events of ``streamGenerateContent?alt=sse``: every one carries a running usage."""
    pieces = list(_pieces(request, answer))
    spoken = accumulate(count_tokens(str(p.get("text", ""))) for p in pieces)
    events = []
    for number, (piece, words) in enumerate(zip(pieces, spoken, strict=True), 1):
        last = number == len(pieces)
        body = _envelope(request, answer, [_candidate([piece], _finish(answer) if last else None)])
        if answer.usage is not None:
            body["usageMetadata"] = _usage(answer.usage) if last else _so_far(answer.usage, words)
        events.append(data_event(body))
    return tuple(events)


def embeddings_body(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    """The reply to ``batchEmbedContents``, or to ``embedContent`` for one text."""
    asked = request.field("requests")
    wanted = asked if isinstance(asked, list) else [request.body]
    values = [{"values": vector(_content_text(one), _DEFAULT_DIMENSIONS)} for one in wanted]
    made = {"embeddings": values} if isinstance(asked, list) else {"embedding": values[0]}
    if answer.usage is None:
        return made
    return {**made, "usageMetadata": {"promptTokenCount": answer.usage.input_tokens}}


def predictions_body(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    """The reply to ``predict``: embeddings of Vertex AI for texts, pictures for prompts."""
    instances = request.field("instances") or []
    return {"predictions": [_prediction(i, answer, len(instances)) for i in instances]}


def token_count_body(tokens: int) -> dict[str, Any]:
    return {
        "totalTokens": tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}],
    }


def operation_body(request: RecordedRequest) -> dict[str, Any]:
    """The reply to ``predictLongRunning``: the name of what has been started."""
    return {"name": f"models/{request.model}/operations/mock-{request.at_index:06d}"}


def _prediction(instance: Any, answer: Answer, among: int) -> dict[str, Any]:
    content = instance.get("content") if isinstance(instance, dict) else None
    if content is None:
        return {"bytesBase64Encoded": _PICTURE, "mimeType": "image/png"}
    embedding: dict[str, Any] = {"values": vector(content, _DEFAULT_DIMENSIONS)}
    if answer.usage is not None:
        tokens = answer.usage.input_tokens // among
        embedding["statistics"] = {"truncated": False, "token_count": tokens}
    return {"embeddings": embedding}


def _content_text(request: Any) -> str:
    return text_of(request.get("content")) if isinstance(request, dict) else ""


def _envelope(request: RecordedRequest, answer: Answer, candidates: list[Any]) -> dict[str, Any]:
    return {
        "candidates": candidates,
        "modelVersion": answer.model,
        "responseId": f"resp-mock-{request.at_index:06d}",
    }


def _candidate(parts: list[dict[str, Any]], finish_reason: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    return candidate if finish_reason is None else {**candidate, "finishReason": finish_reason}


def _finish(answer: Answer) -> str:
    if answer.refusal is not None:
        return "SAFETY"
    return _FINISH.get(answer.finish_reason, answer.finish_reason)


def _parts(request: RecordedRequest, answer: Answer) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if answer.reasoning_text is not None:
        parts.append({"text": answer.reasoning_text, "thought": True})
    if (text := answer.refusal if answer.text is None else answer.text) is not None:
        parts.append({"text": text})
    return parts + _calls(request, answer)


def _calls(request: RecordedRequest, answer: Answer) -> list[dict[str, Any]]:
    return [
        {"functionCall": {"name": call.name, "args": _arguments(arguments_json(call))}}
        for call in answer.tool_calls
    ]


def _arguments(text: str) -> Any:
    # A wire that carries objects can't carry broken ones.
    try:
        return json.loads(text)
    except ValueError:
        return {}


def _pieces(request: RecordedRequest, answer: Answer) -> Iterator[dict[str, Any]]:
    for thought in split(answer.reasoning_text or "", None):
        yield {"text": thought, "thought": True}
    yield from ({"text": delta} for delta in answer.deltas)
    yield from _calls(request, answer)
    yield {"text": ""}


def _usage(usage: UsageSpec) -> dict[str, Any]:
    """Thoughts are counted beside the candidates; a count of 0 is left out, as on the wire."""
    made = usage.output_tokens - usage.reasoning_tokens
    counts = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": made,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
        "cachedContentTokenCount": usage.cache_read_tokens,
        "thoughtsTokenCount": usage.reasoning_tokens,
    }
    return {
        **{name: tokens for name, tokens in counts.items() if tokens},
        "promptTokensDetails": _details(usage.input_tokens, usage.input_audio_tokens),
        "candidatesTokensDetails": _details(made, min(made, usage.output_audio_tokens)),
    }


def _so_far(usage: UsageSpec, words: int) -> dict[str, Any]:
    made = {"candidatesTokenCount": words} if words else {}
    into = usage.input_tokens
    return {"promptTokenCount": into, **made, "totalTokenCount": into + words}


def _details(total: int, audio: int) -> list[dict[str, Any]]:
    counts = {"TEXT": total - audio, "AUDIO": audio}
    return [{"modality": kind, "tokenCount": n} for kind, n in counts.items() if n]
