"""The command line as users run it: a process of its own, with nothing of this machine's setup."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from spanledger import cli

_FOREIGN = ("OTEL_", "SPANLEDGER_", "OPENAI_", "ANTHROPIC_")
TIMEOUT_S = 120


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """An environment without settings that change what is tested, and with a home of its own."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(_FOREIGN)}
    kept.pop("PYTHONPATH", None)
    kept.pop("XDG_DATA_HOME", None)
    return {**kept, "HOME": str(home), "PYTHONUTF8": "1", "NO_PROXY": "127.0.0.1", **more}


def run_cli(
    *arguments: str, cwd: Path, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """``spanledger ARGUMENTS`` in `cwd`, which is its home too."""
    return subprocess.run(
        [sys.executable, "-m", "spanledger.cli", *arguments],
        cwd=cwd,
        env=clean_environment(cwd, **(environ or {})),
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )


def run_here(
    *arguments: str, cwd: Path, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The same inside of this process, where nobody can be asked: a tenth of the time."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        mock.patch.dict(os.environ, clean_environment(cwd, **(environ or {})), clear=True),
        mock.patch.object(sys, "stdin", io.StringIO()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = cli.main(arguments)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def json_of(done: subprocess.CompletedProcess[str]) -> Any:
    """What a command printed with ``--json``; its errors if that failed."""
    assert done.stdout, done.stderr
    return json.loads(done.stdout)
