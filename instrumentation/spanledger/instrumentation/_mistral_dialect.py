"""How the `mistralai` client speaks: chat, agents, completions of code, embeddings, conversations.

Pure.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from spanledger.instrumentation._facts import Reply, StreamReader, get, text, whole
from spanledger.usage import MISSING, Usage
from spanledger.usage import mistral as usage_of

PROVIDER = "mistral_ai"

_Body = Mapping[str, Any]


class Chat:
    """``…/chat/completions``, ``…/agents/completions`` and ``…/fim/completions``."""

    def __init__(self, operation: str = "chat") -> None:
        self.operation = operation

    def model(self, body: _Body) -> str:
        """The model; of an agent its id, which has no price."""
        return text(body.get("model")) or text(body.get("agent_id")) or ""

    def max_output_tokens(self, body: _Body) -> int | None:
        """The output limit, for each choice."""
        return whole(body.get("max_tokens"))

    def with_output_limit(self, body: _Body, limit: int) -> dict[str, Any] | None:
        """The body with an output limit; None if it has one."""
        return None if self.max_output_tokens(body) else {**body, "max_tokens": limit}

    def readable(self, body: _Body) -> _Body:
        """What the model reads, in the words that `_content.measure` knows."""
        suffix = body.get("suffix")
        return {**body, "prompt": [body.get("prompt"), suffix]} if suffix else body

    def read_reply(self, reply: Any) -> Reply:
        choices = get(reply, "choices") or ()
        usage = usage_of.from_chat(get(reply, "usage"))
        return Reply(
            usage,
            text(get(reply, "model")),
            text(get(reply, "id")),
            _finish_reasons(choices),
            "".join(t for c in choices for t in _texts(get(c, "message")))
            if usage.source == "missing"
            else "",
        )

    def stream_reader(self) -> StreamReader:
        return _ChatStream(self)


def _finish_reasons(choices: Any) -> tuple[str, ...]:
    return tuple(r for c in choices if (r := text(get(c, "finish_reason"))))


def _texts(message: Any) -> list[str]:
    """The texts of a message, or of a piece of one; its content may be a list of parts."""
    found = _content_texts(get(message, "content"))
    for call in get(message, "tool_calls") or ():
        arguments = get(get(call, "function"), "arguments")
        found.append(arguments if isinstance(arguments, str) else str(arguments or ""))
    return found


def _content_texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    if isinstance(content, Mapping):
        return _content_texts(content.get("text") or content.get("thinking"))
    return (
        [t for part in content for t in _content_texts(part)] if isinstance(content, list) else []
    )


class _ChatStream:
    """Its last chunk carries the usage."""

    __slots__ = ("_answers", "_first", "_last", "text")

    def __init__(self, answers: Chat) -> None:
        self.text: list[str] = []
        self._answers = answers
        self._first: Any = None
        self._last: Any = None

    def chunk(self, chunk: Any) -> bool:
        self._first = chunk if self._first is None else self._first
        for choice in get(chunk, "choices") or ():
            self.text += _texts(get(choice, "delta"))
        if get(chunk, "usage") is None:
            return False
        self._last = chunk
        return bool(_finish_reasons(get(chunk, "choices") or ()))

    def hidden(self, chunk: Any) -> bool:
        return False

    def reply(self) -> Reply:
        if self._last is not None:
            return self._answers.read_reply(self._last)
        return Reply(MISSING, text(get(self._first, "model")), text(get(self._first, "id")))


class Embeddings(Chat):
    """``…/embeddings``."""

    def __init__(self) -> None:
        super().__init__("embeddings")

    def with_output_limit(self, body: _Body, limit: int) -> dict[str, Any] | None:
        return None

    def read_reply(self, reply: Any) -> Reply:
        return Reply(usage_of.from_embeddings(get(reply, "usage")), text(get(reply, "model")))


class Conversations(Chat):
    """``…/conversations``, what is appended to one, and what begins anew inside of one."""

    def max_output_tokens(self, body: _Body) -> int | None:
        return whole(get(body.get("completion_args"), "max_tokens"))

    def with_output_limit(self, body: _Body, limit: int) -> dict[str, Any] | None:
        if self.max_output_tokens(body):
            return None
        return {
            **body,
            "completion_args": {**(body.get("completion_args") or {}), "max_tokens": limit},
        }

    def readable(self, body: _Body) -> _Body:
        # What was said before lies with the provider; a new one says so, too, for an agent has
        # instructions that are not here.
        return {**body, "input": body.get("inputs"), "conversation": "model" not in body}

    def read_reply(self, reply: Any) -> Reply:
        usage: Usage = usage_of.from_conversation(get(reply, "usage"))
        texts = [t for o in get(reply, "outputs") or () for t in _content_texts(get(o, "content"))]
        return Reply(
            usage,
            response_id=text(get(reply, "conversation_id")),
            text="".join(texts) if usage.source == "missing" else "",
        )

    def stream_reader(self) -> StreamReader:
        return _ConversationStream(self)


class _ConversationStream:
    """Its last event carries the usage."""

    __slots__ = ("_answers", "_done", "text")

    def __init__(self, answers: Conversations) -> None:
        self.text: list[str] = []
        self._answers = answers
        self._done: Any = None

    def chunk(self, chunk: Any) -> bool:
        kind = get(chunk, "type")
        if kind == "conversation.response.done":
            self._done = chunk
        elif kind in {"message.output.delta", "function.call.delta"}:
            self.text += _content_texts(get(chunk, "content") or get(chunk, "arguments"))
        return self._done is not None

    def hidden(self, chunk: Any) -> bool:
        return False

    def reply(self) -> Reply:
        return Reply(MISSING) if self._done is None else self._answers.read_reply(self._done)


_ENDPOINTS: dict[str, Chat] = {
    "/chat/completions": Chat(),
    "/agents/completions": Chat(),
    "/fim/completions": Chat("text_completion"),
    "/embeddings": Embeddings(),
}
_CONVERSATIONS = Conversations()


def answers_of(path: str) -> Chat | None:
    """How the endpoint of a path is read; None for one that is not gated."""
    path = path.rstrip("/")
    for ending, answers in _ENDPOINTS.items():
        if path.endswith(ending):
            return answers
    before, found, _after = path.rpartition("/conversations")
    return _CONVERSATIONS if found and before else None


def host_of(url: str) -> str:
    """The host of an address."""
    return urlsplit(url).hostname or ""
