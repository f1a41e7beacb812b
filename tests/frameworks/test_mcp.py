"""Tools behind the MCP SDK, of before and since it makes spans by itself, over both transports."""

import json
from pathlib import Path

import pytest

from tests.frameworks._environments import run

PROGRAM = Path(__file__).with_name("_mcp_client.py")


@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize("environment", ["agent-frameworks", "older-mcp"])
def test_a_tool_behind_mcp_is_traced_limited_and_fails_visibly(
    environment: str, transport: str
) -> None:
    found = json.loads(run(environment, PROGRAM, transport).splitlines()[-1])
    assert found == {
        "transport": transport,
        "same trace": True,
        "server's span": "tools/call whose",
        "baggage": {},
        "refused by": "once",
        "tools": [
            ["execute_tool whose", "unset", None],
            ["execute_tool fails", "error", "tool_error"],
            ["execute_tool whose", "error", "BudgetExceeded"],
        ],
    }
