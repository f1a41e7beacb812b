"""Every command explains itself, and the reference page says what the help says."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from spanledger.cli._app import COMMANDS
from spanledger.cli.reference import contexts, help_of
from tests.cli._program import run_cli

_PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


_ALL = {context.command_path: context for context in contexts()}


@pytest.mark.parametrize("name", sorted(_ALL))
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    text = help_of(_ALL[name])
    assert "Example: spanledger " in text
    assert text.startswith("Usage: spanledger")


@pytest.mark.parametrize("name", sorted(_ALL))
def test_every_command_that_answers_can_answer_in_json(name: str) -> None:
    command = _ALL[name].command
    # What they print is a protocol's, a program's, a shell's.
    others = {"spanledger mcp", "spanledger run", "spanledger completion"}
    if isinstance(command, click.Group) or name in others:
        return
    assert "--json" in [option for parameter in command.params for option in parameter.opts]


def test_the_reference_page_is_what_the_help_says() -> None:
    """In a process of its own: click keeps the help option of whoever asked a command first."""
    made = subprocess.run(
        [sys.executable, "-m", "spanledger.cli.reference"],
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    assert _PAGE.read_text(encoding="utf-8") == made.stdout, (
        "run `python -m spanledger.cli.reference > docs/cli.md`"
    )


def test_help_works_for_every_command_in_a_process_of_its_own(tmp_path: Path) -> None:
    for name in COMMANDS:
        done = run_cli(name, "--help", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("Usage: spanledger"), name


def test_the_version_is_told(tmp_path: Path) -> None:
    done = run_cli("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout.startswith("spanledger, version ")) == (0, True)
