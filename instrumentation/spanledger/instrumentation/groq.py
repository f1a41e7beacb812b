"""How the `groq` client speaks: OpenAI's dialect, with a stream's usage in its own field. Pure."""

from collections.abc import Mapping
from typing import Any

from spanledger.instrumentation._facts import (
    Dialect,
    Reply,
    ReportedFailure,
    StreamReader,
    get,
    text,
)
from spanledger.instrumentation._openai_chat import ChatCompletions, ChatStream, Embeddings
from spanledger.instrumentation._openai_media import Speech, Transcriptions
from spanledger.instrumentation._requests import Client


def provider_of(base_url: str, classes: tuple[str, ...] = ()) -> str:
    """The provider behind a base address: whatever it is, it speaks for Groq."""
    return "groq"


class GroqChat(ChatCompletions):
    """``POST /openai/v1/chat/completions``: a stream's usage comes without being asked for."""

    def stream_reader(self) -> StreamReader:
        return _GroqStream()

    def with_usage(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        return None


class _GroqStream(ChatStream):
    __slots__ = ("_failure",)

    def __init__(self) -> None:
        super().__init__()
        self._failure: ReportedFailure | None = None

    def chunk(self, chunk: Any) -> bool:
        last = super().chunk(chunk)
        own = get(chunk, "x_groq")
        if own is None:
            return last
        if (usage := get(own, "usage")) is not None:
            self._usage = usage
        if error := text(get(own, "error")):
            self._failure = ReportedFailure("error", error)
        return last

    def reply(self) -> Reply:
        return super().reply()._replace(failure=self._failure)


_ENDPOINTS: dict[str, Dialect] = {
    "/chat/completions": GroqChat(),
    "/embeddings": Embeddings(),
    "/audio/speech": Speech(),
    "/audio/transcriptions": (_transcriptions := Transcriptions()),
    "/audio/translations": _transcriptions,
}


def dialect_of(path: str) -> Dialect | None:
    """The dialect of a request path; None for endpoints that are not gated."""
    path = path.split("?", 1)[0].rstrip("/")
    return next((d for ending, d in _ENDPOINTS.items() if path.endswith(ending)), None)


CLIENT = Client("groq", dialect_of, provider_of)
