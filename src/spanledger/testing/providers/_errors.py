"""Errors in each provider's documented shape: bodies, and error events of a stream. Pure."""

from collections.abc import Callable
from typing import Any

from spanledger.testing.providers import _cohere, _event_stream, _mistral, _ollama
from spanledger.testing.providers._behaviours import Fail, StreamError
from spanledger.testing.providers._rendered import data_event, named_event
from spanledger.testing.providers._request import RecordedRequest

_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}

#: status: (error.type, error.code) as OpenAI sends them.
_OPENAI_TYPES: dict[int, tuple[str, str | None]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}

_GOOGLE_STATUS = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_BEDROCK_ERRORS = {
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}

_MESSAGES = {
    400: "The request is invalid.",
    401: "Incorrect API key provided.",
    403: "The API key has no permission for this resource.",
    413: "The request exceeds the maximum size.",
    429: "Rate limit reached. Please try again later.",
    500: "The server had an error while processing your request.",
    503: "The engine is currently overloaded, please try again later.",
    529: "Overloaded",
}


def error_body(request: RecordedRequest, fail: Fail, request_id: str) -> dict[str, Any]:
    message = fail.message or _message(request, fail.status)
    if (plain := _BODIES.get(request.vendor)) is not None:
        return plain(fail, message, request_id)
    if request.is_anthropic:
        error = {"type": fail.code or _anthropic_type(fail.status), "message": message}
        return {"type": "error", "error": error, "request_id": request_id}
    kind, code = _openai_type(fail.status)
    code = fail.code or code
    param = "model" if code == "model_not_found" else None
    # An exhausted account is the one case in which OpenAI's type and code are the same word.
    kind = code if code == "insufficient_quota" else kind
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _gemini_body(fail: Fail, message: str, _request_id: str) -> dict[str, Any]:
    word = fail.code or google_status(fail.status)
    return {"error": {"code": fail.status, "message": message, "status": word}}


def _mistral_body(fail: Fail, message: str, _request_id: str) -> dict[str, Any]:
    kind = fail.code or _openai_type(fail.status)[0]
    return {"object": "error", "message": message, "type": kind, "param": None, "code": None}


#: Errors of providers of which nothing but the status is needed to write one.
_BODIES: dict[str, Callable[[Fail, str, str], dict[str, Any]]] = {
    "bedrock": lambda _fail, message, _request_id: {"message": message},
    "gemini": _gemini_body,
    "mistral": _mistral_body,
    "cohere": lambda _fail, message, request_id: {"id": request_id, "message": message},
    "ollama": lambda _fail, message, _request_id: {"error": message},
}


def error_event(request: RecordedRequest, failure: StreamError, number: int) -> bytes:
    """The event that ends a stream in an error; ``number`` is its place in the stream."""
    message = failure.message or _MESSAGES[500]
    if (plain := _EVENTS.get(request.format) or _EVENTS.get(request.vendor)) is not None:
        return plain(failure, message)
    if request.is_anthropic:
        error = {"type": failure.code or "overloaded_error", "message": message}
        return named_event("error", {"error": error})
    detail: dict[str, Any]
    detail = {"message": message, "code": failure.code or "server_error", "param": None}
    if request.format != "responses":
        return data_event({"error": {"type": "server_error", **detail, "code": failure.code}})
    if failure.responses_event == "nested":
        detail = {"error": {"type": "server_error", **detail}}
    return named_event("error", {"sequence_number": number, **detail})


def _bedrock_event(failure: StreamError, message: str) -> bytes:
    word = failure.code or "internalServerException"
    return _event_stream.exception(word, {"message": message})


def _gemini_event(failure: StreamError, message: str) -> bytes:
    word = failure.code or google_status(500)
    return data_event({"error": {"code": 500, "message": message, "status": word}})


#: The same in a stream, of a format or of all of a provider.
_EVENTS: dict[str, Callable[[StreamError, str], bytes]] = {
    "bedrock": _bedrock_event,
    "gemini": _gemini_event,
    "mistral": lambda failure, message: _mistral.error_event(message, failure.code),
    "cohere_chat_v1": lambda _failure, message: _cohere.error_line(message),
    "cohere": lambda _failure, message: _cohere.error_event(message),
    "ollama": lambda _failure, message: _ollama.error_line(message),
}


def invalid_request(request: RecordedRequest) -> Fail | None:
    """The refusal that a provider would send at once, before any behaviour applies."""
    if request.format == "unknown":
        code = None if request.is_anthropic else "unknown_url"
        return Fail(status=404, code=code, message=_unknown_url(request))
    if request.body is None and request.method != "GET":
        return Fail(status=400, message="The request body is not a JSON object.")
    for name in _required(request):
        given = request.model if name == "model" else request.field(name)
        if given in (None, "") and request.method != "GET":
            return Fail(status=400, message=f"{name}: Field required")
    return None


def _required(request: RecordedRequest) -> tuple[str, ...]:
    return {
        "chat": ("model", "messages"),
        "messages": ("model", "messages", "max_tokens"),
        "count_tokens": ("model", "messages"),
        "embeddings": ("model", "input"),
        "completions": ("model",),
        "responses": ("model",),
        "gemini_content": ("contents",),
        "gemini_predict": ("instances",),
        "bedrock_converse": ("messages",),
    }.get(request.format, ())


def _unknown_url(request: RecordedRequest) -> str:
    return (
        f"Invalid URL ({request.method} {request.path}): the mock provider serves "
        "/v1/chat/completions, /v1/responses, /v1/embeddings, /v1/completions, "
        "/v1/messages and /v1/messages/count_tokens, Gemini's …/models/MODEL:ACTION and "
        "Bedrock's /model/MODEL/ACTION."
    )


def _message(request: RecordedRequest, status: int) -> str:
    if status == 404 and not request.is_anthropic:
        return f"The model `{request.model}` does not exist or you do not have access to it."
    if status == 404:
        return f"model: {request.model}"
    return _MESSAGES.get(status) or _MESSAGES[500 if status >= 500 else 400]


def google_status(status: int) -> str:
    """Google's word for an HTTP status."""
    return _GOOGLE_STATUS.get(status) or ("INTERNAL" if status >= 500 else "INVALID_ARGUMENT")


def bedrock_error(status: int) -> str:
    """The name of Bedrock's error for an HTTP status, as the header says it."""
    fallback = "InternalServerException" if status >= 500 else "ValidationException"
    return _BEDROCK_ERRORS.get(status, fallback)


def _anthropic_type(status: int) -> str:
    fallback = "api_error" if status >= 500 else "invalid_request_error"
    return _ANTHROPIC_TYPES.get(status, fallback)


def _openai_type(status: int) -> tuple[str, str | None]:
    fallback = "server_error" if status >= 500 else "invalid_request_error"
    return _OPENAI_TYPES.get(status, (fallback, None))
