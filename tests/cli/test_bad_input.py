"""Whatever is wrong: one clear sentence, a code that is not 0, no traceback."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger import stack
from tests.cli._program import run_cli
from tests.cli.conftest import History


def fails(
    home: Path, *arguments: str, says: str, code: int = 1, environ: dict[str, str] | None = None
) -> None:
    done = run_cli(*arguments, cwd=home, environ=environ)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    if code == 1:
        assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port of loopback that another program listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize("command", [["report"], ["trace", "--last"], ["status"], ["migrate"]])
def test_without_a_stack_every_question_says_how_to_start_one(
    home: Path, command: list[str]
) -> None:
    fails(home, *command, says="start it with `spanledger up`")


@pytest.mark.parametrize("command", [["report"], ["trace", "--last"], ["status"], ["migrate"]])
def test_a_server_that_does_not_answer_is_named_without_its_password(
    home: Path, command: list[str], unused_port: int
) -> None:
    url = f"http://me:hunter2secret@127.0.0.1:{unused_port}/ledger"
    fails(home, *command, "--url", url, says=f"127.0.0.1:{unused_port}")
    assert "hunter2secret" not in run_cli(*command, "--url", url, cwd=home).stderr


@pytest.fixture
def unused_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("url", ["ftp://somewhere", "not a url", "http://", "http://h:99999/x"])
def test_a_url_that_is_none_is_explained(home: Path, url: str) -> None:
    fails(home, "report", "--url", url, says="ClickHouse URL")


@pytest.mark.parametrize("since", ["yesterday", "24", "-3h", "7y", "", "9999999h", "'; DROP"])
def test_a_period_that_is_not_understood_is_a_wrong_usage(home: Path, since: str) -> None:
    fails(home, "report", "--since", since, says="--since", code=2)


def test_a_dimension_that_does_not_exist_is_a_wrong_usage(home: Path) -> None:
    fails(home, "report", "--by", "colour", says="'agent'", code=2)


@pytest.mark.parametrize(
    "arguments", [["trace"], ["trace", "ab", "--last"], ["nothing"], ["up", "x"]]
)
def test_wrong_usage_has_its_own_code(home: Path, arguments: list[str]) -> None:
    fails(home, *arguments, says="Usage: spanledger", code=2)


@pytest.mark.parametrize("port", ["-1", "70000", "http"])
def test_a_port_that_is_none_is_a_wrong_usage(home: Path, port: str) -> None:
    fails(home, "up", "--otlp-port", port, says="--otlp-port", code=2)


@pytest.mark.storage
@pytest.mark.parametrize("asked", ["ffffffffffffffff", "' OR 1=1 --", "%", "a" * 10_000])
def test_an_unknown_trace_is_said_to_be_unknown(history: History, home: Path, asked: str) -> None:
    fails(home, "trace", asked, *history.where, says="no trace begins with")


@pytest.mark.storage
def test_a_database_that_is_not_migrated_says_what_to_run(history: History, home: Path) -> None:
    url = history.info.clickhouse_url.rpartition("/")[0] + "/empty_database"
    fails(home, "report", "--url", url, says="spanledger migrate")


@pytest.mark.storage
def test_a_wrong_password_is_said_to_be_wrong(history: History, home: Path) -> None:
    address = history.info.clickhouse_url.rpartition("@")[2]
    fails(home, "report", "--url", f"http://spanledger:wrong@{address}", says="refuses user")


@pytest.mark.storage
@pytest.mark.parametrize("option", ["--otlp-port", "--clickhouse-port"])
def test_a_port_that_is_taken_names_the_option_for_another(
    home: Path, taken_port: int, option: str
) -> None:
    ports = {"--otlp-port": "0", "--clickhouse-port": "0", "--grpc-port": "0"}
    ports[option] = str(taken_port)
    words = [word for pair in ports.items() for word in pair]
    done = run_cli("up", "--data-dir", str(home / "data"), *words, cwd=home)
    assert done.returncode == 1
    assert f"Port {taken_port}" in done.stderr
    assert option in done.stderr
    assert "Traceback" not in done.stderr
    assert stack.status(home / "data") is None


def test_a_data_folder_that_can_not_be_made_is_named(home: Path) -> None:
    (home / "file").write_text("", encoding="utf-8")
    done = run_cli("up", "--data-dir", str(home / "file" / "data"), cwd=home)
    assert done.returncode == 1
    assert str(home / "file" / "data") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_configuration_file_that_can_not_be_read_is_named_with_its_line(home: Path) -> None:
    (home / "spanledger.toml").write_text("[warehouse]\nurll = 'x'\n", encoding="utf-8")
    fails(home, "report", says="line 2: warehouse.urll: no such setting")


def test_down_without_a_stack_is_no_error(home: Path) -> None:
    done = run_cli("down", "--data-dir", str(home / "data"), cwd=home)
    assert (done.returncode, "No local stack was running" in done.stdout) == (0, True)


def test_a_traceback_is_shown_on_demand(home: Path) -> None:
    done = run_cli("report", cwd=home, environ={"SPANLEDGER_DEBUG": "1"})
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_model_without_a_price_is_not_free(home: Path) -> None:
    fails(home, "prices", "show", "nobody-knows-this-model", says="no price is known")


@pytest.mark.parametrize("package", ["click", "rich"])
def test_without_its_packages_the_command_line_says_what_to_install(
    home: Path, package: str
) -> None:
    hidden = home / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        f"import sys\nsys.modules[{package!r}] = None\n", encoding="utf-8"
    )
    environ = {"PYTHONPATH": str(hidden)}
    fails(home, "status", says="pip install 'spanledger[local]'", environ=environ)
    done = run_cli("run", "--", sys.executable, "-c", "print('ran')", cwd=home, environ=environ)
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr
