"""MCP: an agent that uses the tools of a server over streamable HTTP; one of them fails.

    pip install mcp uvicorn
    python examples/frameworks/mcp_tools.py

Runs offline: the server is a thread of this program, so that one tree shows both sides. The
trace context goes with each request, in ``_meta``. A tool that fails is an error here and there,
though the answer is HTTP 200.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from _offline import show

from spanledger import track


def search(words: str) -> str:
    """Search the library."""
    if not words:
        raise ValueError("nothing to search for")
    return f"3 books about {words}"


@contextmanager
def library() -> Iterator[str]:
    """A server on a free port; its address."""
    import uvicorn
    from mcp.server import MCPServer

    server = MCPServer("library", log_level="CRITICAL")
    server.add_tool(search)
    config = uvicorn.Config(server.streamable_http_app(), port=0, log_level="critical")
    web = uvicorn.Server(config)
    thread = threading.Thread(target=web.run)
    thread.start()
    while not web.started:
        thread.join(0.01)
    port = web.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        web.should_exit = True
        thread.join()


@track.agent("librarian")
async def ask(address: str) -> Any:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async with streamable_http_client(address) as streams, ClientSession(*streams[:2]) as session:
        await session.initialize()
        await session.call_tool("search", {"words": "tides"})
        await session.call_tool("search", {"words": ""})


if __name__ == "__main__":
    with library() as address:
        show(lambda _url: asyncio.run(ask(address)), ())
