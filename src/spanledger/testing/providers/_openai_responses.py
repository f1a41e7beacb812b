"""OpenAI's Responses API: the body, and the events of a stream. Pure."""

from collections.abc import Callable, Iterator
from typing import Any

from spanledger.testing.providers._behaviours import UsageSpec
from spanledger.testing.providers._openai_chat import call_id
from spanledger.testing.providers._rendered import named_event
from spanledger.testing.providers._request import RecordedRequest
from spanledger.testing.providers._tokens import Answer, arguments_json, split

_Event = tuple[str, dict[str, Any]]

_ARGUMENT_FRAGMENTS = 3

#: Why a response ended early, by chat's finish reason.
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def response_body(request: RecordedRequest, answer: Answer, now_s: float) -> dict[str, Any]:
    reason = _INCOMPLETE.get(answer.finish_reason)
    if request.field("background"):
        # A later GET says how it ended.
        return {**_base(request, answer, now_s), "status": "queued", "output": [], "usage": None}
    return {
        **_base(request, answer, now_s),
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": _items(request, answer),
        **({} if answer.usage is None else {"usage": _usage(answer.usage)}),
    }


def response_events(request: RecordedRequest, answer: Answer, now_s: float) -> tuple[bytes, ...]:
    return _numbered(_events(request, answer, now_s))


def failed_event(
    request: RecordedRequest, answer: Answer, now_s: float, number: int, error: dict[str, Any]
) -> bytes:
    """The terminal ``response.failed``; ``number`` is its place in the stream."""
    response = {**_base(request, answer, now_s), "status": "failed", "error": error}
    return named_event(
        "response.failed",
        {"sequence_number": number, "response": {**response, "output": [], "usage": None}},
    )


def _base(request: RecordedRequest, answer: Answer, now_s: float) -> dict[str, Any]:
    return {
        "id": _asked_for(request) or f"resp_mock_{request.at_index:06d}",
        "object": "response",
        "created_at": int(now_s),
        "background": bool(request.field("background")),
        "error": None,
        "incomplete_details": None,
        "instructions": request.field("instructions"),
        "max_output_tokens": request.field("max_output_tokens"),
        "metadata": request.field("metadata") or {},
        "model": answer.model,
        "parallel_tool_calls": True,
        "previous_response_id": request.field("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "service_tier": answer.service_tier,
        "store": request.field("store") is not False,
        "temperature": 1.0,
        "text": request.field("text") or {"format": {"type": "text"}},
        "tool_choice": request.field("tool_choice") or "auto",
        "tools": request.field("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
    }


def _asked_for(request: RecordedRequest) -> str | None:
    return request.path.rpartition("/")[2] if request.method == "GET" else None


def _usage(usage: UsageSpec) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _items(request: RecordedRequest, answer: Answer) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if answer.reasoning_text is not None:
        items.append(_reasoning_item(request, answer.reasoning_text))
    if answer.text is not None or answer.refusal is not None:
        items.append(_message_item(request, answer))
    items += [_call_item(request, answer, i) for i in range(len(answer.tool_calls))]
    return items


def _reasoning_item(request: RecordedRequest, text: str) -> dict[str, Any]:
    return {
        "id": f"rs_mock_{request.at_index:06d}",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text}],
    }


def _message_item(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    return {
        "id": f"msg_mock_{request.at_index:06d}",
        "type": "message",
        "status": "incomplete" if answer.finish_reason in _INCOMPLETE else "completed",
        "role": "assistant",
        "content": [_part(answer)],
    }


def _part(answer: Answer) -> dict[str, Any]:
    if answer.refusal is not None:
        return {"type": "refusal", "refusal": answer.refusal}
    return {
        "type": "output_text",
        "annotations": [],
        "logprobs": [],
        "text": answer.text or "",
    }


def _call_item(request: RecordedRequest, answer: Answer, position: int) -> dict[str, Any]:
    call = answer.tool_calls[position]
    return {
        "id": f"fc_mock_{request.at_index:06d}_{position}",
        "type": "function_call",
        "status": "completed",
        "call_id": call.id or call_id(request, position),
        "name": call.name,
        "arguments": arguments_json(call),
    }


def _numbered(events: Iterator[_Event]) -> tuple[bytes, ...]:
    return tuple(
        named_event(name, {"sequence_number": number, **data})
        for number, (name, data) in enumerate(events)
    )


def _events(request: RecordedRequest, answer: Answer, now_s: float) -> Iterator[_Event]:
    body = response_body(request, answer, now_s)
    start = {**_base(request, answer, now_s), "status": "in_progress", "output": [], "usage": None}
    yield "response.created", {"response": start}
    yield "response.in_progress", {"response": start}
    for index, item in enumerate(body["output"]):
        yield from _item_events(index, item, answer)
    yield f"response.{body['status']}", {"response": body}


def _item_events(index: int, item: dict[str, Any], answer: Answer) -> Iterator[_Event]:
    at = {"output_index": index}
    body, empty = _ITEMS[item["type"]]
    yield "response.output_item.added", {**at, "item": {**item, **empty}}
    yield from body({**at, "item_id": item["id"]}, item, answer)
    yield "response.output_item.done", {**at, "item": item}


def _message_events(at: dict[str, Any], item: dict[str, Any], answer: Answer) -> Iterator[_Event]:
    at = {**at, "content_index": 0}
    part = item["content"][0]
    key = "refusal" if part["type"] == "refusal" else "text"
    name = "response.refusal" if key == "refusal" else "response.output_text"
    extra: dict[str, Any] = {} if key == "refusal" else {"logprobs": []}
    yield "response.content_part.added", {**at, "part": {**part, key: ""}}
    for delta in answer.deltas:
        yield f"{name}.delta", {**at, "delta": delta, **extra}
    yield f"{name}.done", {**at, key: part[key], **extra}
    yield "response.content_part.done", {**at, "part": part}


def _reasoning_events(
    at: dict[str, Any], item: dict[str, Any], _answer: Answer
) -> Iterator[_Event]:
    at = {**at, "summary_index": 0}
    part = item["summary"][0]
    yield "response.reasoning_summary_part.added", {**at, "part": {**part, "text": ""}}
    for delta in split(part["text"], None):
        yield "response.reasoning_summary_text.delta", {**at, "delta": delta}
    yield "response.reasoning_summary_text.done", {**at, "text": part["text"]}
    yield "response.reasoning_summary_part.done", {**at, "part": part}


def _call_events(at: dict[str, Any], item: dict[str, Any], _answer: Answer) -> Iterator[_Event]:
    for fragment in filter(None, split(item["arguments"], _ARGUMENT_FRAGMENTS)):
        yield "response.function_call_arguments.delta", {**at, "delta": fragment}
    yield (
        "response.function_call_arguments.done",
        {**at, "arguments": item["arguments"], "name": item["name"]},
    )


#: The events inside an item, and what the item looks like before them.
_ITEMS: dict[
    str, tuple[Callable[[dict[str, Any], dict[str, Any], Answer], Iterator[_Event]], dict[str, Any]]
] = {
    "reasoning": (_reasoning_events, {"summary": []}),
    "message": (_message_events, {"content": [], "status": "in_progress"}),
    "function_call": (_call_events, {"arguments": "", "status": "in_progress"}),
}
