"""`spanledger completion`: the scripts, and a real shell that uses one."""

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.cli._program import clean_environment, run_here

_PROGRAM = Path(sysconfig.get_path("scripts")) / "spanledger"
_PRESS_TAB = """
eval "$(cat script)"
COMP_WORDS=({words}) COMP_CWORD={last}
_spanledger_completion {program}
echo "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_that_asks_the_program(tmp_path: Path, shell: str) -> None:
    done = run_here("completion", shell, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_SPANLEDGER_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("spanledger bud", "budget"),
        ("spanledger usage sess", "sessions"),
        ("spanledger usage stats --by mod", "model"),
    ],
)
def test_bash_completes_commands_options_and_choices(
    tmp_path: Path, words: str, found: str
) -> None:
    script = run_here("completion", "bash", cwd=tmp_path).stdout
    (tmp_path / "script").write_text(script, encoding="utf-8")
    last = len(words.split()) - 1
    done = subprocess.run(
        ["bash", "-c", _PRESS_TAB.format(words=words, last=last, program=_PROGRAM)],
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == [found], done.stderr
