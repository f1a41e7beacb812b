"""Observers of response bodies: they notice a close by any road, and read raw responses.

``close`` of a client's stream, of its helper objects and of the response itself all end in
``close`` of the body, so that is where a stream that is left early is noticed. Where the
caller asked for the raw response, the bytes are all there is to read.
"""

import functools
import json
import sys
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
        """Take the next bytes of the body."""
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
                self._exchange.chunk(chunk)

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

    def __init__(self, inner: Any, exchange: Exchange, reader: BodyReader | None) -> None:
        self._inner = inner
        self._exchange = exchange
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        # The anthropic client looks for its own observer on the body.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._inner, name)

    def _ended(self) -> None:
        if self._reader is not None:
            self._reader.end()

    def _closed(self) -> None:
        # With a reader at work the bytes are the stream: a close before the end leaves it.
        self._exchange.closed()


def _body_classes(package: str) -> tuple[type[Any], type[Any]]:
    """Observed bodies for ``httpx`` or ``httpx2``, whichever made the response."""
    httpx = sys.modules[package]

    class ObservedBody(_Observed, httpx.SyncByteStream):  # type: ignore[name-defined,misc]  # a module found at run time
        def __iter__(self) -> Iterator[bytes]:
            for data in self._inner:
                if self._reader is not None:
                    self._reader.feed(data)
                yield data
            self._ended()

        def close(self) -> None:
            self._closed()
            self._inner.close()

    class ObservedAsyncBody(_Observed, httpx.AsyncByteStream):  # type: ignore[name-defined,misc]  # a module found at run time
        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for data in self._inner:
                if self._reader is not None:
                    self._reader.feed(data)
                yield data
            self._ended()

        async def aclose(self) -> None:
            self._closed()
            await self._inner.aclose()

    return ObservedBody, ObservedAsyncBody


_classes = functools.lru_cache(maxsize=4)(_body_classes)


def observe_body(response: Any, exchange: Exchange, *, asynchronous: bool, raw: bool) -> None:
    """Put an observer on the body of an HTTP response that is still to be read."""
    package = type(response).__module__.partition(".")[0]
    cls = _classes(package)[asynchronous]
    reader = _reader(response, exchange) if raw else None
    response.stream = cls(response.stream, exchange, reader)


def _reader(response: Any, exchange: Exchange) -> BodyReader:
    headers = response.headers
    return BodyReader(
        exchange,
        events="text/event-stream" in headers.get("content-type", ""),
        readable=headers.get("content-encoding", "identity") in {"", "identity"},
    )
