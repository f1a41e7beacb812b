"""The sizing page holds what its program prints."""

import subprocess
import sys
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]


def test_the_table_of_the_sizing_page_is_what_the_program_prints() -> None:
    program = _REPOSITORY / "benchmarks" / "sizing.py"
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in (_REPOSITORY / "docs" / "sizing.md").read_text()
