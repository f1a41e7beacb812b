"""Observers of response bodies: they notice a close by any road, and read what nobody parses.

``close`` of a client's stream, of its helper objects and of the response itself all end in
``close`` of the body, so that is where a stream that is left early is noticed. Bytes that are
not read by our observer of the parsed stream are read here: the caller asked for the raw
response, or a helper (of older anthropic clients, of other instrumentations) builds a stream
of its own over it.
"""

import asyncio
import functools
import json
import sys
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Literal

from spanledger.instrumentation._exchange import Exchange
from spanledger.instrumentation._facts import ReportedFailure

#: Kinds of bodies that are made of events: lines of JSON, with or without a word before them.
_EVENTS = ("text/event-stream", "application/x-ndjson", "application/stream+json")
#: A raw JSON body that is longer is not kept, and its call is estimated.
_MAX_BODY_BYTES = 16 * 1024 * 1024

Kind = Literal["events", "whole"]
#: Bodies in which there is nothing for us to read.
_BINARY = ("audio/", "image/", "video/", "application/octet-stream", "application/vnd.amazon.")


class BodyReader:
    """Reads usage out of the bytes of a raw response: server-sent events, or a whole."""

    def __init__(self, exchange: Exchange, kind: Kind | None) -> None:
        self._exchange = exchange
        self._kind = kind
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body. Raises the refusal if the stream must be cut."""
        if self._kind is None:
            self._exchange.unreadable()
            return
        self._buffer += data
        if self._kind == "events":
            self._read_events()
        elif len(self._buffer) > _MAX_BODY_BYTES:
            self._kind = None
            self._buffer.clear()

    def _read_events(self) -> None:
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            # Some streams have no word before the JSON of an event.
            data = line[5:] if line.startswith(b"data:") else line
            if data.lstrip().startswith(b"{") and (chunk := _parsed(data)) is not None:
                self._take(chunk)

    def _take(self, chunk: dict[str, Any]) -> None:
        if (error := _error_in(chunk)) is not None:
            # The client would raise it, if it parsed this stream.
            self._exchange.failed(reported(error))
        elif (refusal := self._exchange.chunk(chunk)) is not None:
            raise refusal

    def end(self) -> None:
        """The body is complete."""
        if self._kind == "whole" and self._buffer:
            self._exchange.replied(_object_or_text(bytes(self._buffer)))
        else:
            self._exchange.exhausted()


def read_body(response: Any, exchange: Exchange) -> None:
    """Read the body of a response that is here as a whole."""
    if (kind := _kind_of(response, decoded=True)) is None:
        exchange.replied(None)
    elif kind == "whole":
        exchange.replied(_object_or_text(response.content))
    else:
        exchange.streams()
        reader = BodyReader(exchange, kind)
        reader.feed(response.content)
        reader.end()


def _object_or_text(data: bytes) -> Any:
    """A body in the form in which dialects take it. Raises `ValueError` for a broken object."""
    return json.loads(data) if data[:1] in b"{[" else data.decode("utf-8", "replace")


def reported(error: Mapping[str, Any]) -> ReportedFailure:
    """An error that came inside of an answer."""
    word = error.get("code") or error.get("type")
    message = error.get("message")
    return ReportedFailure(
        word if isinstance(word, str) else "error", message if isinstance(message, str) else ""
    )


def _error_in(chunk: dict[str, Any]) -> Mapping[str, Any] | None:
    """What an event says of an error, in the words of most or of Cohere."""
    if isinstance(error := chunk.get("error"), dict):
        return error
    delta = chunk.get("delta")
    if isinstance(delta, dict) and isinstance(message := delta.get("error"), str):
        return {"message": message}
    return {"message": ""} if chunk.get("finish_reason") == "ERROR" else None


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

    def _failed(self, error: BaseException) -> None:
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
            except (Exception, asyncio.CancelledError, KeyboardInterrupt) as error:
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
            except (Exception, asyncio.CancelledError, KeyboardInterrupt) as error:
                self._failed(error)
                raise
            self._ended()

        async def aclose(self) -> None:
            self._closed()
            await self._inner.aclose()

    return ObservedBody, ObservedAsyncBody


def _library_of(response: type) -> str:
    """``httpx`` or ``httpx2``: a client may have a class of its own for its responses."""
    names = [cls.__module__.partition(".")[0] for cls in response.__mro__]
    return next((name for name in names if name in {"httpx", "httpx2"}), names[0])


_classes = functools.lru_cache(maxsize=4)(_body_classes)


def observe_body(response: Any, exchange: Exchange, *, asynchronous: bool) -> None:
    """Put an observer on the body of an HTTP response that is still to be read."""
    package = _library_of(type(response))
    cls = _classes(package)[asynchronous]
    response.stream = cls(
        response.stream, exchange, BodyReader(exchange, _kind_of(response, decoded=False))
    )
    # Weak: the body belongs to the response and holds the exchange.
    weak = weakref.ref(response)
    exchange.is_readable = lambda: (held := weak()) is not None and not held.is_closed


def _kind_of(response: Any, *, decoded: bool) -> Kind | None:
    """What of a body can be read by us; None if nothing can."""
    headers = response.headers
    if not decoded and headers.get("content-encoding", "identity") not in {"", "identity"}:
        return None
    named = headers.get("content-type", "")
    if named.startswith(_BINARY):
        return None
    return "events" if named.startswith(_EVENTS) else "whole"
