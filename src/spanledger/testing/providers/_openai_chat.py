"""OpenAI's chat completions: the body, and the chunks of a stream. Pure."""

from typing import Any

from spanledger.testing.providers._behaviours import UsageSpec
from spanledger.testing.providers._rendered import DONE, data_event
from spanledger.testing.providers._request import RecordedRequest
from spanledger.testing.providers._tokens import Answer, arguments_json, split

# A tool call's arguments arrive in a few fragments, never one per word.
_ARGUMENT_FRAGMENTS = 3


def chat_body(request: RecordedRequest, answer: Answer, now_s: float) -> dict[str, Any]:
    choice = {"message": _message(request, answer), "finish_reason": answer.finish_reason}
    return {
        **_base(request, answer, now_s, "chat.completion"),
        "choices": [{"index": i, **choice, "logprobs": None} for i in range(answer.choices)],
        **({} if answer.usage is None else {"usage": openai_usage(answer.usage)}),
    }


def chat_events(request: RecordedRequest, answer: Answer, now_s: float) -> tuple[bytes, ...]:
    base = _base(request, answer, now_s, "chat.completion.chunk")
    # Exactly as documented: the field exists only if it was asked for, null but in the last.
    nothing: dict[str, Any] = {"usage": None} if request.include_usage else {}
    events = [
        data_event({**base, "choices": [_choice(i, delta, None)], **nothing})
        for delta in _deltas(request, answer)
        for i in range(answer.choices)
    ]
    nothing |= _groqs_own(request, answer)
    events += [
        data_event({**base, "choices": [_choice(i, {}, answer.finish_reason)], **nothing})
        for i in range(answer.choices)
    ]
    if request.include_usage and answer.usage is not None:
        events.append(data_event({**base, "choices": [], "usage": openai_usage(answer.usage)}))
    return (*events, DONE)


def _groqs_own(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    """What Groq sends with the end of a stream, whether it was asked for or not."""
    if "/openai/v1/" not in request.path or answer.usage is None:
        return {}
    own = {"id": f"req_{request.at_index:06d}", "usage": openai_usage(answer.usage)}
    return {"x_groq": own}


def openai_usage(usage: UsageSpec) -> dict[str, Any]:
    """The usage block of chat and text completions, whose totals are inclusive."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "audio_tokens": usage.input_audio_tokens,
            **({"cache_write_tokens": w} if (w := usage.cache_write_tokens) else {}),
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.output_audio_tokens,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def call_id(request: RecordedRequest, position: int) -> str:
    return f"call_mock_{request.at_index:06d}_{position}"


def _base(request: RecordedRequest, answer: Answer, now_s: float, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-mock-{request.at_index:06d}",
        "object": kind,
        "created": int(now_s),
        "model": answer.model,
        "service_tier": answer.service_tier,
        "system_fingerprint": "fp_mock",
    }


def _choice(index: int, delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _message(request: RecordedRequest, answer: Answer) -> dict[str, Any]:
    calls = [_tool_call(request, answer, i) for i in range(len(answer.tool_calls))]
    return {
        "role": "assistant",
        "content": answer.text,
        "refusal": answer.refusal,
        "annotations": [],
        **({"tool_calls": calls} if calls else {}),
    }


def _tool_call(request: RecordedRequest, answer: Answer, position: int) -> dict[str, Any]:
    call = answer.tool_calls[position]
    return {
        "id": call.id or call_id(request, position),
        "type": "function",
        "function": {"name": call.name, "arguments": arguments_json(call)},
    }


def _deltas(request: RecordedRequest, answer: Answer) -> list[dict[str, Any]]:
    key = "content" if answer.refusal is None else "refusal"
    first = {"role": "assistant", "content": "" if answer.text is not None else None}
    return [
        {**first, "refusal": None},
        *({key: delta} for delta in answer.deltas),
        *_tool_deltas(request, answer),
    ]


def _tool_deltas(request: RecordedRequest, answer: Answer) -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = []
    for position in range(len(answer.tool_calls)):
        call = _tool_call(request, answer, position)
        arguments = call["function"]["arguments"]
        head = {**call, "function": {**call["function"], "arguments": ""}}
        deltas.append({"tool_calls": [{"index": position, **head}]})
        deltas += [
            {"tool_calls": [{"index": position, "function": {"arguments": fragment}}]}
            for fragment in split(arguments, _ARGUMENT_FRAGMENTS)
            if fragment
        ]
    return deltas
