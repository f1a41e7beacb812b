"""The sets of versions that the gate is held against, and how a program runs under one."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.matrix._venvs import EnvironmentUnavailable, python_of

_DRIVER = Path(__file__).with_name("_driver.py")
_TIMEOUT_S = 120.0

_NEWEST = ("openai>=3,<4", "anthropic>=2,<3")

SETS: dict[str, tuple[str, ...]] = {
    # httpx 0.28 took away an argument that these clients still pass.
    "oldest-clients": ("openai==1.40.0", "anthropic==0.40.0", "groq==0.11.0", "httpx<0.28"),
    "older-clients": ("openai==2.0.0", "anthropic==0.80.0"),
    "oldest-google-and-aws": ("google-genai==2.0.0", "boto3==1.35.0"),
    # With it, the async client of Google speaks through it.
    "newest-google-and-aws": ("google-genai>=3.4,<4", "boto3>=1.44,<2", "aiohttp>=3.10,<4"),
    "oldest-others": ("mistralai==2.0.0", "cohere==5.13.0", "ollama==0.4.8"),
    "newest-others": ("mistralai>=3.7,<4", "cohere>=7.3,<8", "ollama>=0.6.3,<0.7"),
    "oldest-litellm": ("litellm==1.60.0", "tenacity>=8,<10", "openai<2"),
    "newest-litellm": ("litellm>=1.106,<2", "tenacity>=8,<10"),
    "official-google-and-aws": (
        "google-genai>=2.34,<3",
        "boto3>=1.44,<2",
        "opentelemetry-instrumentation-google-genai==1.3b0",
        "opentelemetry-instrumentation-genai-bedrock==1.3b0",
        "opentelemetry-instrumentation-botocore==0.66b1",
    ),
    "oldest-opentelemetry": (
        *_NEWEST,
        "opentelemetry-sdk==1.39.1",
        "opentelemetry-instrumentation==0.60b1",
        "opentelemetry-distro==0.60b1",
    ),
    "official": (
        *_NEWEST,
        "opentelemetry-instrumentation-genai-openai==1.3b0",
        "opentelemetry-instrumentation-genai-anthropic==1.3b0",
        "opentelemetry-instrumentation-genai-langchain==1.3b0",
        "opentelemetry-instrumentation-genai-openai-agents==1.3b0",
        "langchain-openai>=1.7,<2",
        "openai-agents>=0.24,<0.25",
    ),
    # All that may meet in one process: three families of instrumentations, two frameworks.
    "coexistence": (
        *_NEWEST,
        "langchain-openai>=1.7,<2",
        "openai-agents>=0.24,<0.25",
        "opentelemetry-instrumentation-genai-openai==1.3b0",
        "opentelemetry-instrumentation-genai-anthropic==1.3b0",
        "opentelemetry-instrumentation-genai-langchain==1.3b0",
        "opentelemetry-instrumentation-genai-openai-agents==1.3b0",
        "opentelemetry-instrumentation-openai>=0.62,<0.63",
        "opentelemetry-instrumentation-anthropic>=0.62,<0.63",
        "opentelemetry-instrumentation-langchain>=0.62,<0.63",
        "opentelemetry-instrumentation-openai-agents>=0.62,<0.63",
        "openinference-instrumentation-openai>=0.1.60,<0.2",
        "openinference-instrumentation-anthropic>=3,<4",
        "openinference-instrumentation-langchain>=0.1.80,<0.2",
        "openinference-instrumentation-openai-agents>=2,<3",
    ),
    # They make spans by themselves.
    "self-instrumented": (
        "pydantic-ai-slim[openai]>=2.31,<3",
        "strands-agents[openai]>=1.62,<2",
        "mistralai>=3.7,<4",
    ),
    # It holds OpenTelemetry at 1.44.
    "google-adk": ("google-adk>=2.13,<3",),
    "foreign": (
        *_NEWEST,
        "opentelemetry-instrumentation-openai>=0.62,<0.63",
        "opentelemetry-instrumentation-anthropic>=0.62,<0.63",
        "openinference-instrumentation-openai>=0.1.60,<0.2",
        "openinference-instrumentation-anthropic>=3,<4",
    ),
}


@dataclass(frozen=True)
class Result:
    """What one kind of call gave; see `_driver.py`."""

    sent: int
    outcomes: list[str]
    open: int
    spent_nano_usd: int
    records: list[dict[str, Any]]
    spans: list[list[Any]]


def run(
    set_name: str,
    kinds: list[str],
    instrumentors: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
) -> dict[str, Result]:
    """Run the driver in an environment; skips the test if that can't be built here."""
    python = interpreter(set_name)
    spec = json.dumps({"kinds": kinds, "instrumentors": list(instrumentors)})
    done = subprocess.run(
        [str(python), str(_DRIVER), spec],
        env={**clean_environment(), **(env or {})},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    return {kind: Result(**result) for kind, result in found.items()}


def interpreter(set_name: str) -> Path:
    """The interpreter of an environment; skips the test if that can't be built here."""
    try:
        return python_of(set_name, SETS[set_name])
    except EnvironmentUnavailable as reason:
        pytest.skip(f"no environment {set_name!r}: {reason}")


def clean_environment() -> dict[str, str]:
    """This process's environment without what would steer OpenTelemetry or Spanledger."""
    unwanted = ("OTEL_", "SPANLEDGER_", "PYTHON", "OPENAI_", "ANTHROPIC_", "GOOGLE_", "AWS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


def assert_limited_and_billed_once(kind: str, result: Result) -> None:
    """Two of four calls were sent; each has one record, and the caller saw each refusal."""
    assert result.sent == 2, (kind, result)
    assert result.outcomes == ["ok", "ok", "refused", "refused"], (kind, result)
    assert len(result.records) == 2, (kind, result)
    for record in result.records:
        assert record["billing"] == "call", (kind, result)
        assert record["cost"] is not None, (kind, result)
        assert record["cost"] > 0, (kind, result)
    assert result.open == 0, (kind, result)


def assert_usage_is_the_providers(kind: str, result: Result) -> None:
    """The tokens are those that the mock provider reported."""
    found = [(r["input"], r["output"], r["source"]) for r in result.records]
    assert found == [(1000, 500, "provider")] * 2, (kind, result)
