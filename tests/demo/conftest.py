"""The demo, run once as a user runs it."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli._program import json_of, run_cli


@dataclass(frozen=True)
class Demo:
    """One run of ``spanledger demo --json``."""

    home: Path
    said: Any
    progress: str
    duration_s: float


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    pytest.importorskip("chdb", reason="the embedded engine is not installed")
    home = tmp_path_factory.mktemp("demo")
    begin = time.monotonic()
    done = run_cli("demo", "--json", cwd=home)
    assert done.returncode == 0, done.stderr
    return Demo(home, json_of(done), done.stderr, time.monotonic() - begin)
