"""The mock provider inside the process: transports for the clients' HTTP libraries.

OpenAI 3 and Anthropic 2 are built on httpx2, older releases on httpx; which one an installed
client wants is read from its package metadata, and only that one is imported.
"""

import asyncio
import importlib
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from importlib import metadata
from typing import Any, Literal

from spanledger.testing.providers._rendered import Rendered
from spanledger.testing.providers._script import BehaviourSource, Exchange, ProviderScript

Client = Literal["openai", "anthropic"]

_CUT = "peer closed connection without sending complete message body (incomplete chunked read)"


def mock_transport(script: ProviderScript | BehaviourSource, *, client: Client = "openai") -> Any:
    """A ``MockTransport`` of the library that ``client`` uses, for sync and async alike.

    ``script`` is a `ProviderScript`, or one behaviour for every request. A `Hang` raises the
    library's ``ReadTimeout`` at once, a cut its ``RemoteProtocolError``. Delays are kept.
    Raises `ModuleNotFoundError` if the client is not installed.
    """
    library = http_library(client)
    own = script if isinstance(script, ProviderScript) else ProviderScript(script)
    return library.MockTransport(_Handler(own, library))


def mock_http_client(script: ProviderScript | BehaviourSource, *, client: Client = "openai") -> Any:
    """A sync HTTP client on `mock_transport`, for ``OpenAI(http_client=...)``."""
    return http_library(client).Client(transport=mock_transport(script, client=client))


def mock_async_http_client(
    script: ProviderScript | BehaviourSource, *, client: Client = "openai"
) -> Any:
    """An async HTTP client on `mock_transport`, for ``AsyncOpenAI(http_client=...)``."""
    return http_library(client).AsyncClient(transport=mock_transport(script, client=client))


@cache
def http_library(client: Client) -> Any:
    """The module ``httpx2`` or ``httpx``, whichever the installed ``client`` is built on."""
    try:
        requirements = metadata.requires(client) or []
    except metadata.PackageNotFoundError:
        raise ModuleNotFoundError(
            f"The package {client!r} is not installed, so there is no client to make a "
            f"transport for; install it (pip install {client})."
        ) from None
    names = {re.split(r"[^A-Za-z0-9]", requirement, maxsplit=1)[0] for requirement in requirements}
    return importlib.import_module("httpx2" if "httpx2" in names else "httpx")


class _Handler:
    """Answers one request of either library; the two spell everything alike."""

    def __init__(self, script: ProviderScript, library: Any) -> None:
        self._script = script
        self._library = library
        self._stream_type = _stream_type(library)

    def __call__(self, request: Any) -> Any:
        headers = {name.lower(): value for name, value in request.headers.items()}
        path = request.url.raw_path.decode("ascii")
        exchange = self._script.receive(request.method, path, headers, request.content)
        rendered = exchange.rendered
        if rendered.hang_s is not None:
            exchange.ended()
            raise self._library.ReadTimeout("The mock provider hangs.", request=request)
        exchange.started()
        stream = self._stream_type(exchange, self._cut_error)
        return self._library.Response(
            rendered.status, headers=_headers(rendered), stream=stream, request=request
        )

    def _cut_error(self) -> Exception:
        error: Exception = self._library.RemoteProtocolError(_CUT)
        return error


def _headers(rendered: Rendered) -> dict[str, str]:
    if rendered.stream:
        return dict(rendered.headers)
    length = len(rendered.parts[0]) if rendered.full_length is None else rendered.full_length
    return {**rendered.headers, "content-length": str(length)}


@cache
def _stream_type(library: Any) -> Callable[[Exchange, Callable[[], Exception]], Any]:
    """A stream that both kinds of client accept: the library checks the base classes."""
    return type("MockStream", (_Body, library.SyncByteStream, library.AsyncByteStream), {})


class _Body:
    def __init__(self, exchange: Exchange, cut_error: Callable[[], Exception]) -> None:
        self._exchange = exchange
        self._cut_error = cut_error
        self._given = 0
        self._open = True

    def __iter__(self) -> Iterator[bytes]:
        for pause_s, part in self._parts():
            if pause_s:
                time.sleep(pause_s)
            yield self._give(part)
        self._finish()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for pause_s, part in self._parts():
            if pause_s:
                await asyncio.sleep(pause_s)
            yield self._give(part)
        self._finish()

    def close(self) -> None:
        """Called by the library when the body is read, and when it is left before."""
        if not self._open:
            return
        self._open = False
        if self._given < len(self._exchange.rendered.parts):
            self._exchange.client_gone()
        self._exchange.ended()

    async def aclose(self) -> None:
        self.close()

    def _parts(self) -> Iterator[tuple[float, bytes]]:
        rendered = self._exchange.rendered
        for number, part in enumerate(rendered.parts):
            yield rendered.part_delay_s if number else rendered.delay_s, part

    def _give(self, part: bytes) -> bytes:
        self._given += 1
        if self._exchange.rendered.stream:
            self._exchange.event_sent()
        if self._given == len(self._exchange.rendered.parts):
            self._exchange.finishing()
        return part

    def _finish(self) -> None:
        # Not every release of the clients closes a stream that broke.
        self.close()
        if self._exchange.rendered.ending != "complete":
            raise self._cut_error()
