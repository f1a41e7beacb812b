"""The gate of the `ollama` client: of servers on this machine, and of Ollama's own.

Every call goes through ``_request`` of its two clients, which never try again. A stream is a
generator there that sends nothing before its first chunk is asked for, so the call begins then.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from spanledger.instrumentation import _ollama_dialect as dialect
from spanledger.instrumentation._clients import Watched
from spanledger.instrumentation._exchange import Exchange
from spanledger.instrumentation._facts import Request
from spanledger.instrumentation._funnel import Attempts, active, call_for, observe
from spanledger.instrumentation._options import options
from spanledger.instrumentation._streams import ObservedAsyncStream, ObservedStream
from spanledger.instrumentation._wrapping import unwrap, wrap

_CLIENT = "ollama"

_Begin = Callable[[], Attempts | None]


def gate(client: Watched, funnel: Any) -> list[str]:
    """Wrap the funnel; the names of what was wrapped, for `doctor`.

    Raises `AttributeError` if the library does not have the functions that we know.
    """
    # All or nothing: a library that lacks one of these is not half gated.
    plain, asynchronous = funnel.Client._request, funnel.AsyncClient._request
    wrapped = wrap(funnel.Client, plain.__name__, _request)
    wrapped += wrap(funnel.AsyncClient, asynchronous.__name__, _async_request)
    active.add(client.name)
    return wrapped


def ungate(client: Watched, funnel: Any) -> None:
    """Put the library's own functions back, as far as nobody has wrapped ours."""
    active.discard(client.name)
    unwrap(funnel.Client)
    unwrap(funnel.AsyncClient)


def _request(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    begin, kwargs = _prepare(instance, args, kwargs)
    if begin is None:
        return wrapped(*args, **kwargs)
    if kwargs.get("stream"):
        return _Stream(begin, wrapped(*args, **kwargs))
    if (call := begin()) is None:
        return wrapped(*args, **kwargs)
    with call:
        call.first()
        reply = wrapped(*args, **kwargs)
    observe(call.exchange, lambda: call.exchange.replied(reply))
    return reply


async def _async_request(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    begin, kwargs = _prepare(instance, args, kwargs)
    if begin is None:
        return await wrapped(*args, **kwargs)
    if kwargs.get("stream"):
        return _AsyncStream(begin, await wrapped(*args, **kwargs))
    if (call := begin()) is None:
        return await wrapped(*args, **kwargs)
    with call:
        await call.first_async()
        reply = await wrapped(*args, **kwargs)
    observe(call.exchange, lambda: call.exchange.replied(reply))
    return reply


def _prepare(instance: Any, args: Any, kwargs: Any) -> tuple[_Begin | None, Any]:
    """What begins the call, and the arguments to make it with."""
    # The class of the answer, the method and the path.
    answers = dialect.answers_of(args[2]) if len(args) > 2 else None
    body = kwargs.get("json")
    if answers is None or not isinstance(body, dict):
        return None, kwargs
    if (limit := options.default_max_output_tokens) is not None:
        body = answers.with_output_limit(body, limit) or body
    sent = body
    return lambda: call_for(_CLIENT, sent, lambda: (_read(instance, answers, sent), answers)), {
        **kwargs,
        "json": body,
    }


def _read(instance: Any, answers: dialect.Chat, body: dict[str, Any]) -> Request:
    return Request(
        answers.operation,
        dialect.PROVIDER,
        str(body.get("model") or ""),
        answers.readable(body),
        bool(body.get("stream")),
        answers.max_output_tokens(body),
        1,
        instance._client.base_url.host,
    )


def _answered(exchange: Exchange) -> None:
    exchange.answered = exchange.returned = True
    exchange.streams()


class _Stream:
    """A stream whose call begins with its first chunk."""

    def __init__(self, begin: _Begin, inner: Iterator[Any]) -> None:
        self._begin: _Begin | None = begin
        self._chunks = inner

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        begin, self._begin = self._begin, None
        if begin is None or (call := begin()) is None:
            return next(self._chunks)
        inner = self._chunks
        with call:
            call.first()
            first = [next(inner, None)]
        _answered(call.exchange)
        self._chunks = ObservedStream(_with_first(first, inner), call.exchange)
        return next(self._chunks)

    def close(self) -> None:
        """Close the stream; what it used is settled."""
        self._begin = None
        self._chunks.close()  # type: ignore[attr-defined]  # a generator, or our observer


def _with_first(first: list[Any], inner: Any) -> Iterator[Any]:
    try:
        while first:
            chunk = first.pop()
            if chunk is None:
                return
            yield chunk
        yield from inner
    finally:
        inner.close()


class _AsyncStream:
    """The same for coroutines."""

    def __init__(self, begin: _Begin, inner: AsyncIterator[Any]) -> None:
        self._begin: _Begin | None = begin
        self._chunks = inner

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        begin, self._begin = self._begin, None
        if begin is None or (call := begin()) is None:
            return await anext(self._chunks)
        inner = self._chunks
        with call:
            await call.first_async()
            first = [await anext(inner, None)]
        _answered(call.exchange)
        self._chunks = ObservedAsyncStream(_async_with_first(first, inner), call.exchange)
        return await anext(self._chunks)

    async def aclose(self) -> None:
        """Close the stream; what it used is settled."""
        self._begin = None
        await self._chunks.aclose()  # type: ignore[attr-defined]  # a generator, or our observer


async def _async_with_first(first: list[Any], inner: Any) -> AsyncIterator[Any]:
    try:
        while first:
            chunk = first.pop()
            if chunk is None:
                return
            yield chunk
        async for chunk in inner:
            yield chunk
    finally:
        await inner.aclose()
