"""The gate of the `cohere` client, both versions of the API.

Every call goes through ``HttpClient.request``, which calls itself for another attempt after it has
asked one of two functions how long to sleep; or through ``HttpClient.stream``, which makes one
attempt and sends nothing before its block begins.
"""

import sys
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from spanledger.instrumentation import _cohere_dialect as dialect
from spanledger.instrumentation._clients import Watched
from spanledger.instrumentation._facts import Request
from spanledger.instrumentation._funnel import Attempts, active, call_for, innermost, observe
from spanledger.instrumentation._http_answers import read_answer
from spanledger.instrumentation._options import options
from spanledger.instrumentation._wrapping import unwrap, wrap

_CLIENT = "cohere"


def gate(client: Watched, funnel: Any) -> list[str]:
    """Wrap the funnel; the names of what was wrapped, for `doctor`.

    Raises `AttributeError` if the library does not have the functions that we know.
    """
    wanted = [
        (funnel.HttpClient, "request", _request),
        (funnel.HttpClient, "stream", _stream),
        (funnel.AsyncHttpClient, "request", _async_request),
        (funnel.AsyncHttpClient, "stream", _async_stream),
        (funnel, "_retry_timeout", _before_sleep),
    ]
    # All or nothing: a library that lacks one of these is not half gated.
    places = [place for place in wanted if getattr(place[0], place[1])]
    wrapped = [name for owner, n, wrapper in places for name in wrap(owner, n, wrapper)]
    if hasattr(funnel, "_retry_timeout_from_retries"):
        wrapped += wrap(funnel, "_retry_timeout_from_retries", _before_sleep)
    active.add(client.name)
    return wrapped


def ungate(client: Watched, funnel: Any) -> None:
    """Put the library's own functions back, as far as nobody has wrapped ours."""
    active.discard(client.name)
    for owner in (funnel.HttpClient, funnel.AsyncHttpClient, funnel):
        unwrap(owner)


# --- the whole call ---------------------------------------------------------------------------


def _request(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    if kwargs.get("retries") and (call := _ours(instance)) is not None:
        call.begin()
        return wrapped(*args, **kwargs)
    call, kwargs = _begin(instance, args, kwargs)
    if call is None:
        return wrapped(*args, **kwargs)
    with call:
        call.first()
        call.begin()
        response = wrapped(*args, **kwargs)
    _look(call, response, asynchronous=False)
    return response


async def _async_request(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    if kwargs.get("retries") and (call := _ours(instance)) is not None:
        await call.begin_async()
        return await wrapped(*args, **kwargs)
    call, kwargs = _begin(instance, args, kwargs)
    if call is None:
        return await wrapped(*args, **kwargs)
    with call:
        await call.first_async()
        await call.begin_async()
        response = await wrapped(*args, **kwargs)
    _look(call, response, asynchronous=True)
    return response


def _stream(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    call, kwargs = _begin(instance, args, kwargs)
    made = wrapped(*args, **kwargs)
    return made if call is None else _Block(call, made)


def _async_stream(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    call, kwargs = _begin(instance, args, kwargs)
    made = wrapped(*args, **kwargs)
    return made if call is None else _AsyncBlock(call, made)


def _begin(instance: Any, args: Any, kwargs: Any) -> tuple[Attempts | None, Any]:
    """The call, and the arguments to make it with."""
    answers = dialect.answers_of(args[0] if args else kwargs.get("path") or "")
    body = kwargs.get("json")
    if answers is None or not isinstance(body, dict):
        return None, kwargs

    def read() -> tuple[Request, dialect.Chat]:
        nonlocal body
        if (limit := options.default_max_output_tokens) is not None:
            body = answers.with_output_limit(_sent(body, kwargs), limit) or body
        return _read(instance, answers, _sent(body, kwargs), kwargs), answers

    call = call_for(_CLIENT, instance, read)
    return call, {**kwargs, "json": body}


def _sent(body: dict[str, Any], kwargs: Any) -> dict[str, Any]:
    """The body without what the client leaves out, and with what its user adds by hand."""
    omit, more = kwargs.get("omit"), kwargs.get("request_options") or {}
    sent = {name: value for name, value in body.items() if value is not None and value is not omit}
    return {**sent, **(more.get("additional_body_parameters") or {})}


def _read(instance: Any, answers: dialect.Chat, body: dict[str, Any], kwargs: Any) -> Request:
    limit = body.get("max_tokens")
    return Request(
        answers.operation,
        dialect.PROVIDER,
        str(body.get("model") or ""),
        answers.readable(body),
        bool(body.get("stream")),
        limit if isinstance(limit, int) and limit > 0 else None,
        1,
        urlsplit(instance.get_base_url(kwargs.get("base_url"))).hostname or "",
    )


def _look(call: Attempts, response: Any, *, asynchronous: bool) -> None:
    exchange = call.exchange
    exchange.answered = not response.is_error
    observe(exchange, lambda: read_answer(exchange, response, asynchronous=asynchronous))


class _Block:
    """The block in which a stream is read; the call begins with it."""

    __slots__ = ("_call", "_made")

    def __init__(self, call: Attempts, made: Any) -> None:
        self._call = call
        self._made = made

    def __enter__(self) -> Any:
        with self._call as call:
            call.first()
            response = self._made.__enter__()
        _look(call, response, asynchronous=False)
        return response

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        return self._made.__exit__(kind, error, traceback)


class _AsyncBlock(_Block):
    """The same for coroutines."""

    __slots__ = ()

    async def __aenter__(self) -> Any:
        with self._call as call:
            await call.first_async()
            response = await self._made.__aenter__()
        _look(call, response, asynchronous=True)
        return response

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        return await self._made.__aexit__(kind, error, traceback)


# --- attempts ---------------------------------------------------------------------------------


def _ours(instance: Any) -> Attempts | None:
    call = innermost()
    return call if call is not None and call.of is instance else None


def _before_sleep(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    """What is asked for the length of the pause before another attempt."""
    call = innermost()
    if call is not None and type(call.of).__module__ == "cohere.core.http_client":
        response = kwargs.get("response")
        if response is None:
            call.failed(sys.exc_info()[1])
        else:
            call.failed_with(response.status_code, response)
        call.another_follows()
    return wrapped(*args, **kwargs)
