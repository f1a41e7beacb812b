"""`spanledger backup` and `restore`, as typed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from spanledger import stack
from spanledger.cli._app import run
from tests.stack.test_backups import filled

pytestmark = pytest.mark.storage


def test_a_backup_is_made_and_restored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(tmp_path / "data")
    try:
        where = ["--data-dir", str(tmp_path / "data"), "--json"]
        assert run(["backup", str(tmp_path / "b"), *where]) == 0
        made = json.loads(capsys.readouterr().out)
        assert made["manifest"]["rows"]["llm_calls"] == 30
        assert run(["backup", str(tmp_path / "b"), *where]) == 1
        assert "exists already" in capsys.readouterr().err
        assert run(["status", *where]) == 0
        health = json.loads(capsys.readouterr().out)["health"]
        assert health["received"]["traces.rows"] == 30
    finally:
        stack.stop(tmp_path / "data")
    assert run(["restore", str(tmp_path / "b"), "--data-dir", str(tmp_path / "new")]) == 0
    assert "spanledger up --data-dir" in capsys.readouterr().out


def test_the_commands_say_what_they_are_for() -> None:
    from spanledger.cli._app import app

    for name in ("backup", "restore", "graduate"):
        result = CliRunner().invoke(app, [name, "--help"])
        assert result.exit_code == 0
        assert "Example:" in result.output
