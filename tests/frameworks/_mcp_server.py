"""An MCP server: `_mcp_server.py` speaks over stdio. Its tools say whose work they do."""

import importlib
import json
from typing import Any

from opentelemetry import baggage, trace

from spanledger.instrumentation import install


def make() -> Any:
    """A server of whichever SDK is installed."""
    try:
        kind = importlib.import_module("mcp.server.mcpserver").MCPServer
    except ImportError:
        kind = importlib.import_module("mcp.server.fastmcp").FastMCP
    server = kind("library", log_level="CRITICAL")
    server.add_tool(whose)
    server.add_tool(fails)
    return server


def whose() -> str:
    """The trace that runs, the span in it, and what came along besides."""
    span: Any = trace.get_current_span()
    trace_id = span.get_span_context().trace_id
    return json.dumps([trace_id, getattr(span, "name", ""), dict(baggage.get_all())])


def fails() -> str:
    """Fail."""
    raise ValueError("no such book")


if __name__ == "__main__":
    install(overrides={"export.mode": "off", "guard.store": "memory"})
    make().run("stdio")
