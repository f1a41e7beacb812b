"""One recorded request, and what can be read from it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Format = Literal[
    "chat", "responses", "embeddings", "completions", "messages", "count_tokens", "unknown"
]

# Longest suffix first: a base URL may have any prefix (/v1, a gateway's, Azure's).
_SUFFIXES: tuple[tuple[str, Format], ...] = (
    ("/messages/count_tokens", "count_tokens"),
    ("/chat/completions", "chat"),
    ("/completions", "completions"),
    ("/embeddings", "embeddings"),
    ("/responses", "responses"),
    ("/messages", "messages"),
)


_TEXT_KEYS = ("text", "content", "output")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """One HTTP request as the mock provider received it, and what became of it.

    ``headers`` have lower-case names. ``body`` is the decoded JSON object, or ``None`` if the
    body was none. ``at_index`` is its place among all requests since the last reset.
    ``completed`` tells whether the whole reply was handed over while the client was there.
    """

    at_index: int
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any] | None
    method: str = "POST"
    status: int | None = None
    """The status of the reply; ``None`` while none was sent."""
    chunks_sent: int = 0
    """Events of a stream that were sent."""
    completed: bool = False
    disconnected: bool = False
    """Whether the client left before the reply was complete."""

    @property
    def format(self) -> Format:
        path = self.path.partition("?")[0]
        return next((kind for suffix, kind in _SUFFIXES if path.endswith(suffix)), "unknown")

    @property
    def is_anthropic(self) -> bool:
        return self.format in ("messages", "count_tokens") or "anthropic-version" in self.headers

    @property
    def model(self) -> str:
        """The model that was asked for; empty if the body names none."""
        return str(self.field("model") or "")

    @property
    def stream(self) -> bool:
        return bool(self.field("stream"))

    @property
    def include_usage(self) -> bool:
        options = self.field("stream_options")
        return isinstance(options, Mapping) and bool(options.get("include_usage"))

    @property
    def user_text(self) -> str:
        """The text of the last user message; the prompt where there are no messages."""
        return _last_user_text(self.body or {})

    @property
    def max_output_tokens(self) -> int | None:
        for name in ("max_completion_tokens", "max_output_tokens", "max_tokens"):
            if isinstance(value := self.field(name), int):
                return value
        return None

    def field(self, name: str) -> Any:
        """A field of the JSON body, or ``None``."""
        return None if self.body is None else self.body.get(name)


def parse_body(raw: bytes) -> Mapping[str, Any] | None:
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def text_of(content: Any) -> str:
    """All text in a message's content, whatever the format nests it in."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return text_of([content.get(key) for key in _TEXT_KEYS])
    if isinstance(content, list):
        return " ".join(filter(None, map(text_of, content)))
    return ""


def _last_user_text(body: Mapping[str, Any]) -> str:
    turns = body.get("messages") or body.get("input") or body.get("prompt") or ""
    if not isinstance(turns, list):
        return text_of(turns)
    users = [t for t in turns if isinstance(t, Mapping) and t.get("role") == "user"]
    return text_of(users[-1].get("content")) if users else text_of(turns)
