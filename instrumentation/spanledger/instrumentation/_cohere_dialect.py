"""How the `cohere` client speaks, both versions of the API: chat, embeddings, rankings. Pure."""

from collections.abc import Mapping
from typing import Any

from spanledger.instrumentation._facts import Reply, StreamReader, get, text, whole
from spanledger.usage import MISSING
from spanledger.usage import cohere as usage_of

PROVIDER = "cohere"

_Body = Mapping[str, Any]


class Chat:
    """``v2/chat``."""

    operation = "chat"

    def with_output_limit(self, body: _Body, limit: int) -> dict[str, Any] | None:
        """The body with an output limit; None if it has one or needs none."""
        return None if whole(body.get("max_tokens")) else {**body, "max_tokens": limit}

    def readable(self, body: _Body) -> dict[str, Any]:
        """What the model reads, in the words that `_content.measure` knows."""
        found = {
            name: body[name] for name in ("messages", "tools", "response_format") if name in body
        }
        return {**found, "input": body.get("documents")}

    def read_reply(self, reply: Any) -> Reply:
        return _reply(reply, get(reply, "usage"), text(get(reply, "id")), _texts(reply))

    def stream_reader(self) -> StreamReader:
        return _ChatStream()


def _reply(reply: Any, usage: Any, response_id: str | None, texts: list[str]) -> Reply:
    found = usage_of.from_usage(usage)
    reason = text(get(reply, "finish_reason"))
    said = "".join(texts) if found.source == "missing" else ""
    return Reply(found, None, response_id, (reason,) if reason else (), said)


def _texts(reply: Any) -> list[str]:
    message = get(reply, "message")
    parts = [text(get(part, "text")) or "" for part in get(message, "content") or ()]
    return parts + [str(get(c, "function") or "") for c in get(message, "tool_calls") or ()]


class _ChatStream:
    __slots__ = ("_end", "_id", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self._id: str | None = None
        self._end: Any = None

    def chunk(self, chunk: Any) -> bool:
        kind, delta = get(chunk, "type"), get(chunk, "delta")
        if kind == "message-start":
            self._id = text(get(chunk, "id"))
        elif kind == "message-end":
            self._end = delta
        elif delta is not None:
            self.text += _piece(get(delta, "message"))
        return self._end is not None

    def hidden(self, chunk: Any) -> bool:
        return False

    def reply(self) -> Reply:
        if self._end is None:
            return Reply(MISSING, response_id=self._id)
        return _reply(self._end, get(self._end, "usage"), self._id, [])


def _piece(message: Any) -> list[str]:
    content, calls = get(message, "content"), get(message, "tool_calls")
    found = (
        get(content, "text"),
        get(content, "thinking"),
        get(message, "tool_plan"),
        get(get(calls, "function"), "arguments"),
    )
    return [piece for piece in found if isinstance(piece, str)]


class ChatV1(Chat):
    """``v1/chat``."""

    def readable(self, body: _Body) -> dict[str, Any]:
        said = [body.get(name) for name in ("preamble", "chat_history", "message", "tool_results")]
        found: dict[str, Any] = {"messages": [s for s in said if s], "input": body.get("documents")}
        if tools := body.get("tools"):
            found["tools"] = tools
        if body.get("connectors") or body.get("conversation_id"):
            # Results of searches, and what was said before, lie with the provider.
            found["conversation"] = True
        return found

    def read_reply(self, reply: Any) -> Reply:
        said = [text(get(reply, "text")) or ""]
        return _reply(reply, get(reply, "meta"), text(get(reply, "generation_id")), said)

    def stream_reader(self) -> StreamReader:
        return _ChatV1Stream(self)


class _ChatV1Stream:
    __slots__ = ("_answers", "_end", "text")

    def __init__(self, answers: ChatV1) -> None:
        self.text: list[str] = []
        self._answers = answers
        self._end: Any = None

    def chunk(self, chunk: Any) -> bool:
        if piece := text(get(chunk, "text")):
            self.text.append(piece)
        if get(chunk, "event_type") == "stream-end":
            self._end = get(chunk, "response")
        return self._end is not None

    def hidden(self, chunk: Any) -> bool:
        return False

    def reply(self) -> Reply:
        return Reply(MISSING) if self._end is None else self._answers.read_reply(self._end)


class Embeddings(Chat):
    """``v1/embed`` and ``v2/embed``."""

    operation = "embeddings"

    def with_output_limit(self, body: _Body, limit: int) -> dict[str, Any] | None:
        return None

    def readable(self, body: _Body) -> dict[str, Any]:
        images = [{"type": "image", "data": image} for image in body.get("images") or ()]
        return {"input": [body.get("texts"), body.get("inputs"), images]}

    def read_reply(self, reply: Any) -> Reply:
        return Reply(usage_of.from_usage(get(reply, "meta")), None, text(get(reply, "id")))


class Ranking(Embeddings):
    """``v1/rerank`` and ``v2/rerank``: charged by the search, and not by tokens."""

    operation = "rerank"

    def readable(self, body: _Body) -> dict[str, Any]:
        return {"input": [body.get("query"), body.get("documents")]}


_ENDPOINTS: dict[str, Chat] = {
    "v2/chat": Chat(),
    "v1/chat": ChatV1(),
    "v1/embed": Embeddings(),
    "v2/embed": Embeddings(),
    "v1/rerank": Ranking(),
    "v2/rerank": Ranking(),
}


def answers_of(path: str) -> Chat | None:
    """How the endpoint of a path is read; None for one that is not gated."""
    return _ENDPOINTS.get(path.strip("/"))
