"""What an agent's process pays for when it starts."""

import json
import subprocess
import sys

import pytest

HEAVY = (
    "anthropic",
    "botocore",
    "chdb",
    "click",
    "clickhouse_connect",
    "google.genai",
    "grpc",
    "httpx",
    "httpx2",
    "numpy",
    "openai",
    "pandas",
    "pydantic",
    "requests",
    "rich",
    "tiktoken",
    "uvicorn",
)
#: Rooms that an agent's process loads.
IN_AGENTS = (
    "instrumentation",
    "processors",
    "guard",
    "track",
    "pricing",
    "usage",
    "config",
    "history",
)
PROGRAM = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("room", IN_AGENTS)
def test_a_room_that_agents_load_imports_nothing_heavy(room: str) -> None:
    """A provider's client or a web server costs tenths of a second, used or not."""
    child = subprocess.run(
        [sys.executable, "-c", PROGRAM, f"spanledger.{room}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(json.loads(child.stdout))
    assert f"spanledger.{room}" in loaded
    assert not loaded & set(HEAVY)
