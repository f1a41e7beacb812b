"""Amazon Bedrock's runtime: Converse, ConverseStream, InvokeModel and its stream. Pure."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from spanledger.testing.providers import _bedrock_models, _event_stream
from spanledger.testing.providers._behaviours import UsageSpec
from spanledger.testing.providers._rendered import json_bytes
from spanledger.testing.providers._request import RecordedRequest
from spanledger.testing.providers._tokens import Answer, arguments_json, split

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
}
_LATENCY_MS = 100
_JSON_FRAGMENTS = 3


def converse_body(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    body: dict[str, Any] = {
        "output": {"message": {"role": "assistant", "content": _blocks(request, answer)}},
        "stopReason": _stop_reason(answer),
        "metrics": {"latencyMs": _LATENCY_MS},
    }
    return body if answer.usage is None else {**body, "usage": converse_usage(answer.usage)}


def converse_events(request: RecordedRequest, answer: Answer) -> tuple[bytes, ...]:
    return tuple(_event_stream.event(name, data) for name, data in _events(request, answer))


def invoke_headers(answer: Answer) -> dict[str, str]:
    """What the headers of a reply to InvokeModel say of its tokens."""
    usage = answer.usage
    if usage is None:
        return {}
    counts = {
        "input-token-count": _fresh(usage),
        "output-token-count": usage.output_tokens,
        "cache-read-input-token-count": usage.cache_read_tokens,
        "cache-write-input-token-count": usage.cache_write_tokens,
    }
    return {f"x-amzn-bedrock-{name}": str(tokens) for name, tokens in counts.items()}


def invoke_body(request: RecordedRequest, answer: Answer) -> Any:
    return _bedrock_models.body(request, answer)


def invoke_events(request: RecordedRequest, answer: Answer) -> tuple[bytes, ...]:
    """Chunks in the model's own dialect; the last one carries Bedrock's own metrics."""
    *chunks, last = _bedrock_models.chunks(request, answer)
    if answer.usage is not None:
        last = {**last, "amazon-bedrock-invocationMetrics": _metrics(answer.usage)}
    return tuple(_event_stream.event("chunk", _packed(chunk)) for chunk in (*chunks, last))


def converse_usage(usage: UsageSpec) -> dict[str, Any]:
    """Input leaves out what was read from the cache and written to it; the total does not."""
    found: dict[str, Any] = {
        "inputTokens": _fresh(usage),
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
        "cacheReadInputTokens": usage.cache_read_tokens,
        "cacheWriteInputTokens": usage.cache_write_tokens,
    }
    by_life = {
        "5m": usage.cache_write_tokens - usage.cache_write_1h_tokens,
        "1h": usage.cache_write_1h_tokens,
    }
    details = [{"ttl": ttl, "inputTokens": n} for ttl, n in by_life.items() if n]
    return {**found, **({"cacheDetails": details} if details else {})}


def _fresh(usage: UsageSpec) -> int:
    return usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens


def _metrics(usage: UsageSpec) -> dict[str, int]:
    return {
        "inputTokenCount": _fresh(usage),
        "outputTokenCount": usage.output_tokens,
        "cacheReadInputTokenCount": usage.cache_read_tokens,
        "cacheWriteInputTokenCount": usage.cache_write_tokens,
        "invocationLatency": _LATENCY_MS,
        "firstByteLatency": _LATENCY_MS,
    }


def _packed(chunk: dict[str, Any]) -> dict[str, str]:
    return {"bytes": base64.b64encode(json_bytes(chunk)).decode()}


def _stop_reason(answer: Answer) -> str:
    if answer.refusal is not None:
        return STOP_REASONS["content_filter"]
    return STOP_REASONS.get(answer.finish_reason, answer.finish_reason)


def _blocks(request: RecordedRequest, answer: Answer) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if answer.reasoning_text is not None:
        thought = {"text": answer.reasoning_text, "signature": "bW9jaw=="}
        blocks.append({"reasoningContent": {"reasoningText": thought}})
    if (text := answer.refusal if answer.text is None else answer.text) is not None:
        blocks.append({"text": text})
    return blocks + [{"toolUse": _tool(request, answer, i)} for i in range(len(answer.tool_calls))]


def _tool(request: RecordedRequest, answer: Answer, position: int) -> dict[str, Any]:
    call = answer.tool_calls[position]
    try:
        arguments = json.loads(arguments_json(call))
    except ValueError:  # broken arguments can only be told in a stream
        arguments = {}
    return {**_tool_name(request, answer, position), "input": arguments}


def _tool_name(request: RecordedRequest, answer: Answer, position: int) -> dict[str, Any]:
    call = answer.tool_calls[position]
    return {"toolUseId": call.id or f"tooluse_{request.at_index:06d}_{position}", "name": call.name}


def _events(request: RecordedRequest, answer: Answer) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "messageStart", {"role": "assistant"}
    for index, (start, deltas) in enumerate(_streamed(request, answer)):
        if start is not None:
            yield "contentBlockStart", {"start": start, "contentBlockIndex": index}
        for delta in deltas:
            yield "contentBlockDelta", {"delta": delta, "contentBlockIndex": index}
        yield "contentBlockStop", {"contentBlockIndex": index}
    yield "messageStop", {"stopReason": _stop_reason(answer)}
    usage = {} if answer.usage is None else {"usage": converse_usage(answer.usage)}
    yield "metadata", {**usage, "metrics": {"latencyMs": _LATENCY_MS}}


def _streamed(
    request: RecordedRequest, answer: Answer
) -> Iterator[tuple[dict[str, Any] | None, list[dict[str, Any]]]]:
    """Each block as what opens it, and the deltas that fill it."""
    if answer.reasoning_text is not None:
        thoughts = split(answer.reasoning_text, None)
        yield None, [{"reasoningContent": {"text": part}} for part in thoughts]
    if answer.deltas:
        yield None, [{"text": part} for part in answer.deltas]
    for position, call in enumerate(answer.tool_calls):
        parts = filter(None, split(arguments_json(call), _JSON_FRAGMENTS))
        opened = {"toolUse": _tool_name(request, answer, position)}
        yield opened, [{"toolUse": {"input": part}} for part in parts]
