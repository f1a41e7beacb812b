"""The gate of the `google-genai` client, of the Gemini API and of Vertex AI alike.

Every call of its models goes through ``BaseApiClient._request`` or ``_async_request``, which hold
the retries and know the whole request; one attempt is ``_request_once``. Streams are read by
``HttpResponse.segments``, below the client's own parsing.
"""

import copy
import json
import sys
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

from spanledger.instrumentation import _google_dialect as dialect
from spanledger.instrumentation._clients import Watched
from spanledger.instrumentation._exchange import Exchange
from spanledger.instrumentation._facts import Answers, Request
from spanledger.instrumentation._funnel import (
    Attempts,
    active,
    attempts_of,
    call_for,
    innermost,
    observe,
)
from spanledger.instrumentation._options import options
from spanledger.instrumentation._streams import ObservedAsyncStream, ObservedStream
from spanledger.instrumentation._wrapping import unwrap, wrap

_CLIENT = "google-genai"
#: Under which name a response holds what watches over its stream.
_HELD = "_spanledger_stream"


def gate(client: Watched, funnel: Any) -> list[str]:
    """Wrap the funnel; the names of what was wrapped, for `doctor`.

    Raises `AttributeError` if the library does not have the functions that we know.
    """
    wanted: dict[Any, dict[str, Any]] = {
        funnel.BaseApiClient: {
            "_request": _request,
            "_request_once": _request_once,
            "_async_request": _async_request,
            "_async_request_once": _async_request_once,
        },
        funnel.HttpResponse: {"segments": _segments, "async_segments": _async_segments},
        funnel: {"retry_args": _retry_args},
    }
    # All or nothing: a library that lacks one of these is not half gated.
    places = [(o, n, w) for o, found in wanted.items() for n, w in found.items() if getattr(o, n)]
    wrapped = [name for owner, n, wrapper in places for name in wrap(owner, n, wrapper)]
    if hasattr(funnel.BaseApiClient, "_get_aiohttp_session"):
        wrapped += wrap(funnel.BaseApiClient, "_get_aiohttp_session", _get_aiohttp_session)
    active.add(client.name)
    return wrapped


def ungate(client: Watched, funnel: Any) -> None:
    """Put the library's own functions back, as far as nobody has wrapped ours."""
    active.discard(client.name)
    for owner in (funnel.BaseApiClient, funnel.HttpResponse, funnel):
        unwrap(owner)


# --- the whole call ---------------------------------------------------------------------------


def _request(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    call, target = _begin(instance, args, kwargs)
    if call is None or target is None:
        return wrapped(*args, **kwargs)
    with call:
        call.first()
        response = wrapped(*args, **kwargs)
    observe(call.exchange, lambda: _look(call.exchange, target, response))
    return response


async def _async_request(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    call, target = _begin(instance, args, kwargs)
    if call is None or target is None:
        return await wrapped(*args, **kwargs)
    with call:
        await call.first_async()
        response = await wrapped(*args, **kwargs)
    observe(call.exchange, lambda: _look(call.exchange, target, response))
    return response


def _begin(instance: Any, args: Any, kwargs: Any) -> tuple[Attempts | None, dialect.Target | None]:
    http_request = _sent(args, kwargs)
    target = dialect.target_of(http_request.url)
    if target is None or not isinstance(http_request.data, dict):
        return None, None
    return call_for(_CLIENT, http_request, lambda: _read(instance, http_request, target)), target


def _sent(args: Any, kwargs: Any) -> Any:
    return args[0] if args else kwargs["http_request"]


def _read(instance: Any, http_request: Any, target: dialect.Target) -> tuple[Request, Answers]:
    limit = options.default_max_output_tokens
    if limit is not None:
        limited = dialect.with_output_limit(target, http_request.data, limit)
        http_request.data = http_request.data if limited is None else limited
    asked = dialect.read_request(target, http_request.data)
    request = Request(
        asked.operation,
        dialect.provider_of(vertex=bool(instance.vertexai)),
        target.model,
        asked.body,
        asked.stream,
        asked.max_output_tokens,
        asked.choices,
        target.host,
    )
    return request, asked.answers


def _look(exchange: Exchange, target: dialect.Target, response: Any) -> None:
    if exchange.request.stream:
        exchange.streams()
        response.__dict__[_HELD] = _Held(exchange)
        # Weak: the response holds the exchange.
        weak = weakref.ref(response)
        exchange.is_readable = lambda: weak() is not None
        return
    body = response.response_stream[0] if response.response_stream else ""
    exchange.replied(json.loads(body) if dialect.needs_parsing(target.action, body) else {})


# --- one attempt ------------------------------------------------------------------------------


def _request_once(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    call = attempts_of(_sent(args, kwargs))
    if call is None:
        return wrapped(*args, **kwargs)
    call.begin()
    try:
        response = wrapped(*args, **kwargs)
    except Exception as error:
        call.failed(error)
        raise
    call.answered()
    return response


async def _async_request_once(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    call = attempts_of(_sent(args, kwargs))
    if call is None:
        return await wrapped(*args, **kwargs)
    await call.begin_async()
    call.connections = 0
    try:
        response = await wrapped(*args, **kwargs)
    except Exception as error:
        call.failed(error)
        raise
    call.answered()
    return response


def _retry_args(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    """The client's retry policy, which tells us when it is about to sleep before another attempt.

    A client that was made before its gate has another one; its failed attempt is settled when
    the next one begins.
    """
    made = wrapped(*args, **kwargs)
    if "wait" in made:
        made["before_sleep"] = _before_sleep(made.get("before_sleep"))
    return made


def _before_sleep(theirs: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    def before_sleep(state: Any) -> Any:
        call = attempts_of(state.args[0]) if state.args else None
        if call is not None:
            call.another_follows()
        return None if theirs is None else theirs(state)

    return before_sleep


async def _get_aiohttp_session(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    """The connection of one attempt over aiohttp.

    Without a retry policy of its user the client asks for it a second time, and sends again,
    when the first connection broke.
    """
    call = innermost()
    if call is not None and type(call.of).__name__ == "HttpRequest":
        if call.connections:
            call.failed(sys.exc_info()[1])
            await call.begin_async()
        call.connections += 1
    return await wrapped(*args, **kwargs)


# --- streams ----------------------------------------------------------------------------------


class _Held:
    """Goes with its response: a stream that nobody read is forgotten when that is."""

    __slots__ = ("exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def __del__(self) -> None:
        self.exchange.abandoned()


class _Segments(ObservedStream):
    """The parsed events of a stream; one that is an error is raised by the client behind us."""

    __slots__ = ()

    def __next__(self) -> Any:
        chunk = super().__next__()
        _note_error(self._exchange, chunk)
        return chunk


class _AsyncSegments(ObservedAsyncStream):
    """The same for coroutines."""

    __slots__ = ()

    async def __anext__(self) -> Any:
        chunk = await super().__anext__()
        _note_error(self._exchange, chunk)
        return chunk


def _segments(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    held = instance.__dict__.get(_HELD)
    made = wrapped(*args, **kwargs)
    return made if held is None else _Segments(made, held.exchange)


def _async_segments(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    held = instance.__dict__.get(_HELD)
    if held is None:
        return wrapped(*args, **kwargs)
    # Of a copy: the client puts the iterator into its response, which the iterator holds, and
    # a circle is found by nobody but the garbage collector.
    twin = copy.copy(instance)
    twin.__dict__.pop(_HELD)
    twin.__dict__.pop("segment_iterator", None)
    return _AsyncSegments(twin.async_segments(*args, **kwargs), held.exchange)


def _note_error(exchange: Exchange, chunk: Any) -> None:
    if type(chunk) is dict and "error" in chunk:
        exchange.failed(_error_of(chunk))


def _error_of(chunk: dict[str, Any]) -> Exception:
    """The error as which the client will raise this event."""
    errors: ModuleType | None = sys.modules.get("google.genai.errors")
    try:
        code = chunk["error"].get("code")
        errors.APIError.raise_error(code, chunk, None)  # type: ignore[union-attr]  # caught below
    except Exception as error:  # noqa: BLE001 - this is what it is called for
        return error
    return RuntimeError("The stream ended in an error.")
