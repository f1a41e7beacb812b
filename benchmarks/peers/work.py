"""The work that every candidate does: requests, and the provider that answers them.

Runs in the workers' environments, so it needs the openai client and the standard library alone.
"""

import json
from dataclasses import dataclass
from typing import Any

MESSAGES: list[dict[str, str]] = [
    {"role": "system", "content": "You are a careful assistant. " * 10},
    {"role": "user", "content": "Summarise the state of the project in three sentences. " * 8},
]
#: About 20 KB of conversation.
LARGE: list[dict[str, str]] = MESSAGES + [
    {
        "role": ("assistant", "user")[turn % 2],
        "content": f"Turn {turn}: " + "and so it went on. " * 50,
    }
    for turn in range(20)
]


@dataclass(frozen=True)
class Usage:
    """What the provider says that a call used."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    def of_chat(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning_tokens,
                "audio_tokens": 0,
            },
        }

    def of_responses(self) -> dict[str, Any]:
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
            "input_tokens_details": {"cached_tokens": self.cached_tokens},
            "output_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
        }


#: By the model that is asked.
USAGE = {
    "gpt-4o-mini": Usage(180, 78),
    "gpt-4o": Usage(1200, 300, cached_tokens=1024),
    "o4-mini": Usage(1200, 900, reasoning_tokens=640),
    "gpt-5-mini": Usage(1200, 900, cached_tokens=1024, reasoning_tokens=640),
}
_OTHERS = Usage(180, 78)
#: A model whose every call is answered with an error.
NO_QUOTA = "gpt-4.1"


def usage_of(model: str) -> Usage:
    return USAGE.get(model, _OTHERS)


def chat_body(model: str) -> dict[str, Any]:
    """A whole answer of the chat API."""
    message = {"role": "assistant", "content": "All is well. " * 25}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": usage_of(model).of_chat(),
    }


def responses_body(model: str) -> dict[str, Any]:
    """A whole answer of the Responses API."""
    text = {"type": "output_text", "text": "All is well. " * 25, "annotations": []}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [text],
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": model,
        "output": [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage_of(model).of_responses(),
    }


def stream_body(model: str, chunks: int, with_usage: bool) -> bytes:
    """A chat stream of so many content chunks; its usage at the end if that was asked for."""
    base = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model}
    deltas = [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}] * chunks
    events: list[dict[str, Any]] = [{**base, "choices": [delta]} for delta in deltas]
    events.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if with_usage:
        events.append({**base, "choices": [], "usage": usage_of(model).of_chat()})
    return b"".join(b"data: %s\n\n" % json.dumps(e).encode() for e in events) + b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    kind: str
    body: bytes


_QUOTA = {"message": "You exceeded your current quota", "code": "insufficient_quota", "type": "x"}


class Provider:
    """Answers as OpenAI does; made once, so that its own work is small and the same for all."""

    def __init__(self, chunks: int = 50) -> None:
        self.chunks = chunks
        self._made: dict[tuple[str, str, int, bool], Answer] = {}

    def answer(self, path: str, request: bytes) -> Answer:
        asked = json.loads(request)
        model, streamed = asked["model"], bool(asked.get("stream"))
        chunks = asked.get("seed") or self.chunks
        usage = bool((asked.get("stream_options") or {}).get("include_usage"))
        key = (path if not streamed else "stream", model, chunks, usage)
        if key not in self._made:
            self._made[key] = self._make(*key)
        return self._made[key]

    @staticmethod
    def _make(path: str, model: str, chunks: int, usage: bool) -> Answer:
        if model == NO_QUOTA:
            return Answer(429, "application/json", json.dumps({"error": _QUOTA}).encode())
        if path == "stream":
            return Answer(200, "text/event-stream", stream_body(model, chunks, usage))
        made = responses_body(model) if path.endswith("/responses") else chat_body(model)
        return Answer(200, "application/json", json.dumps(made).encode())


def clients(provider: Provider, base_url: str | None = None) -> tuple[Any, Any]:
    """A sync and an async client: on a mock transport, or on a server at `base_url`."""
    import openai

    common: dict[str, Any] = {
        "api_key": "benchmark",
        "base_url": base_url or "http://mock/v1",
        "max_retries": 0,
    }
    if base_url:
        return openai.OpenAI(**common), openai.AsyncOpenAI(**common)
    httpx = _httpx()

    def handle(request: Any) -> Any:
        made = provider.answer(request.url.path, request.content)
        return httpx.Response(made.status, content=made.body, headers={"content-type": made.kind})

    async def handle_async(request: Any) -> Any:
        return handle(request)

    sync_http = httpx.Client(transport=httpx.MockTransport(handle))
    async_http = httpx.AsyncClient(transport=httpx.MockTransport(handle_async))
    return (
        openai.OpenAI(http_client=sync_http, **common),
        openai.AsyncOpenAI(http_client=async_http, **common),
    )


def _httpx() -> Any:
    """openai 3 is built on httpx2, openai 2 on httpx."""
    import importlib

    import openai

    return importlib.import_module("httpx2" if openai.__version__ >= "3" else "httpx")
