"""gunicorn, process pools, celery, SIGTERM, kill -9: every spooled span is delivered once.

While the processes run, the collector refuses everything; then the next process starts.
"""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from spanledger.processors import spool_state
from spanledger.testing.otlp_server import Accept, OtlpServer, Refuse
from tests.guard._wait import until

REPOSITORY = Path(__file__).parents[2]
PROGRAM = "tests.scenarios._span_programs"
_PATIENCE_S = 120.0


class Host:
    """A machine with a data directory, a collector that is out of order, and processes."""

    def __init__(self, server: OtlpServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.spool = folder / "data" / "spool"
        unwanted = ("OTEL_", "SPANLEDGER_")
        self.env = {n: v for n, v in os.environ.items() if not n.startswith(unwanted)} | {
            "SPANLEDGER_DATA_DIR": str(folder / "data"),
            "SPANLEDGER_OTLP_ENDPOINT": server.endpoint,
            "SPANLEDGER_STORE": "memory",
            "PYTHONPATH": str(REPOSITORY),
            "CELERY_FOLDER": str(folder / "messages"),
        }

    def run(self, *arguments: str) -> int:
        """A program to its end; the status."""
        done = subprocess.run(
            [sys.executable, "-m", PROGRAM, *arguments],
            env=self.env,
            timeout=_PATIENCE_S,
            check=False,
        )
        return done.returncode

    @contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """A server, killed at the end if it has not ended by itself."""
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=self.env,
                cwd=self.folder,
                stderr=log,
                stdout=log,
                text=True,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def names_after_restart(self) -> list[str]:
        """What the collector has once it works again and one more process has run."""
        self.server.always(Accept())
        assert self.run("heir") == 0
        assert spool_state(self.spool).items == 0
        assert self.server.duplicates == 0
        found = sorted(span.name for span in self.server.spans)
        found.remove("heir")
        return found


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with OtlpServer(Refuse(status=503)) as server:
        yield Host(server, tmp_path)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_scenario_28_children_of_multiprocessing_lose_nothing(host: Host, method: str) -> None:
    """They end without `atexit`."""
    assert host.run("processes", method) == 0
    assert host.names_after_restart() == [*(f"{method}-{n}" for n in range(4)), f"{method}-parent"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_scenario_28_a_process_pool_loses_nothing(host: Host, method: str) -> None:
    assert host.run("pool", method) == 0
    assert host.names_after_restart() == [*(f"pool-{n:02d}" for n in range(60)), "pool-parent"]


def test_scenario_28_sigterm_kills_and_the_next_process_sends(host: Host) -> None:
    """What was on disk, that is; a moment later it would have been all."""
    assert host.run("terminated", "plainly") == -signal.SIGTERM
    found = host.names_after_restart()
    assert found[:10] == [f"plainly-{n}" for n in range(10)]
    assert set(found[10:]) <= {"plainly-last"}


def test_scenario_28_with_a_handler_for_sigterm_nothing_at_all_is_lost(host: Host) -> None:
    """The open span ends, too."""
    assert host.run("terminated", "handled") == 128 + signal.SIGTERM
    wanted = [*(f"handled-{n}" for n in range(10)), "handled-last", "handled-open"]
    assert host.names_after_restart() == wanted


@contextmanager
def gunicorn(host: Host, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = ("gunicorn", "--preload", "--workers", "2", "--bind", "127.0.0.1:0", *options)
    with host.running(*command, f"{PROGRAM}:application") as process:
        until(lambda: "Booting worker" in host.log(), patience_s=60.0)
        address = re.search(r"http://127\.0\.0\.1:\d+", host.log())
        assert address is not None
        yield process, address[0]


def get(url: str) -> str:
    """The answer; empty if the worker was gone before it came."""
    try:
        with urllib.request.urlopen(url, timeout=30) as reply:  # noqa: S310 - our own server
            answer: str = reply.read().decode()
            return answer
    except OSError:
        return ""


def test_scenario_28_gunicorn_with_preload_and_max_requests_loses_nothing(host: Host) -> None:
    """Workers come and go; at the end the master is told to stop."""
    with gunicorn(host, "--max-requests", "15") as (process, address):
        answered = [get(f"{address}/?request-{n:03d}") for n in range(100)]
        process.terminate()
        process.wait(_PATIENCE_S)
    assert host.log().count("Booting worker") > 5
    assert host.names_after_restart() == sorted(filter(None, answered))
    assert len(list(filter(None, answered))) > 90


def test_scenario_28_workers_killed_under_load_lose_nothing_that_was_spooled(host: Host) -> None:
    """kill -9, again and again, while others of the same host go on and adopt what they left."""
    with gunicorn(host) as (process, address):
        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(get, f"{address}/safe?request-{n:03d}") for n in range(200)]
            for kills in range(4):
                _until_done(answers, 30 * (kills + 1))
                os.kill(_workers_of(host, process.pid)[-1], signal.SIGKILL)
            answered = {answer.result() for answer in answers} - {""}
        process.terminate()
        process.wait(_PATIENCE_S)
    found = host.names_after_restart()
    assert answered <= set(found)
    assert len(found) == len(set(found))
    assert len(answered) > 150


def _until_done(answers: list[Future[str]], count: int) -> None:
    until(lambda: sum(answer.done() for answer in answers) > count, patience_s=60.0)


def _workers_of(host: Host, master: int) -> list[int]:
    """Those that were started, by the log, and are still there."""
    started = [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", host.log())]
    return [pid for pid in started if pid != master and Path(f"/proc/{pid}").exists()]


def test_scenario_28_celery_loses_nothing(host: Host) -> None:
    """Prefork workers that are replaced after every few tasks, by `os._exit`."""
    celery = pytest.importorskip("celery")
    for name in ("messages", "messages-control"):
        (host.folder / name).mkdir()
    arguments = ["--pool", "prefork", "-c", "2", "--max-tasks-per-child", "7", "-l", "info"]
    with host.running(
        "celery", "-A", "tests.scenarios._celery_app", "worker", *arguments
    ) as process:
        app = celery.Celery("spans", broker="filesystem://")
        folder = host.env["CELERY_FOLDER"]
        app.conf.broker_transport_options = {
            "data_folder_in": folder,
            "data_folder_out": folder,
            "control_folder": f"{folder}-control",
        }
        for n in range(60):
            app.send_task("work", args=[f"task-{n:02d}"])
        until(lambda: host.log().count("succeeded") >= 60, patience_s=90.0)
        process.terminate()
        process.wait(_PATIENCE_S)
    assert host.names_after_restart() == [f"task-{n:02d}" for n in range(60)]
