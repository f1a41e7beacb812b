"""Agents as processes of their own, in front of a pipeline."""

import subprocess
import sys
from pathlib import Path

from spanledger.processors import spool_state
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from tests.pipeline._collector import clean_environment

#: 1234 × 0.15 $/M in and 567 × 0.60 $/M out.
COST_NANO_USD = 1234 * 150 + 567 * 600
#: A call has three: its session's, its agent's and its own.
SPANS_PER_CALL = 3
_REPLY = Reply(text="yes", usage=UsageSpec(input_tokens=1234, output_tokens=567))
_PROGRAM = Path(__file__).with_name("agent.py")
_END_TIMEOUT_S = 60


class Agents:
    """Starts agents one after another; they share a provider and a spool."""

    def __init__(self, directory: Path, provider: MockProvider, endpoint: str) -> None:
        provider.on("gpt-4o-mini", _REPLY)
        self._directory, self._provider, self._endpoint = directory, provider, endpoint
        self._started: list[subprocess.Popen[str]] = []

    def start(self, calls: int, pause_s: float) -> "Agent":
        directory = self._directory
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "agent.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    str(Path(sys.executable).with_name("opentelemetry-instrument")),
                    sys.executable,
                    str(_PROGRAM),
                    f"run{len(self._started)}",
                    str(calls),
                    str(pause_s),
                ],
                cwd=directory,
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._started.append(process)
        return Agent(process)

    def drain(self) -> None:
        """Have further agents send what earlier ones left on disk."""
        for _ in range(5):
            if not spool_state(self._directory / "data" / "spool").items:
                return
            self.start(1, 0).wait()
        raise AssertionError(f"the spool does not empty: {self.log()[-2000:]}")

    def stop(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def log(self) -> str:
        return (self._directory / "agent.log").read_text(errors="replace")

    def _environment(self) -> dict[str, str]:
        return {
            **clean_environment(),
            "SPANLEDGER_DATA_DIR": str(self._directory / "data"),
            "SPANLEDGER_OTLP_ENDPOINT": self._endpoint,
            "SPANLEDGER_EXPORT_INTERVAL_S": "0.05",
            "SPANLEDGER_EXPORT_TIMEOUT_S": "1",
            "OPENAI_BASE_URL": self._provider.openai_base_url,
            "OPENAI_API_KEY": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
        }


class Agent:
    """One running agent."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.accepted = self.delivered = 0

    def after_calls(self, count: int) -> None:
        """Wait until it has made so many more."""
        assert self._process.stdout is not None
        for _ in range(count):
            accepted, delivered = self._process.stdout.readline().split()
            self.accepted, self.delivered = int(accepted), int(delivered)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def wait(self) -> None:
        self._process.communicate(timeout=_END_TIMEOUT_S)
        assert self._process.returncode == 0
