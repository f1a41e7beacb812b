"""From a request and a behaviour to the bytes of a reply. Pure: *now* is an argument."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spanledger.testing.providers import (
    _anthropic,
    _errors,
    _headers,
    _openai_chat,
    _openai_other,
    _openai_responses,
)
from spanledger.testing.providers._behaviours import (
    Behaviour,
    CutStream,
    Fail,
    Hang,
    Malformed,
    Reply,
    StreamError,
)
from spanledger.testing.providers._rendered import Ending, Rendered, json_bytes
from spanledger.testing.providers._request import RecordedRequest
from spanledger.testing.providers._tokens import Answer, answer, count_input_tokens

_JSON = "application/json"
_EVENTS = "text/event-stream; charset=utf-8"


def render(request: RecordedRequest, behaviour: Behaviour, now_s: float) -> Rendered:
    """The reply to ``request``, which must be valid, under ``behaviour``."""
    match behaviour:
        case Reply():
            return _reply(request, behaviour, now_s)
        case Fail():
            return _fail(request, behaviour, now_s)
        case CutStream():
            return _cut(request, behaviour, now_s)
        case StreamError():
            return _stream_error(request, behaviour, now_s)
        case Hang():
            return Rendered(hang_s=behaviour.seconds)
        case Malformed():
            headers = _with_type(request, 200, now_s, behaviour.content_type, {})
            return Rendered(headers=headers, parts=(behaviour.body,))


def _reply(request: RecordedRequest, reply: Reply, now_s: float) -> Rendered:
    decided = answer(request, reply)
    streamed = request.stream and request.format not in ("embeddings", "count_tokens")
    parts = _events(request, decided, now_s) if streamed else (_body(request, decided, now_s),)
    kind = _EVENTS if streamed else _JSON
    return Rendered(
        headers=_with_type(request, 200, now_s, kind, reply.headers),
        parts=parts,
        stream=streamed,
        delay_s=reply.delay_s,
        part_delay_s=reply.chunk_delay_s,
    )


def _body(request: RecordedRequest, decided: Answer, now_s: float) -> bytes:
    match request.format:
        case "chat":
            body = _openai_chat.chat_body(request, decided, now_s)
        case "responses":
            body = _openai_responses.response_body(request, decided, now_s)
        case "embeddings":
            body = _openai_other.embeddings_body(request, decided)
        case "completions":
            body = _openai_other.completion_body(request, decided, now_s)
        case "count_tokens":
            body = {"input_tokens": count_input_tokens(request.body or {})}
        case _:
            body = _anthropic.message_body(request, decided)
    return json_bytes(body)


def _events(request: RecordedRequest, decided: Answer, now_s: float) -> tuple[bytes, ...]:
    match request.format:
        case "chat":
            return _openai_chat.chat_events(request, decided, now_s)
        case "responses":
            return _openai_responses.response_events(request, decided, now_s)
        case "completions":
            return _openai_other.completion_events(request, decided, now_s)
        case _:
            return _anthropic.message_events(request, decided)


def _fail(request: RecordedRequest, fail: Fail, now_s: float) -> Rendered:
    extra: dict[str, str] = dict(fail.headers)
    if fail.retry_after_s is not None:
        extra["retry-after"] = f"{fail.retry_after_s:g}"
    body = _errors.error_body(request, fail, _headers.request_id(request))
    return Rendered(
        status=fail.status,
        headers=_with_type(request, fail.status, now_s, _JSON, extra),
        parts=(json_bytes(body),),
        delay_s=fail.delay_s,
    )


def _cut(request: RecordedRequest, cut: CutStream, now_s: float) -> Rendered:
    whole = _reply(request, cut.reply, now_s)
    ending: Ending = "reset" if cut.reset else "cut"
    if whole.stream:
        return replace(whole, parts=whole.parts[: cut.after_chunks], ending=ending)
    body = whole.parts[0]
    half = (body[: len(body) // 2],)
    return replace(whole, parts=half, ending=ending, full_length=len(body))


def _stream_error(request: RecordedRequest, failure: StreamError, now_s: float) -> Rendered:
    whole = _reply(request, failure.reply, now_s)
    if not whole.stream:
        fail = Fail(status=500, code=failure.code, message=failure.message)
        return _fail(request, fail, now_s)
    kept = whole.parts[: failure.after_chunks]
    return replace(whole, parts=(*kept, _last_event(request, failure, now_s, len(kept))))


def _last_event(request: RecordedRequest, failure: StreamError, now_s: float, number: int) -> bytes:
    if failure.responses_event != "failed" or request.format != "responses":
        return _errors.error_event(request, failure, number)
    error: dict[str, Any] = {
        "code": failure.code or "server_error",
        "message": failure.message or "The server had an error while processing your request.",
    }
    decided = answer(request, failure.reply)
    return _openai_responses.failed_event(request, decided, now_s, number, error)


def _with_type(
    request: RecordedRequest, status: int, now_s: float, kind: str, extra: Mapping[str, str]
) -> dict[str, str]:
    own = _headers.provider_headers(request, status, now_s)
    return {"content-type": kind, **own, **extra}
