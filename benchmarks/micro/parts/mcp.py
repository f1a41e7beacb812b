"""A verb of the MCP server, from its arguments to its answer, without a transport."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from benchmarks.micro.case import Case, cpu
from benchmarks.micro.parts.context import talk
from benchmarks.micro.parts.guard import FOUR_SCOPES

from spanledger.guard import Admin, MemoryStore
from spanledger.mcp_server import Place, make_server
from spanledger.warehouse import Warehouse


def cases(stack: ExitStack) -> list[Case]:
    store = MemoryStore()
    server = make_server(Place(_no_warehouse, lambda: Admin(store, FOUR_SCOPES)))
    loop = asyncio.new_event_loop()
    stack.callback(loop.close)

    def verb(name: str, arguments: dict[str, Any]) -> Callable[[], object]:
        return lambda: loop.run_until_complete(server.call_tool(name, arguments))

    text = {"text": "The quick brown fox jumps over the lazy dog. " * 20, "model": "gpt-4o"}
    long = {"messages": talk(), "model": "gpt-4o"}
    return [
        cpu("budget_list, four budgets", verb("budget_list", {}), 5, unit="ms"),
        cpu("context_estimate_tokens", verb("context_estimate_tokens", text), 5, unit="ms"),
        cpu("context_analyze, 200 messages", verb("context_analyze", long), 25, unit="ms"),
    ]


def _no_warehouse() -> Warehouse:
    raise AssertionError("these verbs ask no warehouse")
