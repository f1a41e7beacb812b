"""The mock's token count and the usage it reports when a reply names none. Pure.

The rule, so that a test can price a reply by hand:

* a token is a word, ``len(text.split())``; a token array counts its length;
* input: all text of ``system``, ``instructions``, ``messages``, ``input`` and ``prompt``, or of
  what these are called elsewhere (tool results in the history too; tool calls and schemas not),
  at least 1;
* output: the words of the text or refusal, of the tool calls' arguments, and of the reasoning
  text, at least 1, times the number of choices;
* a text longer than the request's output limit is cut to it, finish reason ``length``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from spanledger.testing.providers._behaviours import Reply, ToolCall, UsageSpec
from spanledger.testing.providers._request import RecordedRequest, text_of

_OPENAI_TIERS = ("flex", "priority", "scale")
_INPUT_FIELDS = (
    "system", "instructions", "messages", "input", "prompt", "contents", "systemInstruction",
    "requests", "instances", "content", "inputText", "message", "texts", "inputs",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply with every open question decided: what the renderers write down."""

    model: str
    text: str | None
    refusal: str | None
    reasoning_text: str | None
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str
    usage: UsageSpec | None
    deltas: tuple[str, ...]
    service_tier: str
    choices: int


def count_tokens(text: str) -> int:
    """The mock's own count: words between white space. No provider counts like this."""
    return len(text.split())


def count_input_tokens(body: Mapping[str, Any]) -> int:
    """The mock's count of everything that goes in, at least 1."""
    return max(1, sum(_count(body.get(name)) for name in _INPUT_FIELDS))


def arguments_json(call: ToolCall) -> str:
    if isinstance(call.arguments, str):
        return call.arguments
    return json.dumps(dict(call.arguments))


def answer(request: RecordedRequest, reply: Reply) -> Answer:
    """Decide text, finish reason and usage of ``reply`` to ``request``."""
    text, cut = _fit(_text(request, reply), request, reply)
    return Answer(
        model=reply.model or request.model,
        text=text,
        refusal=reply.refusal,
        reasoning_text=reply.reasoning_text,
        tool_calls=reply.tool_calls,
        finish_reason=reply.finish_reason or _finish_reason(reply, cut),
        usage=None if reply.omit_usage else reply.usage or _usage(request, reply, text),
        deltas=split(reply.refusal or text or "", reply.chunks),
        service_tier=reply.service_tier or _tier(request),
        choices=_choices(request),
    )


def split(text: str, chunks: int | None) -> tuple[str, ...]:
    """``text`` in ``chunks`` parts (one per word if ``None``) that join to it again.

    With more parts than characters the last ones are empty.
    """
    if chunks is None:
        words = text.split(" ")
        return tuple(w if i == 0 else f" {w}" for i, w in enumerate(words)) if text else ()
    edges = [len(text) * i // chunks for i in range(chunks + 1)]
    return tuple(text[a:b] for a, b in pairwise(edges))


def _tier(request: RecordedRequest) -> str:
    asked = str(request.field("service_tier"))
    if request.is_anthropic:
        return "standard"
    # "fast" is another word for "priority"; everything else than these is served as default.
    return {"fast": "priority"}.get(asked, asked if asked in _OPENAI_TIERS else "default")


def _choices(request: RecordedRequest) -> int:
    n = request.field("n")
    return n if isinstance(n, int) and n > 0 else 1


def _count(value: Any) -> int:
    if isinstance(value, list) and value and all(isinstance(item, int) for item in value):
        return len(value)
    if isinstance(value, list):
        return sum(map(_count, value))
    return count_tokens(text_of(value))


def _text(request: RecordedRequest, reply: Reply) -> str | None:
    if reply.text is None and not reply.tool_calls and reply.refusal is None:
        return f"echo: {request.user_text}"
    return reply.text


def _fit(text: str | None, request: RecordedRequest, reply: Reply) -> tuple[str | None, bool]:
    limit = request.max_output_tokens
    if text is None or limit is None or reply.usage is not None:
        return text, False
    room = max(0, limit - count_tokens(reply.reasoning_text or ""))
    if count_tokens(text) <= room:
        return text, False
    return " ".join(text.split()[:room]), True


def _finish_reason(reply: Reply, cut: bool) -> str:
    if reply.tool_calls:
        return "tool_calls"
    return "length" if cut else "stop"


def _usage(request: RecordedRequest, reply: Reply, text: str | None) -> UsageSpec:
    reasoning = count_tokens(reply.reasoning_text or "")
    tools = sum(count_tokens(arguments_json(call)) for call in reply.tool_calls)
    visible = count_tokens(text or reply.refusal or "")
    return UsageSpec(
        input_tokens=count_input_tokens(request.body or {}),
        output_tokens=max(1, reasoning + visible + tools) * _choices(request),
        reasoning_tokens=reasoning * _choices(request),
    )
