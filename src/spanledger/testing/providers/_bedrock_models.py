"""The dialects of the models behind InvokeModel, told by the model's name. Pure."""

import json
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

from spanledger.testing.providers import _anthropic, _openai_chat
from spanledger.testing.providers._openai_other import vector
from spanledger.testing.providers._request import RecordedRequest
from spanledger.testing.providers._tokens import Answer, count_tokens

_Body = dict[str, Any]
_DATA = b"data: "
_DIMENSIONS = 8


def body(request: RecordedRequest, answer: Answer) -> _Body:
    """The body of a whole reply."""
    made: _Body = _of(request.model, _BODIES, _openai_body)(request, answer)
    return made


def chunks(request: RecordedRequest, answer: Answer) -> list[_Body]:
    """The chunks of a streamed reply."""
    return list(_of(request.model, _CHUNKS, _openai_chunks)(request, answer))


def _of(model: str, table: dict[str, Any], other: Any) -> Any:
    return next((made for name, made in table.items() if name in model), other)


def _text(answer: Answer) -> str:
    return answer.text or answer.refusal or ""


def _counts(answer: Answer) -> tuple[int, int] | None:
    usage = answer.usage
    return None if usage is None else (usage.input_tokens, usage.output_tokens)


def _sent(events: tuple[bytes, ...]) -> Iterator[_Body]:
    """The JSON in server-sent events."""
    for event in events:
        data = event.partition(_DATA)[2].strip()
        if data.startswith(b"{"):
            yield json.loads(data)


def _nova_body(request: RecordedRequest, answer: Answer) -> _Body:
    message = {"role": "assistant", "content": [{"text": _text(answer)}]}
    made: _Body = {"output": {"message": message}, "stopReason": "end_turn"}
    return made if answer.usage is None else {**made, "usage": _nova_usage(answer)}


def _nova_usage(answer: Answer) -> _Body:
    usage = answer.usage
    if usage is None:
        return {}
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    return {
        "inputTokens": usage.input_tokens - cached,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
        "cacheReadInputTokenCount": usage.cache_read_tokens,
        "cacheWriteInputTokenCount": usage.cache_write_tokens,
    }


def _nova_chunks(request: RecordedRequest, answer: Answer) -> Iterator[_Body]:
    yield {"messageStart": {"role": "assistant"}}
    for part in answer.deltas:
        yield {"contentBlockDelta": {"delta": {"text": part}, "contentBlockIndex": 0}}
    yield {"contentBlockStop": {"contentBlockIndex": 0}}
    yield {"messageStop": {"stopReason": "end_turn"}}
    usage = {} if answer.usage is None else {"usage": _nova_usage(answer)}
    yield {"metadata": {**usage, "metrics": {}, "trace": {}}}


def _titan_body(request: RecordedRequest, answer: Answer) -> _Body:
    result: _Body = {"outputText": _text(answer), "completionReason": "FINISH"}
    if (counts := _counts(answer)) is None:
        return {"results": [result]}
    return {"inputTextTokenCount": counts[0], "results": [{**result, "tokenCount": counts[1]}]}


def _titan_chunks(request: RecordedRequest, answer: Answer) -> Iterator[_Body]:
    counts = _counts(answer)
    for number, part in enumerate(answer.deltas, 1):
        last = number == len(answer.deltas)
        chunk: _Body = {"outputText": part, "index": 0}
        if counts is not None:
            chunk |= {"inputTextTokenCount": counts[0]} if number == 1 else {}
            chunk |= {"totalOutputTextTokenCount": counts[1] if last else None}
        yield {**chunk, "completionReason": "FINISH" if last else None}


def _embed_body(request: RecordedRequest, answer: Answer) -> _Body:
    text = str(request.field("inputText"))
    made: _Body = {"embedding": vector(text, _DIMENSIONS)}
    counts = _counts(answer)
    return made if counts is None else {**made, "inputTextTokenCount": counts[0]}


def _llama_body(request: RecordedRequest, answer: Answer) -> _Body:
    made: _Body = {"generation": _text(answer), "stop_reason": "stop"}
    if (counts := _counts(answer)) is None:
        return made
    return {**made, "prompt_token_count": counts[0], "generation_token_count": counts[1]}


def _llama_chunks(request: RecordedRequest, answer: Answer) -> Iterator[_Body]:
    counts = _counts(answer)
    spoken = accumulate(map(count_tokens, answer.deltas))
    for number, (part, words) in enumerate(zip(answer.deltas, spoken, strict=True), 1):
        last = number == len(answer.deltas)
        chunk: _Body = {"generation": part, "stop_reason": "stop" if last else None}
        if counts is not None:
            chunk["prompt_token_count"] = counts[0] if number == 1 else None
            chunk["generation_token_count"] = counts[1] if last else words
        yield chunk


def _mistral_body(request: RecordedRequest, answer: Answer) -> _Body:
    return {"outputs": [{"text": _text(answer), "stop_reason": "stop"}]}


def _mistral_chunks(request: RecordedRequest, answer: Answer) -> Iterator[_Body]:
    for part in answer.deltas:
        yield {"outputs": [{"text": part, "stop_reason": None}]}
    yield {"outputs": [{"text": "", "stop_reason": "stop"}]}


def _cohere_body(request: RecordedRequest, answer: Answer) -> _Body:
    number = f"mock-{request.at_index:06d}"
    return {"response_id": number, "text": _text(answer), "finish_reason": "COMPLETE"}


def _cohere_chunks(request: RecordedRequest, answer: Answer) -> Iterator[_Body]:
    for part in answer.deltas:
        yield {"event_type": "text-generation", "is_finished": False, "text": part}
    yield {"event_type": "stream-end", "is_finished": True, "finish_reason": "COMPLETE"}


def _deepseek_body(request: RecordedRequest, answer: Answer) -> _Body:
    return {"choices": [{"text": _text(answer), "stop_reason": "stop"}]}


def _deepseek_chunks(request: RecordedRequest, answer: Answer) -> Iterator[_Body]:
    for part in answer.deltas:
        yield {"choices": [{"text": part, "stop_reason": None}]}
    yield {"choices": [{"text": "", "stop_reason": "stop"}]}


def _openai_body(request: RecordedRequest, answer: Answer) -> _Body:
    return _openai_chat.chat_body(request, answer, 0.0)


def _openai_chunks(request: RecordedRequest, answer: Answer) -> Iterator[_Body]:
    return _sent(_openai_chat.chat_events(request, answer, 0.0))


def _anthropic_chunks(request: RecordedRequest, answer: Answer) -> Iterator[_Body]:
    return _sent(_anthropic.message_events(request, answer))


#: The first whose name is in the model's; AI21, OpenAI, Qwen and others speak OpenAI's chat.
_BODIES: dict[str, Callable[[RecordedRequest, Answer], _Body]] = {
    "anthropic": _anthropic.message_body,
    "nova": _nova_body,
    "titan-embed": _embed_body,
    "titan": _titan_body,
    "llama": _llama_body,
    "mistral": _mistral_body,
    "cohere": _cohere_body,
    "deepseek": _deepseek_body,
}
_CHUNKS: dict[str, Callable[[RecordedRequest, Answer], Iterator[_Body]]] = {
    "anthropic": _anthropic_chunks,
    "nova": _nova_chunks,
    "titan": _titan_chunks,
    "llama": _llama_chunks,
    "mistral": _mistral_chunks,
    "cohere": _cohere_chunks,
    "deepseek": _deepseek_chunks,
}
