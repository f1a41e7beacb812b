"""OpenAI's images, speech and transcriptions: bodies, and the events of their streams. Pure."""

import base64
from typing import Any

from spanledger.testing.providers._behaviours import UsageSpec
from spanledger.testing.providers._rendered import DONE, data_event, named_event
from spanledger.testing.providers._request import RecordedRequest
from spanledger.testing.providers._tokens import Answer

#: No picture and no sound, but bytes that are neither text nor JSON.
_BYTES = bytes(range(128, 160))
_AS_TEXT = base64.b64encode(_BYTES).decode()
_SECONDS = 3.0


def images_body(request: RecordedRequest, answer: Answer, now_s: float) -> dict[str, Any]:
    body: dict[str, Any] = {
        "created": int(now_s),
        "data": [{"b64_json": _AS_TEXT}] * answer.choices,
    }
    return body if answer.usage is None else {**body, "usage": _image_usage(answer.usage)}


def image_events(request: RecordedRequest, answer: Answer, now_s: float) -> tuple[bytes, ...]:
    """Partial pictures as they were asked for, and the whole one with its usage."""
    kind = "image_edit" if request.path.endswith("/edits") else "image_generation"
    made = {"b64_json": _AS_TEXT, "created_at": int(now_s), "output_format": "png"}
    partial = [
        named_event(f"{kind}.partial_image", {**made, "partial_image_index": i})
        for i in range(int(request.field("partial_images") or 0))
    ]
    usage = {} if answer.usage is None else {"usage": _image_usage(answer.usage)}
    return (*partial, named_event(f"{kind}.completed", {**made, **usage}))


def speech_body(request: RecordedRequest, answer: Answer, now_s: float) -> bytes:
    return _BYTES


def speech_events(request: RecordedRequest, answer: Answer, now_s: float) -> tuple[bytes, ...]:
    deltas = [{"type": "speech.audio.delta", "audio": _AS_TEXT}] * len(answer.deltas)
    usage = {} if answer.usage is None else {"usage": _totals(answer.usage)}
    return (*map(data_event, deltas), data_event({"type": "speech.audio.done", **usage}))


def transcription_body(request: RecordedRequest, answer: Answer, now_s: float) -> Any:
    """An object; plain text, as bytes, if that was asked for."""
    said = answer.text or ""
    if request.field("response_format") in {"text", "srt", "vtt"}:
        return said.encode()
    return {"text": said, **_usage(answer)}


def transcription_events(
    request: RecordedRequest, answer: Answer, now_s: float
) -> tuple[bytes, ...]:
    deltas = [{"type": "transcript.text.delta", "delta": part} for part in answer.deltas]
    last = {"type": "transcript.text.done", "text": answer.text or "", **_usage(answer)}
    return (*map(data_event, (*deltas, last)), DONE)


def content_type(request: RecordedRequest) -> str:
    """Of a body that is no object."""
    return "audio/mpeg" if request.format == "speech" else "text/plain; charset=utf-8"


def _image_usage(usage: UsageSpec) -> dict[str, Any]:
    details = {"text_tokens": usage.input_tokens, "image_tokens": 0}
    return {**_totals(usage), "input_tokens_details": details}


def _usage(answer: Answer) -> dict[str, Any]:
    if answer.usage is None:
        return {}
    if answer.model.startswith("whisper"):
        return {"usage": {"type": "duration", "seconds": _SECONDS}}
    audio = answer.usage.input_audio_tokens
    details = {"audio_tokens": audio, "text_tokens": answer.usage.input_tokens - audio}
    return {"usage": {"type": "tokens", **_totals(answer.usage), "input_token_details": details}}


def _totals(usage: UsageSpec) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
