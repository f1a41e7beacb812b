"""Streamable HTTP on loopback, behind a bearer token."""

import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mcp.server.mcpserver import MCPServer

TOKEN_VARIABLE = "SPANLEDGER_MCP_TOKEN"  # noqa: S105 - a name
PATH = "/mcp"
HOST = "127.0.0.1"
_SHORTEST_TOKEN = 16

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]


class Bearer:
    """Lets requests with the token through to `app`; all others are 401."""

    def __init__(self, app: App, token: str) -> None:
        """Raises `ValueError` if the token is too short to be a secret."""
        if len(token) < _SHORTEST_TOKEN:
            raise ValueError(
                f"the token of {TOKEN_VARIABLE} is too short; give {_SHORTEST_TOKEN} characters or "
                "more, or none to have one made"
            )
        self._app = app
        self._wanted = f"Bearer {token}".encode()

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http" or self._allowed(scope):
            await self._app(scope, receive, send)
            return
        headers = [(b"www-authenticate", b"Bearer"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        body = f"Give the token: `Authorization: Bearer …` ({TOKEN_VARIABLE}).\n".encode()
        await send({"type": "http.response.body", "body": body})

    def _allowed(self, scope: _Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(given) == 1 and secrets.compare_digest(given[0], self._wanted)


def serve_http(
    server: MCPServer[Any], token: str, *, port: int = 0, ready: Callable[[str], object] = print
) -> None:
    """Serve until interrupted, on loopback only; `ready` is given the address.

    Raises:
        ValueError: the token is too short.
        OSError: the port is taken.
    """
    import uvicorn

    app = Bearer(server.streamable_http_app(streamable_http_path=PATH, host=HOST), token)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        # Who is told the address may come before uvicorn is ready: it waits, and is not refused.
        listening.listen()
        ready(f"http://{HOST}:{listening.getsockname()[1]}{PATH}")
        config = uvicorn.Config(app, log_level="warning")
        uvicorn.Server(config).run(sockets=[listening])
