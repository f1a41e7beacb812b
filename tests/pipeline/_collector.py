"""A real Collector as a process, run with the configurations that we ship."""

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests._ports import free_port

CONFIGS = Path(__file__).parents[2] / "collector-config"
_BUILD = CONFIGS / "build.sh"
_START_TIMEOUT_S = 30.0
#: As long as a Collector may take to stop before it is killed.
_STOP_TIMEOUT_S = 20.0
#: Minutes become tenths of a second: what is shipped waits as long as an outage lasts.
FAST = (
    "exporters.clickhouse.retry_on_failure.initial_interval=100ms",
    "exporters.clickhouse.retry_on_failure.max_interval=300ms",
    "exporters.clickhouse.sending_queue.batch.flush_timeout=100ms",
)


class CollectorUnavailable(Exception):
    """There is neither a built Collector nor Go to build one; tests skip with this."""


@cache
def binary() -> Path:
    """The built Collector; it is built now, for minutes, if it isn't there and Go is.

    Raises:
        CollectorUnavailable: it is not there, and Go isn't either.
    """
    check = {**os.environ, "SPANLEDGER_COLLECTOR_CHECK": "1"}
    found = subprocess.run([_BUILD], capture_output=True, text=True, env=check, check=False)
    if found.returncode:
        if shutil.which("go") is None:
            raise CollectorUnavailable(
                "no Collector is built, and there is no Go to build one (`make collector`)"
            )
        found = subprocess.run([_BUILD], stdout=subprocess.PIPE, text=True, check=True)
    return Path(found.stdout.strip())


def clean_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANLEDGER_"))}


def validate(*names: str, environment: Mapping[str, str] | None = None) -> str:
    """What `otelcol validate` has against these files of collector-config, laid over each other."""
    files = [f"--config={CONFIGS / name}" for name in names]
    done = subprocess.run(
        [binary(), "validate", *files],
        env={**clean_environment(), **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr if done.returncode else ""


@dataclass
class Collector:
    """One Collector process; `start` again after `kill` or `stop` finds the same queue."""

    directory: Path
    configs: Sequence[str]
    """Names of files in collector-config, laid over each other in this order."""
    environment: Mapping[str, str]
    settings: Sequence[str] = FAST
    """More settings, as ``path.to.it=value``."""
    http_port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    health_port: int = field(default_factory=free_port)
    own_metrics_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Of OTLP/HTTP."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def queue_dir(self) -> Path:
        return Path(self.environment.get("SPANLEDGER_QUEUE_DIR") or self.directory / "queue")

    @property
    def pid(self) -> int:
        assert self._process is not None, "the Collector is not started"
        return self._process.pid

    def start(self) -> "Collector":
        """Start it and wait until it is healthy. Raises `RuntimeError` if it ends."""
        self.directory.mkdir(parents=True, exist_ok=True)
        files = [f"--config={CONFIGS / name}" for name in self.configs]
        with self._log_file().open("ab") as log:
            self._process = subprocess.Popen(
                [binary(), *files, *(f"--set={setting}" for setting in self.settings)],
                env={**clean_environment(), **self._ports(), **self.environment},
                stdout=log,
                stderr=log,
            )
        self._wait_until_healthy()
        return self

    def stop(self) -> int:
        """SIGTERM, and wait; its exit code (negative if it had to be killed)."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            code = self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return -9
        self._process = None
        return code

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def log(self) -> str:
        return self._log_file().read_text(errors="replace")

    def memory_bytes(self) -> int:
        """Resident, now."""
        import psutil

        return int(psutil.Process(self.pid).memory_info().rss)

    def _log_file(self) -> Path:
        return self.directory / "collector.log"

    def _ports(self) -> dict[str, str]:
        return {
            "SPANLEDGER_OTLP_HTTP_PORT": str(self.http_port),
            "SPANLEDGER_OTLP_GRPC_PORT": str(self.grpc_port),
            "SPANLEDGER_HEALTH_PORT": str(self.health_port),
            "SPANLEDGER_OWN_METRICS_PORT": str(self.own_metrics_port),
            "SPANLEDGER_QUEUE_DIR": str(self.directory / "queue"),
        }

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"the Collector ended at its start:\n{self.log()[-3000:]}")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/", timeout=1)
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
            else:
                return
        self.kill()
        raise RuntimeError(f"the Collector did not become healthy:\n{self.log()[-3000:]}")
