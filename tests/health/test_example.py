"""The example of the documentation runs and shows what it says."""

import subprocess
import sys
from pathlib import Path

from tests.cli._program import clean_environment

_EXAMPLE = Path(__file__).parents[2] / "examples" / "health.py"


def test_the_example_reports_and_acts(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(_EXAMPLE)],
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "send: 12 runs, 6 failed" in done.stdout
    assert "0 answers are left" in done.stdout
    assert "forget, because of failures: 12 answers forgotten" in done.stderr
    assert "invoke_agent clerk" in done.stdout
