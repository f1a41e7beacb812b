"""One stack with the history of one demo, for all commands that read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from spanledger import stack
from tests.cli._program import json_of, run_cli


@dataclass(frozen=True)
class History:
    """A running stack that holds what the demo did."""

    info: stack.StackInfo
    demo: Any
    """What ``spanledger demo --json`` said."""

    @property
    def where(self) -> tuple[str, str]:
        """The option that leads commands to it."""
        return ("--data-dir", str(self.info.data_dir))


@pytest.fixture(scope="package")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """Made by the demo itself, once."""
    pytest.importorskip("chdb", reason="the embedded engine is not installed")
    folder = tmp_path_factory.mktemp("history")
    info = stack.start(folder, clickhouse_port=0, otlp_port=0, grpc_port=None)
    try:
        done = run_cli("demo", "--json", "--data-dir", str(folder), cwd=folder)
        assert done.returncode == 0, done.stderr
        yield History(info, json_of(done))
    finally:
        stack.stop(folder)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """An empty folder to work in; a stack that was started below it is stopped afterwards."""
    yield tmp_path
    for lock in tmp_path.rglob("daemon.lock"):
        stack.stop(lock.parent)
