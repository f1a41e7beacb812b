"""The demo: real clients, a real subprocess, a real store; only the providers are local."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from spanledger import stack
from spanledger.analytics import recent_traces, totals
from spanledger.cli._demo_script import CONVERSATION
from spanledger.cli._errors import CliError
from spanledger.testing.providers import MockProvider, RecordedRequest
from spanledger.warehouse import Warehouse, connect

AGENT_DIR: Final = Path(__file__).with_name("demo_agent")
#: Settings of the user's own setup would change what the demo shows.
_CLEARED: Final = ("OTEL_", "SPANLEDGER_", "OPENAI_", "ANTHROPIC_")
_SCRATCH: Final = "spanledger-demo-"
_KEPT: Final = "SPANLEDGER_DEBUG"
_AGENT_TIMEOUT_S: Final = 45.0
_ARRIVAL_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Ran:
    """What the agent did, seen from outside."""

    session: str
    output: str
    requests: tuple[RecordedRequest, ...]
    """Every HTTP request that reached the mock providers."""
    duration_s: float


def check_packages() -> None:
    """Raise `CliError` if a client library of the agent is missing."""
    missing = [name for name in ("openai", "anthropic") if find_spec(name) is None]
    if missing:
        raise CliError(
            f"the demo's agent needs {' and '.join(missing)}; "
            "run `pip install 'spanledger[local,openai,anthropic]'`"
        )


@contextmanager
def stack_for_demo(data_dir: Path | None, *, keep: bool) -> Iterator[stack.StackInfo]:
    """The stack that runs already; else one of the demo's own, on other ports if need be.

    It is stopped afterwards unless it ran before or is to be kept; without a folder of its own
    its data goes too.
    """
    folder = data_dir or stack.default_data_dir()
    running = stack.status(folder)
    if running is not None:
        yield running
    elif keep:
        yield start(folder)
    elif data_dir is not None:
        with _stopped_afterwards(data_dir) as info:
            yield info
    else:
        with (
            tempfile.TemporaryDirectory(prefix=_SCRATCH) as scratch,
            _stopped_afterwards(Path(scratch) / "data") as info,
        ):
            yield info


@contextmanager
def _stopped_afterwards(folder: Path) -> Iterator[stack.StackInfo]:
    try:
        yield start(folder)
    finally:
        stack.stop(folder)


def start(folder: Path) -> stack.StackInfo:
    """A stack on the usual ports, or on free ones if somebody else has those."""
    try:
        return stack.start(folder)
    except stack.PortTaken:
        return stack.start(folder, clickhouse_port=0, otlp_port=0, grpc_port=None)


def run_agent(info: stack.StackInfo) -> Ran:
    """Run the agent as a user does, against the mock providers.

    Raises:
        CliError: it failed.
    """
    session = f"demo-{uuid.uuid4().hex[:8]}"
    begin = time.monotonic()
    with MockProvider() as provider, tempfile.TemporaryDirectory(prefix=_SCRATCH) as scratch:
        provider.enqueue(*CONVERSATION)
        environ = agent_environment(
            os.environ, info.otlp_endpoint, provider, Path(scratch) / "data"
        )
        output = _run(session, environ)
        requests = tuple(provider.requests)
    return Ran(session, output, requests, time.monotonic() - begin)


def agent_environment(
    environ: Mapping[str, str], otlp_endpoint: str, provider: MockProvider, data_dir: Path
) -> dict[str, str]:
    """The agent's environment: the mock providers, the stack, the example's limits and ledger."""
    kept = {
        name: value
        for name, value in environ.items()
        if name == _KEPT or not name.startswith(_CLEARED)
    }
    local = ",".join(filter(None, [kept.get("NO_PROXY") or kept.get("no_proxy"), "127.0.0.1"]))
    return kept | {
        "NO_PROXY": local,
        "no_proxy": local,
        "PYTHONUTF8": "1",
        "OPENAI_BASE_URL": provider.openai_base_url,
        "OPENAI_API_KEY": "demo",
        "ANTHROPIC_BASE_URL": provider.anthropic_base_url,
        "ANTHROPIC_API_KEY": "demo",
        "OTEL_SERVICE_NAME": "support-desk",
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "SPANLEDGER_POLICY": str(AGENT_DIR / "spanledger.toml"),
        # The demo is nobody's spending: it leaves the user's ledger alone.
        "SPANLEDGER_DATA_DIR": str(data_dir),
    }


def _run(session: str, environ: Mapping[str, str]) -> str:
    command = [_wrapper(), sys.executable, str(AGENT_DIR / "agent.py"), session]
    try:
        done = subprocess.run(
            command,
            env=dict(environ),
            capture_output=True,
            encoding="utf-8",
            timeout=_AGENT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CliError(f"the demo's agent did not end within {_AGENT_TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise CliError(f"the demo's agent failed (exit code {done.returncode}): {last}")
    return done.stdout


def _wrapper() -> str:
    """`opentelemetry-instrument` of this environment, also where it is not on the PATH."""
    beside = Path(sys.executable).with_name("opentelemetry-instrument")
    found = str(beside) if beside.exists() else shutil.which("opentelemetry-instrument")
    if found is None:
        raise CliError(
            "opentelemetry-instrument is not installed; run `pip install opentelemetry-distro`"
        )
    return found


def wait_for_spans(warehouse: Warehouse, ran: Ran) -> str:
    """The id of the agent's trace, once its spans are in.

    Raises:
        CliError: they did not arrive.
    """
    deadline = time.monotonic() + _ARRIVAL_TIMEOUT_S
    while True:
        calls = totals(warehouse, session=ran.session).calls
        found = recent_traces(warehouse, limit=1, session=ran.session)
        if found and calls >= len(ran.requests):
            return found[0].trace_id
        if time.monotonic() >= deadline:
            raise CliError(
                f"only {calls} of {len(ran.requests)} calls arrived in the store within "
                f"{_ARRIVAL_TIMEOUT_S:.0f} s; `spanledger doctor` may know why"
            )
        time.sleep(_POLL_S)


def connect_to(info: stack.StackInfo) -> Warehouse:
    """The store of the demo's stack."""
    return connect(info.clickhouse_url)
