"""A client of `_mcp_server.py`: `_mcp_client.py stdio|http`. Prints what it found."""

import asyncio
import importlib
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from opentelemetry import trace

from spanledger import track
from spanledger.guard import Budget, Policy, SpanledgerRefusal
from spanledger.instrumentation import install
from spanledger.testing.spans import SpanCapture, capture_spans

SERVER = Path(__file__).with_name("_mcp_server.py")


@contextmanager
def web_server() -> Iterator[str]:
    """The server in a thread of this process; its address."""
    import uvicorn

    sys.path.insert(0, str(SERVER.parent))
    app = importlib.import_module("_mcp_server").make().streamable_http_app()
    web = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=web.run)
    thread.start()
    while not web.started:
        thread.join(0.01)
    try:
        yield f"http://127.0.0.1:{web.servers[0].sockets[0].getsockname()[1]}/mcp"
    finally:
        web.should_exit = True
        thread.join()


@asynccontextmanager
async def connected(address: str | None) -> Any:
    if address is None:
        mcp: Any = importlib.import_module("mcp")
        program = mcp.StdioServerParameters(command=sys.executable, args=[str(SERVER)])
        opening = importlib.import_module("mcp.client.stdio").stdio_client(program)
    else:
        http: Any = importlib.import_module("mcp.client.streamable_http")
        opening = http.streamable_http_client(address)
    session: Any = importlib.import_module("mcp").ClientSession
    async with opening as streams, session(*streams[:2]) as client:
        await client.initialize()
        yield client


async def main(transport: str, address: str | None, capture: SpanCapture) -> None:
    async with connected(address) as client:
        with track.session("s", user="ada"), track.agent("librarian"):
            here = trace.get_current_span().get_span_context().trace_id
            answer = await client.call_tool("whose", {})
            there, span, baggage = json.loads(answer.content[0].text)
            await client.call_tool("fails", {})
            try:
                await client.call_tool("whose", {})
                refused = "no"
            except SpanledgerRefusal as refusal:
                refused = refusal.rule
    tools = [span for span in capture.spans if span["name"].startswith("execute_tool")]
    found = {
        "transport": transport,
        "same trace": here == there,
        "server's span": span,
        "baggage": baggage,
        "refused by": refused,
        "tools": [[t["name"], t["status"], t["attributes"].get("error.type")] for t in tools],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    with capture_spans(as_global=True) as captured:
        install(
            overrides={"export.mode": "off", "guard.store": "memory"},
            policy=Policy((Budget("once", "calls", 1, scope="tool"),)),
        )
        if sys.argv[1] == "http":
            with web_server() as url:
                asyncio.run(main("http", url, captured))
        else:
            asyncio.run(main("stdio", None, captured))
