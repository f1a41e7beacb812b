"""The environments in which frameworks run, and how a program runs in one."""

import subprocess
from pathlib import Path

import pytest

from tests.matrix._sets import clean_environment
from tests.matrix._venvs import EnvironmentUnavailable, python_of

EXAMPLES = Path(__file__).parents[2] / "examples" / "frameworks"
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "agent-frameworks": (
        "openai>=3,<4",
        "langchain>=1.4,<2",
        "langchain-openai>=1.7,<2",
        "langgraph>=1.2,<2",
        "openai-agents>=0.24,<0.25",
        "mcp>=2.3,<3",
        "uvicorn>=0.34,<1",
        "smolagents[openai]>=1.26,<2",
        "pydantic-ai-slim[openai]>=2.68,<3",
        "opentelemetry-instrumentation-genai-langchain==1.3b0",
        "opentelemetry-instrumentation-genai-openai-agents==1.3b0",
        "openinference-instrumentation-smolagents>=0.1.43,<0.2",
    ),
    # Before 2.0 it made no spans of its own.
    "older-mcp": ("mcp>=1.30,<2", "uvicorn>=0.34,<1"),
}


def run(environment: str, program: Path, *arguments: str, **environ: str) -> str:
    """What a program prints; skips the test if its environment can't be built here."""
    try:
        python = python_of(environment, ENVIRONMENTS[environment])
    except EnvironmentUnavailable as reason:
        pytest.skip(f"no environment {environment!r}: {reason}")
    done = subprocess.run(
        [str(python), str(program), *arguments],
        env={**clean_environment(), "OPENAI_API_KEY": "", **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
