"""One recorded request, and what can be read from it. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

from spanledger.testing.providers._multipart import parse_multipart

Format = Literal[
    "chat", "responses", "embeddings", "completions", "messages", "count_tokens",
    "images", "speech", "transcription",
    "gemini_content", "gemini_embeddings", "gemini_predict", "gemini_operation", "gemini_tokens",
    "bedrock_converse", "bedrock_invoke", "bedrock_tokens", "mistral_chat", "mistral_conversation",
    "mistral_embeddings", "cohere_chat", "cohere_chat_v1", "cohere_embeddings", "cohere_ranking",
    "ollama_chat", "ollama_generate", "ollama_embeddings", "unknown",
]  # fmt: skip
Vendor = Literal["openai", "anthropic", "gemini", "bedrock", "mistral", "cohere", "ollama"]

# Longest suffix first: a base URL may have any prefix (/v1, a gateway's, Azure's).
_SUFFIXES: tuple[tuple[str, Format], ...] = (
    ("/messages/count_tokens", "count_tokens"),
    ("/chat/completions", "chat"),
    ("/completions", "completions"),
    ("/embeddings", "embeddings"),
    ("/responses", "responses"),
    ("/messages", "messages"),
    ("/images/generations", "images"),
    ("/images/edits", "images"),
    ("/images/variations", "images"),
    ("/audio/speech", "speech"),
    ("/audio/transcriptions", "transcription"),
    ("/audio/translations", "transcription"),
)

#: Paths that only one provider has; Mistral's are OpenAI's below an address of its own.
_OWN: tuple[tuple[re.Pattern[str], Format], ...] = (
    (re.compile(r".*/responses/resp_\w+"), "responses"),
    (re.compile(r"/mistral/v1/(chat|agents|fim)/completions"), "mistral_chat"),
    (re.compile(r"/mistral/v1/conversations(/.+)?"), "mistral_conversation"),
    (re.compile(r"/mistral/v1/embeddings"), "mistral_embeddings"),
    (re.compile(r"/v2/chat"), "cohere_chat"),
    (re.compile(r"/v1/chat"), "cohere_chat_v1"),
    (re.compile(r"/v[12]/embed"), "cohere_embeddings"),
    (re.compile(r"/v[12]/rerank"), "cohere_ranking"),
    (re.compile(r"/api/chat"), "ollama_chat"),
    (re.compile(r"/api/generate"), "ollama_generate"),
    (re.compile(r"/api/embed"), "ollama_embeddings"),
)
_OWN_VENDORS: tuple[Vendor, ...] = ("mistral", "cohere", "ollama")

#: Gemini's and Bedrock's paths name the model, and whether the reply is a stream.
_PATHS: tuple[tuple[re.Pattern[str], dict[str, Format]], ...] = (
    (
        re.compile(r".*/([^/]+):(\w+)"),
        {
            "generateContent": "gemini_content",
            "streamGenerateContent": "gemini_content",
            "embedContent": "gemini_embeddings",
            "batchEmbedContents": "gemini_embeddings",
            "predict": "gemini_predict",
            "predictLongRunning": "gemini_operation",
            "countTokens": "gemini_tokens",
            "rawPredict": "messages",
            "streamRawPredict": "messages",
        },
    ),
    (
        re.compile(r"/model/([^/]+)/([\w-]+)"),
        {
            "converse": "bedrock_converse",
            "converse-stream": "bedrock_converse",
            "invoke": "bedrock_invoke",
            "invoke-with-response-stream": "bedrock_invoke",
            "count-tokens": "bedrock_tokens",
        },
    ),
)
_STREAMING = frozenset(
    {"streamGenerateContent", "streamRawPredict", "converse-stream", "invoke-with-response-stream"}
)
_LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens", "max_gen_len")
#: Where Gemini, Converse, and Titan keep their output limit.
_NESTED_LIMITS = (
    ("generationConfig", "maxOutputTokens"),
    ("inferenceConfig", "maxTokens"),
    ("textGenerationConfig", "maxTokenCount"),
    ("options", "num_predict"),
    ("completion_args", "max_tokens"),
)


_TEXT_KEYS = ("text", "content", "output", "parts")


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
        path = self.path.partition("?")[0].partition("#")[0]
        if own := next((kind for pattern, kind in _OWN if pattern.fullmatch(path)), None):
            return own
        found = next((kind for suffix, kind in _SUFFIXES if path.endswith(suffix)), None)
        return found or self._named[2]

    @property
    def _named(self) -> tuple[str, str, Format]:
        """Model, action and format, where the path names them; else empty and ``unknown``."""
        path = self.path.partition("?")[0]
        for pattern, actions in _PATHS:
            if (found := pattern.fullmatch(path)) and found[2] in actions:
                return unquote(found[1]), found[2], actions[found[2]]
        return "", "", "unknown"

    @property
    def vendor(self) -> Vendor:
        """Whose dialect the request is in."""
        kind = self.format
        if kind.startswith("gemini"):
            return "gemini"
        if kind.startswith("bedrock"):
            return "bedrock"
        if own := next((v for v in _OWN_VENDORS if kind.startswith(v)), None):
            return own
        return "anthropic" if self.is_anthropic else "openai"

    @property
    def is_anthropic(self) -> bool:
        return self.format in ("messages", "count_tokens") or "anthropic-version" in self.headers

    @property
    def model(self) -> str:
        """The model that was asked for; empty if neither body nor path names one."""
        return self._named[0] or str(self.field("model") or "")

    @property
    def stream(self) -> bool:
        asked = self.field("stream") or self.field("stream_format") == "sse"
        return self._named[1] in _STREAMING or bool(asked)

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
        values = [self.field(name) for name in _LIMITS]
        for outer, name in _NESTED_LIMITS:
            inside = self.field(outer)
            values.append(inside.get(name) if isinstance(inside, Mapping) else None)
        return next((value for value in values if isinstance(value, int)), None)

    def field(self, name: str) -> Any:
        """A field of the JSON body, or ``None``."""
        return None if self.body is None else self.body.get(name)


def parse_body(raw: bytes, content_type: str = "") -> Mapping[str, Any] | None:
    """The object in a JSON body, or the fields of a form; None for anything else."""
    if (form := parse_multipart(content_type, raw)) is not None:
        return form
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


_TURNS = ("messages", "contents", "input", "prompt", "inputText", "message", "inputs")


def _last_user_text(body: Mapping[str, Any]) -> str:
    turns = next((body[name] for name in _TURNS if body.get(name)), "")
    if not isinstance(turns, list):
        return text_of(turns)
    users = [t for t in turns if isinstance(t, Mapping) and t.get("role") == "user"]
    if not users:
        return text_of(turns)
    return text_of(users[-1].get("content") or users[-1].get("parts"))
