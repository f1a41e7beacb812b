"""How OpenAI's images, speech and transcriptions are read. Pure."""

import math
import re
from collections.abc import Mapping
from typing import Any

from spanledger.instrumentation._facts import Asked, Dialect, Reply, StreamReader, get, text, whole
from spanledger.usage import MISSING, Usage
from spanledger.usage import openai as usage_of
from spanledger.usage.media import Media

#: Output tokens of a picture in its two sizes, square and not, for each quality ("Image
#: generation", OpenAI); of one whose quality is left to the model, those of the dearest.
_IMAGE_TOKENS = {"low": (272, 408), "medium": (1_056, 1_584), "high": (4_160, 6_240)}
_PRICED_BY_SIZE = re.compile(r"gpt-image-1($|[-.])")
_PARTIAL_IMAGE_TOKENS = 100

#: Fast speech has some twenty tokens a second, slow speech some seven bytes of text.
_SPEECH_TOKENS_PER_BYTE = 3


class Images(Dialect):
    """``POST …/images/generations``, ``…/edits`` and ``…/variations``."""

    operation = "generate_content"

    def read_request(self, body: Mapping[str, Any]) -> Asked:
        model = text(body.get("model")) or ""
        return Asked(model, _image_tokens(model, body), whole(body.get("n")) or 1, "image")

    def read_reply(self, reply: Any) -> Reply:
        return Reply(usage_of.from_images(get(reply, "usage"), get(reply, "svg_usage")))

    def stream_reader(self) -> StreamReader:
        return _ImageStream()

    def uploaded(self, name: str, size: int) -> Media | None:
        return Media("image", size)


def _image_tokens(model: str, body: Mapping[str, Any]) -> int | None:
    """The most that one picture can be; None if nothing is published for its model."""
    if not _PRICED_BY_SIZE.match(model):
        return None
    square, other = _IMAGE_TOKENS.get(str(body.get("quality")), _IMAGE_TOKENS["high"])
    partial = (whole(body.get("partial_images")) or 0) * _PARTIAL_IMAGE_TOKENS
    return (square if body.get("size") == "1024x1024" else other) + partial


class _ImageStream:
    """Each picture ends in an event of its own, with its usage."""

    __slots__ = ("_usage", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self._usage = MISSING

    def chunk(self, chunk: Any) -> bool:
        if str(get(chunk, "type")).endswith(".completed"):
            self._usage = _sum(self._usage, usage_of.from_images(get(chunk, "usage")))
        return False

    def hidden(self, chunk: Any) -> bool:
        return False

    def reply(self) -> Reply:
        return Reply(self._usage)


def _sum(one: Usage, other: Usage) -> Usage:
    if "missing" in (one.source, other.source):
        return other if one.source == "missing" else one
    return one._replace(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cache_read_tokens=one.cache_read_tokens + other.cache_read_tokens,
        input_image_tokens=one.input_image_tokens + other.input_image_tokens,
        output_image_tokens=one.output_image_tokens + other.output_image_tokens,
    )


class Speech(Dialect):
    """``POST …/audio/speech``: the answer is sound; only its event stream says its tokens."""

    operation = "generate_content"

    def read_request(self, body: Mapping[str, Any]) -> Asked:
        speed = body.get("speed")
        slower = 1 / speed if isinstance(speed, (int, float)) and 0 < speed < 1 else 1
        size = len((text(body.get("input")) or "").encode("utf-8", "surrogatepass"))
        most = math.ceil(size * _SPEECH_TOKENS_PER_BYTE * slower)
        return Asked(text(body.get("model")) or "", most or None, 1, "audio")

    def read_reply(self, reply: Any) -> Reply:
        return Reply(_spoken(get(reply, "usage")))

    def stream_reader(self) -> StreamReader:
        return _SpeechStream()


def _spoken(usage: Any) -> Usage:
    found = usage_of.from_responses(usage)
    return found._replace(output_audio_tokens=found.output_tokens)


class _SpeechStream:
    __slots__ = ("_reply", "text")

    def __init__(self) -> None:
        # What is streamed is sound, so there is nothing to count in it.
        self.text: list[str] = []
        self._reply = Reply()

    def chunk(self, chunk: Any) -> bool:
        if get(chunk, "type") != "speech.audio.done":
            return False
        self._reply = Reply(_spoken(get(chunk, "usage")))
        return self._reply.usage.source != "missing"

    def hidden(self, chunk: Any) -> bool:
        return False

    def reply(self) -> Reply:
        return self._reply


class Transcriptions(Dialect):
    """``POST …/audio/transcriptions`` and ``…/translations``."""

    operation = "generate_content"

    def read_request(self, body: Mapping[str, Any]) -> Asked:
        return Asked(text(body.get("model")) or "")

    def read_reply(self, reply: Any) -> Reply:
        if isinstance(reply, str):
            # Plain text or subtitles.
            return Reply(text=reply)
        usage = usage_of.from_transcription(get(reply, "usage"))
        said = text(get(reply, "text")) or ""
        return Reply(usage, text=said if usage.source == "missing" else "")

    def stream_reader(self) -> StreamReader:
        return _TranscriptStream(self)

    def uploaded(self, name: str, size: int) -> Media | None:
        return Media("audio", size)


class _TranscriptStream:
    __slots__ = ("_dialect", "_reply", "text")

    def __init__(self, dialect: Transcriptions) -> None:
        self.text: list[str] = []
        self._dialect = dialect
        self._reply = Reply()

    def chunk(self, chunk: Any) -> bool:
        kind = get(chunk, "type")
        if kind == "transcript.text.delta":
            self.text.append(text(get(chunk, "delta")) or "")
        elif kind == "transcript.text.done":
            self._reply = self._dialect.read_reply(chunk)
            return self._reply.usage.source != "missing"
        return False

    def hidden(self, chunk: Any) -> bool:
        return False

    def reply(self) -> Reply:
        return self._reply


class Videos(Dialect):
    """``POST …/videos`` and what is made of one: no tokens, and no price is known."""

    operation = "generate_content"

    def read_request(self, body: Mapping[str, Any]) -> Asked:
        return Asked(text(body.get("model")) or "sora-2", None, 1, "image")

    def read_reply(self, reply: Any) -> Reply:
        return Reply(model=text(get(reply, "model")), response_id=text(get(reply, "id")))

    def stream_reader(self) -> StreamReader:
        return _ImageStream()
