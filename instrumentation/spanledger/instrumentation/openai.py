"""How the `openai` client speaks: chat completions, responses, embeddings. Pure."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from spanledger.instrumentation._facts import Dialect, Reply, StreamReader, get, text, whole
from spanledger.usage import MISSING
from spanledger.usage import openai as usage_of

#: Hosts of providers that speak OpenAI's dialect, with their `gen_ai.provider.name`.
_PROVIDERS = {
    "api.openai.com": "openai",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "openrouter.ai": "openrouter",
    "api.together.xyz": "together",
    "api.fireworks.ai": "fireworks",
    "api.cerebras.ai": "cerebras",
}
_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")


def provider_of(base_url: str) -> str:
    """The provider behind a base address; ``openai`` for one that is not known."""
    host = urlsplit(base_url).hostname or ""
    if host.endswith(_AZURE):
        return "azure.ai.openai"
    return _PROVIDERS.get(host, "openai")


class ChatCompletions:
    """``POST …/chat/completions``."""

    operation = "chat"

    def read_request(self, body: Mapping[str, Any]) -> tuple[str, int | None, int]:
        limit = whole(body.get("max_completion_tokens")) or whole(body.get("max_tokens"))
        return text(body.get("model")) or "", limit, whole(body.get("n")) or 1

    def read_reply(self, reply: Any) -> Reply:
        choices = get(reply, "choices") or ()
        usage = usage_of.from_chat(
            get(reply, "usage"), service_tier=text(get(reply, "service_tier"))
        )
        return Reply(
            usage,
            text(get(reply, "model")),
            text(get(reply, "id")),
            tuple(r for c in choices if (r := text(get(c, "finish_reason")))),
            "".join(_message_texts(choices)) if usage.source == "missing" else "",
        )

    def stream_reader(self) -> StreamReader:
        return _ChatStream()


def _message_texts(choices: Any) -> list[str]:
    parts = []
    for choice in choices:
        message = get(choice, "message")
        parts.append(text(get(message, "content")) or "")
        calls = get(message, "tool_calls") or ()
        parts += [text(get(get(call, "function"), "arguments")) or "" for call in calls]
    return parts


class _ChatStream:
    __slots__ = ("_finish", "_id", "_model", "_tier", "_usage", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self._usage: Any = None
        self._model: str | None = None
        self._id: str | None = None
        self._tier: str | None = None
        self._finish: list[str] = []

    def chunk(self, chunk: Any) -> bool:
        usage = get(chunk, "usage")
        choices = get(chunk, "choices")
        if self._id is None:
            self._id, self._model = text(get(chunk, "id")), text(get(chunk, "model"))
        if usage is not None:
            # Some servers send a running usage with every chunk: the last one counts.
            self._usage = usage
            self._tier = text(get(chunk, "service_tier")) or self._tier
        for choice in choices or ():
            self._choice(choice)
        return usage is not None and not choices

    def _choice(self, choice: Any) -> None:
        delta = get(choice, "delta")
        content = get(delta, "content")
        if content:
            self.text.append(content)
        elif calls := get(delta, "tool_calls"):
            self.text += [text(get(get(call, "function"), "arguments")) or "" for call in calls]
        elif reasoning := text(get(delta, "reasoning_content")):
            self.text.append(reasoning)
        if reason := get(choice, "finish_reason"):
            self._finish.append(reason)

    def hidden(self, chunk: Any) -> bool:
        return get(chunk, "usage") is not None and not get(chunk, "choices")

    def reply(self) -> Reply:
        usage = MISSING
        if self._usage is not None:
            usage = usage_of.from_chat(self._usage, service_tier=self._tier)
        return Reply(usage, self._model, self._id, tuple(self._finish))


class Responses:
    """``POST …/responses``."""

    operation = "chat"

    def read_request(self, body: Mapping[str, Any]) -> tuple[str, int | None, int]:
        return text(body.get("model")) or "", whole(body.get("max_output_tokens")), 1

    def read_reply(self, reply: Any) -> Reply:
        usage = usage_of.from_responses(
            get(reply, "usage"),
            service_tier=text(get(reply, "service_tier")),
            # They are charged by the piece, but the usage does not count them.
            web_searches=sum(
                get(item, "type") == "web_search_call" for item in get(reply, "output") or ()
            ),
        )
        return Reply(
            usage,
            text(get(reply, "model")),
            text(get(reply, "id")),
            tuple(r for r in (text(get(reply, "status")),) if r),
            "".join(_output_texts(reply)) if usage.source == "missing" else "",
        )

    def stream_reader(self) -> StreamReader:
        return _ResponsesStream(self)


def _output_texts(reply: Any) -> list[str]:
    parts = []
    for item in get(reply, "output") or ():
        parts.append(text(get(item, "arguments")) or "")
        parts += [text(get(part, "text")) or "" for part in get(item, "content") or ()]
    return parts


class _ResponsesStream:
    __slots__ = ("_dialect", "_reply", "text")

    _LAST = frozenset({"response.completed", "response.incomplete", "response.failed"})

    def __init__(self, dialect: Responses) -> None:
        self.text: list[str] = []
        self._dialect = dialect
        self._reply = Reply()

    def chunk(self, chunk: Any) -> bool:
        delta = get(chunk, "delta")
        if delta is not None:
            if isinstance(delta, str):
                self.text.append(delta)
            return False
        response = get(chunk, "response")
        if response is None:
            return False
        self._reply = self._dialect.read_reply(response)
        return get(chunk, "type") in self._LAST and self._reply.usage.source != "missing"

    def hidden(self, chunk: Any) -> bool:
        return False

    def reply(self) -> Reply:
        return self._reply


class Embeddings:
    """``POST …/embeddings``."""

    operation = "embeddings"

    def read_request(self, body: Mapping[str, Any]) -> tuple[str, int | None, int]:
        return text(body.get("model")) or "", None, 1

    def read_reply(self, reply: Any) -> Reply:
        return Reply(usage_of.from_embeddings(get(reply, "usage")), text(get(reply, "model")))

    def stream_reader(self) -> StreamReader:
        return _ChatStream()


_ENDPOINTS: dict[str, Dialect] = {
    "/chat/completions": ChatCompletions(),
    "/responses": Responses(),
    "/embeddings": Embeddings(),
}


def dialect_of(path: str) -> Dialect | None:
    """The dialect of a request path; None for endpoints that are not gated."""
    path = path.split("?", 1)[0].rstrip("/")
    for ending, dialect in _ENDPOINTS.items():
        if path.endswith(ending):
            return dialect
    return None


def with_usage(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The body of a chat stream, changed to ask for its usage; None if nothing need change."""
    if not body.get("stream") or "messages" not in body:
        return None
    options = body.get("stream_options")
    if isinstance(options, Mapping) and options.get("include_usage"):
        return None
    asked = {**options} if isinstance(options, Mapping) else {}
    return {**body, "stream_options": {**asked, "include_usage": True}}


def with_output_limit(body: Mapping[str, Any], limit: int) -> dict[str, Any] | None:
    """The body with an output limit, if it has none; None if nothing need change."""
    if "messages" in body:
        if whole(body.get("max_completion_tokens")) or whole(body.get("max_tokens")):
            return None
        return {**body, "max_completion_tokens": limit}
    if "input" in body and not whole(body.get("max_output_tokens")):
        return {**body, "max_output_tokens": limit}
    return None
