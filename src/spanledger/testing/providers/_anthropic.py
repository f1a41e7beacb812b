"""Anthropic's messages: the body, the events of a stream, and the token count. Pure."""

import json
from collections.abc import Iterator
from typing import Any

from spanledger.testing.providers._behaviours import UsageSpec
from spanledger.testing.providers._rendered import named_event
from spanledger.testing.providers._request import RecordedRequest
from spanledger.testing.providers._tokens import Answer, arguments_json, split

_Event = tuple[str, dict[str, Any]]

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_SIGNATURE = "bW9jaw=="
_JSON_FRAGMENTS = 3


def message_body(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    return {
        **_envelope(request, answer),
        "content": _blocks(request, answer),
        **_stop(answer),
        **({} if answer.usage is None else {"usage": _usage(answer.usage, answer.service_tier)}),
    }


def message_events(request: RecordedRequest, answer: Answer) -> tuple[bytes, ...]:
    return tuple(named_event(name, data) for name, data in _events(request, answer))


def _envelope(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    return {
        "id": f"msg_mock_{request.at_index:06d}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
    }


def _stop(answer: Answer) -> dict[str, Any]:
    reason = _STOP_REASONS.get(answer.finish_reason, answer.finish_reason)
    if answer.refusal is not None:
        reason = "refusal"
    details = {"type": "refusal", "category": None, "explanation": answer.refusal}
    return {
        "stop_reason": reason,
        "stop_sequence": None,
        **({"stop_details": details} if reason == "refusal" else {}),
    }


def _usage(usage: UsageSpec, service_tier: str) -> dict[str, Any]:
    """The wire's ``input_tokens`` are only those that were neither read nor written."""
    return {
        **_counts(usage),
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens - usage.cache_write_1h_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "service_tier": service_tier,
    }


def _counts(usage: UsageSpec) -> dict[str, Any]:
    thinking = {"output_tokens_details": {"thinking_tokens": usage.reasoning_tokens}}
    searches = {"web_search_requests": usage.web_searches, "web_fetch_requests": 0}
    return {
        "input_tokens": usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
        **(thinking if usage.reasoning_tokens else {}),
        **({"server_tool_use": searches} if usage.web_searches else {}),
    }


def _blocks(request: RecordedRequest, answer: Answer) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if answer.reasoning_text is not None:
        blocks.append(
            {"type": "thinking", "thinking": answer.reasoning_text, "signature": _SIGNATURE}
        )
    if (text := answer.refusal if answer.text is None else answer.text) is not None:
        blocks.append({"type": "text", "text": text, "citations": None})
    return blocks + [_tool_use(request, answer, i) for i in range(len(answer.tool_calls))]


def _tool_use(request: RecordedRequest, answer: Answer, position: int) -> dict[str, Any]:
    call = answer.tool_calls[position]
    return {
        "type": "tool_use",
        "id": call.id or f"toolu_mock_{request.at_index:06d}_{position}",
        "name": call.name,
        "input": _input(arguments_json(call)),
    }


def _input(arguments: str) -> Any:
    # Broken arguments can only be told in a stream; a whole message carries an object.
    try:
        return json.loads(arguments)
    except ValueError:
        return {}


def _events(request: RecordedRequest, answer: Answer) -> Iterator[_Event]:
    yield "message_start", {"message": _start(request, answer)}
    for index, block in enumerate(_blocks(request, answer)):
        yield from _block_events(request, answer, index, block)
        if index == 0:
            yield "ping", {}
    usage = {} if answer.usage is None else {"usage": _counts(answer.usage)}
    yield "message_delta", {"delta": _stop(answer), **usage}
    yield "message_stop", {}


def _start(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    start = {**_envelope(request, answer), "content": [], "stop_reason": None}
    if answer.usage is None:
        return {**start, "stop_sequence": None}
    # What goes in is known at the start; what comes out is not, and reads 1 on the wire.
    usage = {**_usage(answer.usage, answer.service_tier), "output_tokens": 1}
    for later in ("output_tokens_details", "server_tool_use"):
        usage.pop(later, None)
    return {**start, "stop_sequence": None, "usage": usage}


def _block_events(
    request: RecordedRequest, answer: Answer, index: int, block: dict[str, Any]
) -> Iterator[_Event]:
    empty, deltas = _opened(answer, block, index - len(_blocks(request, answer)))
    yield "content_block_start", {"index": index, "content_block": {**block, **empty}}
    for delta in deltas:
        yield "content_block_delta", {"index": index, "delta": delta}
    yield "content_block_stop", {"index": index}


def _opened(
    answer: Answer, block: dict[str, Any], from_end: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block's empty fields at its start, and the deltas that fill them."""
    if block["type"] == "text":
        return {"text": ""}, [{"type": "text_delta", "text": part} for part in answer.deltas]
    if block["type"] == "thinking":
        parts = split(block["thinking"], None)
        deltas = [{"type": "thinking_delta", "thinking": part} for part in parts]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {"thinking": "", "signature": ""}, [*deltas, signature]
    # Tool calls are the last blocks, so the distance from the end names the call.
    halves = filter(None, split(arguments_json(answer.tool_calls[from_end]), _JSON_FRAGMENTS))
    fragments = [{"type": "input_json_delta", "partial_json": part} for part in ("", *halves)]
    return {"input": {}}, fragments
