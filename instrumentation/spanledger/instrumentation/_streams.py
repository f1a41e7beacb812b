"""Observers of streams: each ends its exchange exactly once, however the stream is left.

Classes, not generators: a generator that was never started runs no ``finally``, so a stream
that nobody iterates would never be settled. `__del__` covers the forgotten ones.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from spanledger.instrumentation._exchange import Exchange


class ObservedStream:
    """Iterates the chunks of a stream and lets the exchange see each one first."""

    __slots__ = ("_exchange", "_inner", "_started")

    def __init__(self, inner: Iterator[Any], exchange: Exchange) -> None:
        self._inner = inner
        self._exchange = exchange
        self._started = False

    def __iter__(self) -> "ObservedStream":
        return self

    def __next__(self) -> Any:
        exchange = self._exchange
        self._started = True
        while True:
            exchange.reading = True
            try:
                chunk = next(self._inner)
            except StopIteration:
                exchange.exhausted()
                raise
            except BaseException as error:
                exchange.failed(error)
                raise
            finally:
                exchange.reading = False
            if (refusal := exchange.chunk(chunk)) is not None:
                self.close()
                raise refusal
            if not (exchange.hides_usage_chunk and exchange.hides(chunk)):
                return chunk

    def close(self) -> None:
        """Close the stream below; what it used is settled."""
        self._exchange.closed()
        close = getattr(self._inner, "close", None)
        if close is not None:
            close()

    def __del__(self) -> None:
        # One that was never started may have been replaced by somebody who reads the response
        # itself; when that is forgotten too, its body says so.
        if self._started:
            self._exchange.abandoned()


class ObservedAsyncStream:
    """The same for coroutines."""

    __slots__ = ("_exchange", "_inner", "_started")

    def __init__(self, inner: AsyncIterator[Any], exchange: Exchange) -> None:
        self._inner = inner
        self._exchange = exchange
        self._started = False

    def __aiter__(self) -> "ObservedAsyncStream":
        return self

    async def __anext__(self) -> Any:
        exchange = self._exchange
        self._started = True
        while True:
            exchange.reading = True
            try:
                chunk = await anext(self._inner)
            except StopAsyncIteration:
                exchange.exhausted()
                raise
            except BaseException as error:
                exchange.failed(error)
                raise
            finally:
                exchange.reading = False
            if (refusal := exchange.chunk(chunk)) is not None:
                await self.aclose()
                raise refusal
            if not (exchange.hides_usage_chunk and exchange.hides(chunk)):
                return chunk

    async def aclose(self) -> None:
        """Close the stream below; what it used is settled."""
        self._exchange.closed()
        close = getattr(self._inner, "aclose", None)
        if close is not None:
            await close()

    def __del__(self) -> None:
        # One that was never started may have been replaced by somebody who reads the response
        # itself; when that is forgotten too, its body says so.
        if self._started:
            self._exchange.abandoned()
