"""The example of the documentation runs and shows what it says."""

import subprocess
import sys
from pathlib import Path

from tests.cli._program import clean_environment

_EXAMPLE = Path(__file__).parents[2] / "examples" / "recovery.py"


def test_the_example_survives_all_its_failures(tmp_path: Path) -> None:
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
    assert done.stdout.count("{'month': 'July'}") == 4
    assert done.stdout.count("{'month': 'unknown'}") == 1
    for act in ("retry month", "restate_schema", "shorten", "smaller model", "choice=default"):
        assert act in done.stdout
    assert "0.0 held" in done.stdout
