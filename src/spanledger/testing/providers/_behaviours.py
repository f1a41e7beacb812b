"""What a mock provider can be told to do with one request. Frozen values, no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSpec:
    """The token counts that a reply reports, in the inclusive normal form.

    ``input_tokens`` holds everything that went in and ``output_tokens`` everything that came
    out; the other counts are parts of those two. The renderers translate: Anthropic's wire
    format reports its input without the cache tokens.

    Raises `ValueError` if a count is negative or a part is larger than its whole.
    """

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    """All cache writes; those that are not in ``cache_write_1h_tokens`` live 5 minutes."""
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    web_searches: int = 0
    """Server-side searches, in requests (Anthropic only)."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 0:
                raise ValueError(f"UsageSpec.{name} is {getattr(self, name)}; it must be >= 0.")
        cached = self.cache_read_tokens + self.cache_write_tokens
        _part("cache_read_tokens + cache_write_tokens", cached, "input_tokens", self.input_tokens)
        _part("input_audio_tokens", self.input_audio_tokens, "input_tokens", self.input_tokens)
        _part("reasoning_tokens", self.reasoning_tokens, "output_tokens", self.output_tokens)
        _part("output_audio_tokens", self.output_audio_tokens, "output_tokens", self.output_tokens)
        _part(
            "cache_write_1h_tokens",
            self.cache_write_1h_tokens,
            "cache_write_tokens",
            self.cache_write_tokens,
        )


def _part(name: str, part: int, whole_name: str, whole: int) -> None:
    if part > whole:
        raise ValueError(
            f"UsageSpec: {name} ({part}) is part of {whole_name} ({whole}) and cannot be larger; "
            f"raise {whole_name}, which is inclusive."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One tool call of the model. ``arguments`` is a mapping, or raw (even broken) JSON text."""

    name: str
    arguments: Mapping[str, object] | str = field(default_factory=dict)
    id: str | None = None
    """``None``: made from the request's number and the position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A successful reply, streamed if the request asks for a stream.

    With ``text=None`` and no tool call and no refusal the last user text is echoed. With
    ``usage=None`` the usage is a pure function of request and reply, see `count_tokens`, and
    the text is cut to the request's output limit, as a provider would.
    """

    text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    reasoning_text: str | None = None
    """Anthropic: a thinking block; Responses: a reasoning summary; chat: only counted."""
    usage: UsageSpec | None = None
    omit_usage: bool = False
    """Leave the usage out of the reply, as some proxies and compatible servers do."""
    finish_reason: str | None = None
    """In OpenAI's words (``stop``, ``length``, ``tool_calls``, ``content_filter``), translated
    for the other formats; any other word is sent as it is. ``None``: derived."""
    model: str | None = None
    """The model that the reply names; ``None``: the one that was asked for."""
    service_tier: str | None = None
    """The tier that the reply names; ``None``: what the request asked for, as OpenAI maps it,
    and Anthropic's ``standard``."""
    chunks: int | None = None
    """Number of text deltas of a stream; ``None``: one per word."""
    chunk_delay_s: float = 0.0
    """Pause before every event of a stream but the first."""
    delay_s: float = 0.0
    """Pause before the first byte of the reply."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.text is not None and self.refusal is not None:
            raise ValueError("Reply has a text and a refusal; a model sends one or the other.")
        if self.chunks is not None and self.chunks < 1:
            raise ValueError(f"Reply.chunks is {self.chunks}; a stream needs at least 1 delta.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """An HTTP error in the provider's documented shape (400, 401, 404, 429, 500, 529, …)."""

    status: int
    code: str | None = None
    """OpenAI: ``error.code``; Anthropic: ``error.type``. ``None``: as documented."""
    message: str | None = None
    retry_after_s: float | None = None
    delay_s: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise ValueError(f"Fail.status is {self.status}; an error status is 400 to 599.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CutStream:
    """The connection breaks after ``after_chunks`` events of the stream (all kinds count).

    A request without a stream gets the first half of its body. ``reset`` breaks with a TCP
    reset instead of an early end.
    """

    after_chunks: int
    reply: Reply = field(default_factory=Reply)
    reset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamError:
    """An error event after ``after_chunks`` events of a stream that began with status 200.

    A request without a stream gets status 500.
    """

    after_chunks: int
    reply: Reply = field(default_factory=Reply)
    code: str | None = None
    message: str | None = None
    responses_event: Literal["nested", "flat", "failed"] = "nested"
    """Responses API only: an ``error`` event as servers send it (details under ``error``), as
    it is documented (details at the top), or the terminal ``response.failed``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hang:
    """No answer for ``seconds``, then the connection ends without one.

    It ends earlier when the client goes away or the server stops.
    """

    seconds: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """Status 200 with a body that is not what the provider documents."""

    body: bytes = b'{"id": "broken", "choices": ['
    content_type: Literal["application/json", "text/event-stream", "text/html"] = "application/json"


Behaviour = Reply | Fail | CutStream | StreamError | Hang | Malformed
