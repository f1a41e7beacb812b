"""From a request and a behaviour to the bytes of a reply. Pure: *now* is an argument."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from spanledger.testing.providers import (
    _anthropic,
    _bedrock,
    _cohere,
    _errors,
    _gemini,
    _headers,
    _mistral,
    _ollama,
    _openai_chat,
    _openai_media,
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
_AWS_EVENTS = "application/vnd.amazon.eventstream"


_Body = Callable[[RecordedRequest, Answer, float], Any]
_Events = Callable[[RecordedRequest, Answer, float], tuple[bytes, ...]]

#: How each format is answered as a whole; *now* is of use to some.
_BODIES: dict[str, _Body] = {
    "chat": _openai_chat.chat_body,
    "responses": _openai_responses.response_body,
    "embeddings": lambda request, made, _now: _openai_other.embeddings_body(request, made),
    "completions": _openai_other.completion_body,
    "images": _openai_media.images_body,
    "speech": _openai_media.speech_body,
    "transcription": _openai_media.transcription_body,
    "messages": lambda request, made, _now: _anthropic.message_body(request, made),
    "count_tokens": lambda request, _made, _now: {"input_tokens": _tokens_in(request)},
    "gemini_content": lambda request, made, _now: _gemini.content_body(request, made),
    "gemini_embeddings": lambda request, made, _now: _gemini.embeddings_body(request, made),
    "gemini_predict": lambda request, made, _now: _gemini.predictions_body(request, made),
    "gemini_operation": lambda request, _made, _now: _gemini.operation_body(request),
    "gemini_tokens": lambda request, _made, _now: _gemini.token_count_body(_tokens_in(request)),
    "bedrock_converse": lambda request, made, _now: _bedrock.converse_body(request, made),
    "bedrock_invoke": lambda request, made, _now: _bedrock.invoke_body(request, made),
    "mistral_chat": _mistral.completion_body,
    "mistral_conversation": lambda request, made, _now: _mistral.conversation_body(request, made),
    "mistral_embeddings": lambda request, made, _now: _mistral.embeddings_body(request, made),
    "cohere_chat": lambda request, made, _now: _cohere.chat_body(request, made),
    "cohere_chat_v1": lambda request, made, _now: _cohere.chat_v1_body(request, made),
    "cohere_embeddings": lambda request, made, _now: _cohere.embeddings_body(request, made),
    "cohere_ranking": lambda request, _made, _now: _cohere.ranking_body(request),
    "ollama_chat": _ollama.body,
    "ollama_generate": _ollama.body,
    "ollama_embeddings": lambda request, made, _now: _ollama.embeddings_body(request, made),
    "bedrock_tokens": lambda request, _made, _now: {"inputTokens": _tokens_in(request)},
}
#: How each format is streamed. What is not in here never is.
_STREAMS: dict[str, _Events] = {
    "chat": _openai_chat.chat_events,
    "responses": _openai_responses.response_events,
    "completions": _openai_other.completion_events,
    "images": _openai_media.image_events,
    "speech": _openai_media.speech_events,
    "transcription": _openai_media.transcription_events,
    "messages": lambda request, made, _now: _anthropic.message_events(request, made),
    "gemini_content": lambda request, made, _now: _gemini.content_events(request, made),
    "bedrock_converse": lambda request, made, _now: _bedrock.converse_events(request, made),
    "bedrock_invoke": lambda request, made, _now: _bedrock.invoke_events(request, made),
    "mistral_chat": _mistral.completion_events,
    "mistral_conversation": lambda request, made, _now: _mistral.conversation_events(request, made),
    "cohere_chat": lambda request, made, _now: _cohere.chat_events(request, made),
    "cohere_chat_v1": lambda request, made, _now: _cohere.chat_v1_events(request, made),
    "ollama_chat": _ollama.events,
    "ollama_generate": _ollama.events,
}


def _tokens_in(request: RecordedRequest) -> int:
    return count_input_tokens(request.body or {})


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
    streamed = request.stream and request.format in _STREAMS
    if streamed:
        kind, parts = _stream_type(request), _STREAMS[request.format](request, decided, now_s)
    else:
        kind, body = _whole(request, decided, now_s)
        parts = (body,)
    own: dict[str, str] = dict(reply.headers)
    if request.format == "bedrock_invoke" and not streamed:
        own |= _bedrock.invoke_headers(decided)
    return Rendered(
        headers=_with_type(request, 200, now_s, kind, own),
        parts=parts,
        stream=streamed,
        delay_s=reply.delay_s,
        part_delay_s=reply.chunk_delay_s,
    )


def _whole(request: RecordedRequest, decided: Answer, now_s: float) -> tuple[str, bytes]:
    made = _BODIES[request.format](request, decided, now_s)
    if isinstance(made, bytes):
        return _openai_media.content_type(request), made
    return _JSON, json_bytes(made)


def _stream_type(request: RecordedRequest) -> str:
    if request.vendor == "ollama":
        return "application/x-ndjson"
    if request.format == "cohere_chat_v1":
        return "application/stream+json"
    return _AWS_EVENTS if request.vendor == "bedrock" else _EVENTS


def _fail(request: RecordedRequest, fail: Fail, now_s: float) -> Rendered:
    extra: dict[str, str] = dict(fail.headers)
    if fail.retry_after_s is not None:
        extra["retry-after"] = f"{fail.retry_after_s:g}"
        if request.vendor == "bedrock":
            extra["x-amz-retry-after"] = str(round(fail.retry_after_s * 1000))
    if request.vendor == "bedrock":
        extra["x-amzn-errortype"] = fail.code or _errors.bedrock_error(fail.status)
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
