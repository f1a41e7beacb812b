"""How the `ollama` client speaks: chat, generate, embeddings. Pure."""

from collections.abc import Mapping
from typing import Any

from spanledger.instrumentation._facts import Reply, StreamReader, get, text, whole
from spanledger.usage import ollama as usage_of

PROVIDER = "ollama"

_Body = Mapping[str, Any]


class Chat:
    """``/api/chat`` and ``/api/generate``."""

    operation = "chat"

    def __init__(self, operation: str = "chat") -> None:
        self.operation = operation

    def max_output_tokens(self, body: _Body) -> int | None:
        """The output limit; Ollama itself knows none if it is left out."""
        return whole(get(body.get("options"), "num_predict"))

    def with_output_limit(self, body: _Body, limit: int) -> dict[str, Any] | None:
        """The body with an output limit; None if it has one."""
        if self.max_output_tokens(body):
            return None
        return {**body, "options": {**(body.get("options") or {}), "num_predict": limit}}

    def readable(self, body: _Body) -> dict[str, Any]:
        """What the model reads, in the words that `_content.measure` knows."""
        said = [_message(m) for m in body.get("messages") or ()]
        prompt = [body.get(name) for name in ("system", "prompt", "suffix", "template", "context")]
        found: dict[str, Any] = {
            "messages": said,
            "prompt": [p for p in prompt if p] + _images(body),
        }
        if tools := body.get("tools"):
            found["tools"] = tools
        if schema := body.get("format"):
            found["response_format"] = schema
        return found

    def read_reply(self, reply: Any) -> Reply:
        usage = usage_of.from_answer(reply)
        reason = text(get(reply, "done_reason"))
        said = "".join(_texts(reply)) if usage.source == "missing" else ""
        return Reply(usage, text(get(reply, "model")), None, (reason,) if reason else (), said)

    def stream_reader(self) -> StreamReader:
        return _ChatStream(self)


def _message(message: Any) -> Any:
    if not isinstance(message, Mapping) or not message.get("images"):
        return message
    return [{k: v for k, v in message.items() if k != "images"}, *_images(message)]


def _images(holder: Any) -> list[dict[str, Any]]:
    return [{"type": "image", "data": str(image)} for image in get(holder, "images") or ()]


def _texts(reply: Any) -> list[str]:
    message = get(reply, "message")
    found = (
        get(reply, "response"),
        get(reply, "thinking"),
        get(message, "content"),
        get(message, "thinking"),
    )
    calls = [str(get(c, "function") or "") for c in get(message, "tool_calls") or ()]
    return [piece for piece in found if isinstance(piece, str)] + calls


class _ChatStream:
    __slots__ = ("_answers", "_last", "text")

    def __init__(self, answers: Chat) -> None:
        self.text: list[str] = []
        self._answers = answers
        self._last: Any = None

    def chunk(self, chunk: Any) -> bool:
        self._last = chunk
        self.text += _texts(chunk)
        return bool(get(chunk, "done"))

    def hidden(self, chunk: Any) -> bool:
        return False

    def reply(self) -> Reply:
        return (
            Reply()
            if self._last is None
            else self._answers.read_reply(self._last)._replace(text="")
        )


class Embeddings(Chat):
    """``/api/embed`` and the older ``/api/embeddings``."""

    def __init__(self) -> None:
        super().__init__("embeddings")

    def with_output_limit(self, body: _Body, limit: int) -> dict[str, Any] | None:
        return None

    def readable(self, body: _Body) -> dict[str, Any]:
        return {"input": body.get("input") or body.get("prompt")}


_ENDPOINTS: dict[str, Chat] = {
    "/api/chat": Chat(),
    "/api/generate": Chat("text_completion"),
    "/api/embed": Embeddings(),
    "/api/embeddings": Embeddings(),
}


def answers_of(path: str) -> Chat | None:
    """How the endpoint of a path is read; None for one that is not gated."""
    return _ENDPOINTS.get(path)
