"""Observers of what Bedrock sends piece by piece: event streams, and bodies of InvokeModel.

`wrapt`'s proxies, so that they are still what the caller's type checks look for.
"""

import json
from collections.abc import Iterator
from typing import Any

import wrapt

from spanledger.instrumentation._bedrock_dialect import Invoke
from spanledger.instrumentation._exchange import Exchange
from spanledger.instrumentation._streams import ObservedStream

#: A longer body is not kept; the headers of the reply say what it used.
_MAX_BODY_BYTES = 16 * 1024 * 1024


class _Events(ObservedStream):
    """Their iterator; closed, it closes the stream with its connection, and not itself alone."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Any, exchange: Exchange) -> None:
        super().__init__(iter(stream), exchange)
        self._stream = stream

    def close(self) -> None:
        self._exchange.closed()
        self._stream.close()


class ObservedEvents(wrapt.ObjectProxy):  # type: ignore[type-arg]  # wrapt 1.17 can't be subscripted at run time
    """An event stream whose events the exchange sees first."""

    def __init__(self, inner: Any, exchange: Exchange) -> None:
        super().__init__(inner)
        self._self_exchange = exchange
        self._self_events: _Events | None = None

    def __iter__(self) -> Iterator[Any]:
        # One for all: a loop that is left may be taken up again by another one.
        if self._self_events is None:
            self._self_events = _Events(self.__wrapped__, self._self_exchange)
        return self._self_events

    def close(self) -> None:
        """Close the stream; what it used is settled."""
        self._self_exchange.closed()
        self.__wrapped__.close()

    def __del__(self) -> None:
        # Forgotten: nobody can read it any more.
        self._self_exchange.abandoned()


class ObservedBody(wrapt.ObjectProxy):  # type: ignore[type-arg]  # wrapt 1.17 can't be subscripted at run time
    """The bytes of an answer as the client reads them."""

    def __init__(self, inner: Any, exchange: Exchange, answers: Invoke, length: int | None) -> None:
        super().__init__(inner)
        self._self_exchange = exchange
        self._self_answers = answers
        self._self_length = length
        self._self_buffer = bytearray()

    def read(self, amt: int | None = None, *args: Any, **kwargs: Any) -> bytes:
        """Read as before; the exchange is over when everything has been read."""
        try:
            data: bytes = self.__wrapped__.read(amt, *args, **kwargs)
        except Exception as error:
            self._self_exchange.failed(error)
            raise
        self._take(data, last=amt is None or (not data and amt != 0))
        return data

    def readinto(self, target: Any) -> int:
        """Read into a buffer as before."""
        try:
            count: int = self.__wrapped__.readinto(target)
        except Exception as error:
            self._self_exchange.failed(error)
            raise
        self._take(bytes(memoryview(target)[:count]), last=not count)
        return count

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        """Read piece by piece as before."""
        for data in self.__wrapped__.stream(*args, **kwargs):
            self._take(data, last=False)
            yield data
        self._take(b"", last=True)

    def close(self) -> None:
        """Close as before; what was used is settled."""
        self._self_exchange.closed()
        self.__wrapped__.close()

    def _take(self, data: bytes, *, last: bool) -> None:
        buffer = self._self_buffer
        if len(buffer) <= _MAX_BODY_BYTES:
            buffer += data
        if last or len(buffer) == self._self_length:
            self._end()

    def _end(self) -> None:
        exchange, answers = self._self_exchange, self._self_answers
        try:
            whole = json.loads(self._self_buffer)
        except ValueError:
            exchange.exhausted()
        else:
            exchange.replied(whole if isinstance(whole, dict) else answers.metadata)

    def __del__(self) -> None:
        self._self_exchange.abandoned()


def observe_events(stream: Any, exchange: Exchange) -> ObservedEvents:
    """An event stream under observation, in the place of the client's own."""
    return ObservedEvents(stream, exchange)


def observe_body(body: Any, exchange: Exchange, answers: Invoke) -> ObservedBody:
    """Put an observer under a ``StreamingBody``, below each of its many ways to be read."""
    length = body._content_length
    known = int(length) if length is not None and str(length).isdigit() else None
    observed = ObservedBody(body._raw_stream, exchange, answers, known)
    body._raw_stream = observed
    return observed
