"""One local stack for the tests that go the whole way."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from spanledger import stack
from spanledger.stack import StackInfo
from spanledger.testing.providers import MockProvider
from spanledger.warehouse import Warehouse, connect

pytest.importorskip("chdb", reason="the embedded engine is not installed")

#: Runs a program of this folder as a user would: `opentelemetry-instrument python program`.
RunAgent = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """A stack on free ports."""
    data_dir = tmp_path_factory.mktemp("stack")
    yield stack.start(data_dir, clickhouse_port=0, otlp_port=0, grpc_port=None)
    stack.stop(data_dir)


@pytest.fixture
def warehouse(running: StackInfo) -> Iterator[Warehouse]:
    """The database of the stack."""
    with connect(running.clickhouse_url) as warehouse:
        yield warehouse


@pytest.fixture
def provider() -> Iterator[MockProvider]:
    """A mock provider."""
    with MockProvider() as provider:
        yield provider


@pytest.fixture
def run_agent(provider: MockProvider, tmp_path: Path) -> Iterator[RunAgent]:
    """Start an agent program; it is stopped when the test ends, if it still runs."""
    started: list[subprocess.Popen[str]] = []

    def run(
        program: str, *arguments: str, endpoint: str, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("opentelemetry-instrument")),
                sys.executable,
                str(Path(__file__).with_name(program)),
                *arguments,
            ],
            cwd=tmp_path,
            env={**_clean_environment(), **_addresses(provider, endpoint), **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _clean_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANLEDGER_"))}


def _addresses(provider: MockProvider, endpoint: str) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": provider.openai_base_url,
        "OPENAI_API_KEY": "none",
        "ANTHROPIC_BASE_URL": provider.anthropic_base_url,
        "ANTHROPIC_API_KEY": "none",
        "SPANLEDGER_OTLP_ENDPOINT": endpoint,
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
