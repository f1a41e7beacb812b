"""The workers' processes, and the runs that need one process each."""

import json
import os
import subprocess
from contextlib import suppress
from typing import IO, Any

from benchmarks.peers.candidates import Candidate
from benchmarks.peers.venvs import ROOT, python_of

#: Nothing of the machine's own settings may change what is measured.
_FORGET = ("OTEL_", "SPANLEDGER_", "LANGFUSE_", "LOGFIRE_", "TRACELOOP_", "OPENLIT_")


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_FORGET)}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    # As after an installation: everything lies compiled from the second process on, also ours,
    # which is not installed but linked.
    bytecode = str(ROOT / ".cache" / "bytecode")
    return {**kept, "PYTHONPATH": str(ROOT), "NO_PROXY": "*", "PYTHONPYCACHEPREFIX": bytecode}


def _command(candidate: Candidate, *arguments: str) -> list[str]:
    module = ["-m", "benchmarks.peers.worker", candidate.name]
    return [str(python_of(candidate)), "-W", "ignore", *module, *arguments]


def _last_line(candidate: Candidate, mode: str) -> str:
    """What a process of its own prints last. Raises CalledProcessError."""
    run = subprocess.run(
        _command(candidate, mode),
        check=True,
        capture_output=True,
        text=True,
        env=_environment(),
        cwd=ROOT,
        timeout=300,
    )
    return run.stdout.strip().splitlines()[-1]


def spans_of(candidate: Candidate) -> dict[str, Any]:
    """Every case's spans, as `worker.carries` prints them."""
    found: dict[str, Any] = json.loads(_last_line(candidate, "carries"))
    return found


def start_of(candidate: Candidate) -> tuple[float, float]:
    """CPU milliseconds and resident MiB of one fresh process that makes one call."""
    cpu_ms, rss_mib = _last_line(candidate, "startup").split()
    return float(cpu_ms), float(rss_mib)


def parts_of(candidate: Candidate) -> dict[str, float]:
    """Microseconds of each step of one of our calls, as `worker.parts` prints them."""
    found: dict[str, float] = json.loads(_last_line(candidate, "parts"))
    return found


class Worker:
    """One candidate's process that measures on demand."""

    def __init__(self, candidate: Candidate, base_url: str | None) -> None:
        self.process = subprocess.Popen(
            _command(candidate, "rounds", *([base_url] if base_url else [])),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=_environment(),
            cwd=ROOT,
        )
        # All on one core, so that none of them has a quieter one.
        with suppress(AttributeError, OSError):
            os.sched_setaffinity(self.process.pid, {max(os.sched_getaffinity(0))})
        while (line := self._line()) != "ready":
            if not line:
                raise SystemExit(
                    f"The worker of {candidate.name!r} did not start. To see why: "
                    f"PYTHONPATH=. {' '.join(_command(candidate, 'startup'))}"
                )

    def _line(self) -> str:
        out: IO[str] | None = self.process.stdout
        return out.readline().strip() if out else ""

    def run(self, scenario: str, calls: int) -> float:
        """Median microseconds a call."""
        if self.process.stdin:
            print(scenario, calls, file=self.process.stdin, flush=True)
        return float(self._line())

    def stop(self) -> None:
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait(timeout=60)
