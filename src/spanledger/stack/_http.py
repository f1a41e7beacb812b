"""The little of HTTP that both servers share: reading a bounded body, answering, and who may
ask. Plain ASGI."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, Final

from spanledger.stack._codecs import BodyTooLarge

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

MAX_BODY_BYTES: Final = 64 << 20
BROWSER_REFUSED: Final = (
    "Requests from web pages are refused: any page could reach this port through your browser."
)
TOO_LARGE: Final = f"The request is larger than {MAX_BODY_BYTES >> 20} MB: send smaller batches."


class Disconnected(Exception):
    """The client went away while it was still sending."""


class Overloaded(Exception):
    """Other requests hold all the memory that there is for bodies."""


class Bodies:
    """The request bodies held in memory at this moment, under one lid. One event loop's."""

    def __init__(self, total_bytes: int, each_bytes: int) -> None:
        self._left = total_bytes
        self._each = each_bytes

    @asynccontextmanager
    async def read(self, receive: Receive) -> AsyncIterator[bytes]:
        """The whole body; its memory counts until the block ends.

        Raises:
            BodyTooLarge: as soon as more than one body's share has come.
            Overloaded: if all bodies together would hold too much.
            Disconnected: if the client goes away before its end.
        """
        parts: list[bytes] = []
        size, more = 0, True
        try:
            while more:
                part, more = await _next_part(receive)
                parts.append(part)
                size += len(part)
                self._left -= len(part)
                self._check(size)
            yield b"".join(parts)
        finally:
            self._left += size

    def _check(self, size: int) -> None:
        if size > self._each:
            raise BodyTooLarge
        if self._left < 0:
            raise Overloaded


async def _next_part(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    return message.get("body", b""), message.get("more_body", False)


def headers_of(scope: Scope) -> dict[str, str]:
    """Header names in lower case to values; of a repeated header the last."""
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }


def from_browser(headers: dict[str, str]) -> bool:
    """Browsers put Origin on every cross-site request that can change or read something."""
    return "origin" in headers


async def reply(
    send: Send,
    status: int,
    body: bytes,
    content_type: str = "text/plain; charset=UTF-8",
    headers: Iterable[Header] = (),
) -> None:
    """Answer with one body."""
    fixed = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
