"""Agent programs in processes of their own, the way a user starts them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanledger.testing.providers import MockProvider

AGENT = Path(__file__).with_name("_agent.py")
PROGRAMS = Path(__file__).with_name("_programs.py")
_REPOSITORY = Path(__file__).parents[2]


def instrument(python: str) -> tuple[str, ...]:
    """OpenTelemetry's launcher beside an interpreter."""
    return (str(Path(python).with_name("opentelemetry-instrument")),)


INSTRUMENT = instrument(sys.executable)

#: No telemetry leaves the process: the test is about calls.
SILENT = {
    "SPANLEDGER_EXPORT": "off",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}
LIMIT_OF_TWO = {"SPANLEDGER_BUDGET_CALLS": "2"}


@dataclass(frozen=True)
class Run:
    """What became of a program."""

    report: dict[str, Any]
    """The JSON that it printed last."""
    stderr: str
    status: int

    @property
    def outcomes(self) -> list[str]:
        found: list[str] = self.report["outcomes"]
        return found


def run(
    provider: MockProvider,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    launcher: tuple[str, ...] = INSTRUMENT,
    program: Path = AGENT,
    cwd: Path | None = None,
    python: str = sys.executable,
) -> Run:
    """Run a program to its end, in an environment that steers nothing but what `env` says."""
    done = subprocess.run(
        [*launcher, python, str(program), *arguments],
        env={**_neutral(), "MOCK_URL": provider.url, **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=cwd,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, done.stderr[-3000:]
    return Run(json.loads(lines[-1]), done.stderr, done.returncode)


def run_program(
    provider: MockProvider,
    name: str,
    *,
    env: Mapping[str, str] | None = None,
    launcher: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Run a function of `_programs.py`; what it returned."""
    found = {**SILENT, "PYTHONPATH": str(_REPOSITORY), **(env or {})}
    done = run(provider, name, env=found, launcher=launcher, program=PROGRAMS)
    assert done.status == 0, done.stderr[-3000:]
    return done.report


def _neutral() -> dict[str, str]:
    unwanted = ("OTEL_", "SPANLEDGER_", "PYTHON", "OPENAI_", "ANTHROPIC_")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
