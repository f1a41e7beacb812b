"""Migrators in processes of their own."""

import subprocess
import sys

_MIGRATOR = """
import sys
from spanledger.warehouse import connect, migrate

with connect(sys.argv[1]) as warehouse:
    print("ready", flush=True)
    sys.stdin.readline()
    migrate(warehouse, cluster=sys.argv[2] or None)
"""


def migrate_at_once(url: str, *, processes: int = 2, cluster: str = "") -> list[tuple[int, str]]:
    """Migrate one database from several processes at the same moment.

    Gives the exit code and the error output of each.
    """
    started = [_start(url, cluster) for _ in range(processes)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [_end(process) for process in started]


def _start(url: str, cluster: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _MIGRATOR, url, cluster],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _end(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors
