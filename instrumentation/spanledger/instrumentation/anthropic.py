"""How the `anthropic` client speaks: messages. Pure."""

from collections.abc import Mapping
from typing import Any

from spanledger.instrumentation._facts import Asked, Dialect, Reply, StreamReader, get, text, whole
from spanledger.instrumentation._requests import Client
from spanledger.usage import MISSING
from spanledger.usage import anthropic as usage_of


def provider_of(base_url: str, classes: tuple[str, ...] = ()) -> str:
    """The provider behind a base address; a client of Bedrock's or Vertex AI's says it itself."""
    if "bedrock" in base_url or any("Bedrock" in name for name in classes):
        return "aws.bedrock"
    vertex = "aiplatform" in base_url or any("Vertex" in name for name in classes)
    return "gcp.vertex_ai" if vertex else "anthropic"


class Messages(Dialect):
    """``POST /v1/messages``; clients of Bedrock and Vertex AI put another address below it."""

    operation = "chat"

    def read_request(self, body: Mapping[str, Any]) -> Asked:
        return Asked(text(body.get("model")) or "", whole(body.get("max_tokens")))

    def read_reply(self, reply: Any) -> Reply:
        usage = usage_of.from_message(get(reply, "usage"))
        return Reply(
            usage,
            text(get(reply, "model")),
            text(get(reply, "id")),
            tuple(r for r in (text(get(reply, "stop_reason")),) if r),
            "".join(_content_texts(reply)) if usage.source == "missing" else "",
        )

    def stream_reader(self) -> StreamReader:
        return _MessageStream()


def _content_texts(reply: Any) -> list[str]:
    return [text(get(block, "text")) or "" for block in get(reply, "content") or ()]


class _MessageStream:
    __slots__ = ("_delta", "_finish", "_message", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self._message: Any = None
        self._delta: Any = None
        self._finish: str | None = None

    def chunk(self, chunk: Any) -> bool:
        kind = get(chunk, "type")
        if kind == "content_block_delta":
            self._piece(get(chunk, "delta"))
            return False
        if kind == "message_start":
            self._message = get(chunk, "message")
        elif kind == "message_delta":
            self._delta = get(chunk, "usage")
            self._finish = text(get(get(chunk, "delta"), "stop_reason"))
        return bool(kind == "message_stop")

    def _piece(self, delta: Any) -> None:
        for name in ("text", "partial_json", "thinking"):
            if piece := get(delta, name):
                self.text.append(piece)
                return

    def hidden(self, chunk: Any) -> bool:
        return False

    def reply(self) -> Reply:
        if self._message is None:
            return Reply(MISSING)
        return Reply(
            usage_of.merge_stream(get(self._message, "usage"), self._delta),
            text(get(self._message, "model")),
            text(get(self._message, "id")),
            (self._finish,) if self._finish else (),
        )


_MESSAGES: Dialect = Messages()


def dialect_of(path: str) -> Dialect | None:
    """The dialect of a request path; None for endpoints that are not gated."""
    return _MESSAGES if path.split("?", 1)[0].rstrip("/").endswith("/v1/messages") else None


CLIENT = Client("anthropic", dialect_of, provider_of)
