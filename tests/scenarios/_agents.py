"""Agents as their users start them: processes of their own under `opentelemetry-instrument`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from spanledger.guard.stores import SqliteStore
from spanledger.testing.providers import MockProvider
from tests.boot._run import INSTRUMENT, SILENT

_PROGRAM = Path(__file__).with_name("_agent.py")
_PATIENCE_S = 120.0


class Agents:
    """Starts agents that share one ledger file."""

    def __init__(self, provider: MockProvider, prices: Path, folder: Path) -> None:
        self.path = folder / "shared" / "ledger.sqlite"
        self._folder = folder
        self._env = {
            **_neutral(),
            **SILENT,
            "OPENAI_BASE_URL": provider.openai_base_url,
            "OPENAI_API_KEY": "none",
            "SPANLEDGER_PRICES": str(prices),
            "SPANLEDGER_STORE": f"sqlite:{self.path}",
        }
        self._started: list[subprocess.Popen[str]] = []

    def start(
        self, task: str, *arguments: object, env: dict[str, str] | None = None, bare: bool = False
    ) -> subprocess.Popen[str]:
        """An agent at work, see `_agent.py`; `bare`: it installs Spanledger by itself."""
        command = [*(() if bare else INSTRUMENT), sys.executable, str(_PROGRAM), task]
        with self.log(len(self._started)).open("w") as log:
            process = subprocess.Popen(
                [*command, *map(str, arguments)],
                cwd=self._folder,
                env={**self._env, **(env or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._started.append(process)
        return process

    def run(self, task: str, *arguments: object, **options: Any) -> dict[str, Any]:
        """What an agent that has come to its end reports."""
        return self.result(self.start(task, *arguments, **options))

    def result(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """What an agent reports at its end."""
        output, _ = process.communicate(timeout=_PATIENCE_S)
        log = self.log(self._started.index(process)).read_text()
        assert process.returncode == 0, log[-3000:]
        report: dict[str, Any] = json.loads(output.splitlines()[-1])
        return report

    def together(
        self, number: int, task: str, *arguments: object, env: dict[str, str]
    ) -> list[dict[str, Any]]:
        """What so many agents report that begin at the same moment."""
        started = [self.start(task, *arguments, env=env) for _ in range(number)]
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", self.logs()[-3000:]
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        return [self.result(process) for process in started]

    def ledger(self) -> SqliteStore:
        """The ledger that they share."""
        return SqliteStore(self.path)

    def log(self, number: int) -> Path:
        return self._folder / f"agent-{number}.log"

    def logs(self) -> str:
        """What all agents up to now wrote to standard error."""
        return "".join(self.log(number).read_text() for number in range(len(self._started)))

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()


def _neutral() -> dict[str, str]:
    unwanted = ("OTEL_", "SPANLEDGER_", "PYTHON", "OPENAI_", "ANTHROPIC_")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
