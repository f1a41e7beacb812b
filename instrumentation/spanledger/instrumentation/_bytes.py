"""Observers of response bodies: they notice a close by any road, and read what nobody parses.

``close`` of a client's stream, of its helper objects and of the response itself all end in
``close`` of the body, so that is where a stream that is left early is noticed. Bytes that are
not read by our observer of the parsed stream are read here: the caller asked for the raw
response, or a helper (of older anthropic clients, of other instrumentations) builds a stream
of its own over it.
"""

import functools
import json
import sys
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

from spanledger.instrumentation._exchange import Exchange

#: A raw JSON body that is longer is not kept, and its call is estimated.
_MAX_BODY_BYTES = 16 * 1024 * 1024


class BodyReader:
    """Reads usage out of the bytes of a raw response: server-sent events, or one JSON value."""

    def __init__(self, exchange: Exchange, *, events: bool, readable: bool) -> None:
        self._exchange = exchange
        self._events = events
        self._readable = readable
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body. Raises the refusal if the stream must be cut."""
        if not self._readable:
            return
        self._buffer += data
        if self._events:
            self._read_events()
        elif len(self._buffer) > _MAX_BODY_BYTES:
            self._readable = False

    def _read_events(self) -> None:
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            if line.startswith(b"data:") and (chunk := _parsed(line[5:])) is not None:
                refusal = self._exchange.chunk(chunk)
                if refusal is not None:
                    raise refusal

    def end(self) -> None:
        """The body is complete."""
        whole = _parsed(bytes(self._buffer)) if self._readable and not self._events else None
        if whole is not None:
            self._exchange.replied(whole)
        else:
            self._exchange.exhausted()


def _parsed(data: bytes) -> Any:
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


class _Observed:
    """What the two kinds of body have in common."""

    def __init__(self, inner: Any, exchange: Exchange, reader: BodyReader) -> None:
        self._inner = inner
        self._exchange = exchange
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        # The anthropic client looks for its own observer on the body.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._inner, name)

    def __del__(self) -> None:
        # The response was forgotten: nobody can read it any more.
        self._exchange.abandoned()

    def _feed(self, data: bytes) -> None:
        if not self._exchange.reading:
            self._reader.feed(data)

    def _ended(self) -> None:
        if not self._exchange.reading:
            self._reader.end()

    def _failed(self, error: Exception) -> None:
        if not self._exchange.reading:
            self._exchange.failed(error)

    def _closed(self) -> None:
        self._exchange.closed()


def _body_classes(package: str) -> tuple[type[Any], type[Any]]:
    """Observed bodies for ``httpx`` or ``httpx2``, whichever made the response."""
    httpx = sys.modules[package]

    class ObservedBody(_Observed, httpx.SyncByteStream):  # type: ignore[name-defined,misc]  # a module found at run time
        def __iter__(self) -> Iterator[bytes]:
            try:
                for data in self._inner:
                    self._feed(data)
                    yield data
            except Exception as error:
                self._failed(error)
                raise
            self._ended()

        def close(self) -> None:
            self._closed()
            self._inner.close()

    class ObservedAsyncBody(_Observed, httpx.AsyncByteStream):  # type: ignore[name-defined,misc]  # a module found at run time
        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for data in self._inner:
                    self._feed(data)
                    yield data
            except Exception as error:
                self._failed(error)
                raise
            self._ended()

        async def aclose(self) -> None:
            self._closed()
            await self._inner.aclose()

    return ObservedBody, ObservedAsyncBody


_classes = functools.lru_cache(maxsize=4)(_body_classes)


def observe_body(response: Any, exchange: Exchange, *, asynchronous: bool) -> None:
    """Put an observer on the body of an HTTP response that is still to be read."""
    package = type(response).__module__.partition(".")[0]
    cls = _classes(package)[asynchronous]
    response.stream = cls(response.stream, exchange, _reader(response, exchange))
    # Weak: the body belongs to the response and holds the exchange.
    weak = weakref.ref(response)
    exchange.is_readable = lambda: (held := weak()) is not None and not held.is_closed


def _reader(response: Any, exchange: Exchange) -> BodyReader:
    headers = response.headers
    return BodyReader(
        exchange,
        events="text/event-stream" in headers.get("content-type", ""),
        readable=headers.get("content-encoding", "identity") in {"", "identity"},
    )
