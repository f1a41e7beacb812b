"""How OpenAI's Responses API is read. Pure."""

from collections.abc import Mapping
from typing import Any

from spanledger.instrumentation._facts import (
    Asked,
    Dialect,
    Reply,
    ReportedFailure,
    StreamReader,
    get,
    text,
    whole,
)
from spanledger.usage import openai as usage_of

#: What a response in background mode says of itself until it is done.
_UNDER_WAY = frozenset({"queued", "in_progress"})


class Responses(Dialect):
    """``POST …/responses``."""

    operation = "chat"

    def read_request(self, body: Mapping[str, Any]) -> Asked:
        return Asked(text(body.get("model")) or "", whole(body.get("max_output_tokens")))

    def read_reply(self, reply: Any) -> Reply:
        usage = usage_of.from_responses(
            get(reply, "usage"),
            service_tier=text(get(reply, "service_tier")),
            # They are charged by the piece, but the usage does not count them.
            web_searches=sum(
                get(item, "type") == "web_search_call" for item in get(reply, "output") or ()
            ),
        )
        status = text(get(reply, "status"))
        return Reply(
            usage,
            text(get(reply, "model")),
            text(get(reply, "id")),
            (status,) if status else (),
            "".join(_output_texts(reply)) if usage.source == "missing" else "",
            failure_of(get(reply, "error")) if status == "failed" else None,
            status in _UNDER_WAY,
        )

    def stream_reader(self) -> StreamReader:
        return _ResponsesStream(self)

    def with_output_limit(self, body: Mapping[str, Any], limit: int) -> dict[str, Any] | None:
        if whole(body.get("max_output_tokens")) or "input" not in body:
            return None
        return {**body, "max_output_tokens": limit}


class Compactions(Responses):
    """``POST …/responses/compact``: it knows no output limit."""

    def with_output_limit(self, body: Mapping[str, Any], limit: int) -> dict[str, Any] | None:
        return None


def failure_of(error: Any) -> ReportedFailure:
    """A failure from what a response, or an event of its stream, says of it."""
    code = text(get(error, "code")) or text(get(error, "type")) or "error"
    return ReportedFailure(code, text(get(error, "message")) or "")


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
            return self._failed(chunk)
        self._reply = self._dialect.read_reply(response)
        if self._reply.failure is not None:
            return True
        return get(chunk, "type") in self._LAST and self._reply.usage.source != "missing"

    def _failed(self, chunk: Any) -> bool:
        """An ``error`` event; the client raises those that hold it in a field of its own."""
        if get(chunk, "type") != "error":
            return False
        self._reply = self._reply._replace(failure=failure_of(chunk))
        return True

    def hidden(self, chunk: Any) -> bool:
        return False

    def reply(self) -> Reply:
        return self._reply
