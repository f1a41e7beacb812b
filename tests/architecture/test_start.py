"""What an agent's process pays for when it starts."""

import json
import os
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


#: Modules of ours that `install()` may load at the most; each takes 0.15 ms of an agent's start.
MOST_MODULES = 150
#: What no agent needs before something happens: a tool, a rule, a question. Who reads errors is
#: there: they come when nothing can be imported any more (deep in a recursion, at the end).
LATER = frozenset(
    {
        "decimal",
        "difflib",
        "fractions",
        "gzip",
        "inspect",
        "secrets",
        "shlex",
        "statistics",
        "tomllib",
        "zoneinfo",
        "spanledger.guard._admin",
        "spanledger.guard.drift",
        "spanledger.guard.explain",
        "spanledger.guard.fingerprints",
        "spanledger.guard.loop_watch",
        "spanledger.guard.loops",
        "spanledger.guard.reporting",
        "spanledger.guard.standing",
        "spanledger.guard.stores.redis",
        "spanledger.guard.webhook",
        "spanledger.health._actions",
        "spanledger.health._report",
        "spanledger.health._task_pool",
        "spanledger.health._worker_pool",
        "spanledger.history.action",
        "spanledger.history.histories",
        "spanledger.instrumentation._stainless",
        "spanledger.pricing",
        "spanledger.processors.ledger_name",
        "spanledger.processors.redact.build",
        "spanledger.processors.script_context",
        "spanledger.processors.transport",
        "spanledger.track._tool",
        "spanledger.track.tokens",
        "spanledger.track.tools",
    }
)
#: Where each call makes the objects: there the standard dataclass is worth its start.
FOR_EACH_CALL = {"spanledger.guard.ledger", "spanledger.processors.attribution"}
INSTALL = """
import dataclasses, json, os, sys
from opentelemetry.instrumentation import auto_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry import trace
trace.set_tracer_provider(TracerProvider())
there = set(sys.modules)
from spanledger.instrumentation import install
assert install() is not None
new = [name for name in sys.modules if name not in there]
standard = [
    name for name in new
    if name.startswith("spanledger.")
    and vars(sys.modules[name]).get("dataclass") is dataclasses.dataclass
]
print(json.dumps({"new": new, "standard": standard}), flush=True)
os._exit(0)
"""


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What a process loads that installs Spanledger as it comes, beyond OpenTelemetry."""
    folder = tmp_path_factory.mktemp("start")
    ours = {key for key in os.environ if key.startswith(("SPANLEDGER_", "OTEL_"))}
    env = {key: value for key, value in os.environ.items() if key not in ours}
    child = subprocess.run(
        [sys.executable, "-c", INSTALL],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=folder,
        env={**env, "SPANLEDGER_DATA_DIR": str(folder)},
    )
    found: dict[str, list[str]] = json.loads(child.stdout)
    return found


def test_the_start_loads_only_what_every_agent_needs(start: dict[str, list[str]]) -> None:
    assert "spanledger.guard.stores.sqlite" in start["new"]
    assert not LATER & set(start["new"])


def test_the_start_loads_no_more_modules_than_it_did(start: dict[str, list[str]]) -> None:
    ours = [name for name in start["new"] if name.startswith("spanledger")]
    assert len(ours) <= MOST_MODULES, "move what is not needed at once into a module of its own"


def test_the_start_makes_no_standard_dataclass_without_need(start: dict[str, list[str]]) -> None:
    """Each takes half a millisecond; `spanledger.lean` makes them in a tenth of it."""
    assert set(start["standard"]) <= FOR_EACH_CALL
