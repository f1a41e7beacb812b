"""How OpenAI's chat completions and legacy completions are read. Pure."""

from collections.abc import Mapping
from typing import Any

from spanledger.instrumentation._facts import Asked, Dialect, Reply, StreamReader, get, text, whole
from spanledger.lean import make
from spanledger.usage import MISSING, view
from spanledger.usage import openai as usage_of


class ChatCompletions(Dialect):
    """``POST …/chat/completions``."""

    operation = "chat"

    def read_request(self, body: Mapping[str, Any]) -> Asked:
        limit = whole(body.get("max_completion_tokens")) or whole(body.get("max_tokens"))
        choices = (whole(body["n"]) or 1) if "n" in body else 1
        speaks = "audio" in (body.get("modalities") or ())
        return Asked(text(body.get("model")) or "", limit, choices, "audio" if speaks else "text")

    def read_reply(self, reply: Any) -> Reply:
        seen = view(reply)
        choices: Any = seen.get("choices") or ()
        usage = usage_of.from_chat(seen.get("usage"), service_tier=text(seen.get("service_tier")))
        reply = (
            usage,
            text(seen.get("model")),
            text(seen.get("id")),
            tuple([r for c in choices if (r := text(get(c, "finish_reason")))]),
            "".join(_message_texts(choices)) if usage.source == "missing" else "",
            None,
            False,
        )
        return make(Reply, reply)

    def stream_reader(self) -> StreamReader:
        return ChatStream()

    def with_usage(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        return asking_for_usage(body)

    def with_output_limit(self, body: Mapping[str, Any], limit: int) -> dict[str, Any] | None:
        if whole(body.get("max_completion_tokens")) or whole(body.get("max_tokens")):
            return None
        return {**body, "max_completion_tokens": limit}


def asking_for_usage(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The body of a stream, changed to ask for its usage; None if it does."""
    options = body.get("stream_options")
    if isinstance(options, Mapping) and options.get("include_usage"):
        return None
    asked = {**options} if isinstance(options, Mapping) else {}
    return {**body, "stream_options": {**asked, "include_usage": True}}


def _message_texts(choices: Any) -> list[str]:
    parts = []
    for choice in choices:
        message = get(choice, "message")
        parts.append(text(get(message, "content")) or "")
        calls = get(message, "tool_calls") or ()
        parts += [text(get(get(call, "function"), "arguments")) or "" for call in calls]
    return parts


class ChatStream:
    """The chunks of a stream; one of them carries the usage."""

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


class Completions(Dialect):
    """``POST …/completions``, the legacy text completions."""

    operation = "text_completion"

    def read_request(self, body: Mapping[str, Any]) -> Asked:
        # All of `best_of` are made and charged, one is returned; and that for each prompt.
        each = max(whole(body.get("n")) or 1, whole(body.get("best_of")) or 1)
        limit = whole(body.get("max_tokens"))
        return Asked(text(body.get("model")) or "", limit, each * _prompts(body.get("prompt")))

    def read_reply(self, reply: Any) -> Reply:
        choices = get(reply, "choices") or ()
        usage = usage_of.from_completions(get(reply, "usage"))
        return Reply(
            usage,
            text(get(reply, "model")),
            text(get(reply, "id")),
            tuple(r for c in choices if (r := text(get(c, "finish_reason")))),
            "".join(text(get(c, "text")) or "" for c in choices)
            if usage.source == "missing"
            else "",
        )

    def stream_reader(self) -> StreamReader:
        return _CompletionStream()

    def with_usage(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        return asking_for_usage(body)

    def with_output_limit(self, body: Mapping[str, Any], limit: int) -> dict[str, Any] | None:
        return None if whole(body.get("max_tokens")) else {**body, "max_tokens": limit}


def _prompts(prompt: Any) -> int:
    """How many prompts there are: one text, one list of tokens, or a list of either."""
    if not isinstance(prompt, (list, tuple)) or not prompt or isinstance(prompt[0], int):
        return 1
    return len(prompt)


class _CompletionStream(ChatStream):
    """Its text stands in the choices themselves."""

    __slots__ = ()

    def _choice(self, choice: Any) -> None:
        if content := text(get(choice, "text")):
            self.text.append(content)
        if reason := get(choice, "finish_reason"):
            self._finish.append(reason)


class Embeddings(Dialect):
    """``POST …/embeddings``."""

    operation = "embeddings"

    def read_request(self, body: Mapping[str, Any]) -> Asked:
        return Asked(text(body.get("model")) or "")

    def read_reply(self, reply: Any) -> Reply:
        return Reply(usage_of.from_embeddings(get(reply, "usage")), text(get(reply, "model")))

    def stream_reader(self) -> StreamReader:
        return ChatStream()
