"""`spanledger run`: the guard is in front whatever becomes of OpenTelemetry's boot."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger.testing.otlp_server import OtlpServer
from spanledger.testing.providers import MockProvider
from tests.cli._program import TIMEOUT_S, clean_environment, run_cli

_AGENT = """\
from openai import OpenAI

client, refused = OpenAI(), 0
for _ in range(4):
    try:
        client.chat.completions.create(
            model="gpt-4.1-mini",
            max_completion_tokens=9,
            messages=[{"role": "user", "content": "x"}],
        )
    except Exception as error:
        refused += type(error).__name__ == "BudgetExceeded"
print("refused", refused)
"""
_RAISING_DISTRO = """\
from opentelemetry.instrumentation.distro import BaseDistro


class Distro(BaseDistro):
    def _configure(self, **_):
        raise RuntimeError("this distribution is broken")
"""


@pytest.fixture
def provider() -> Iterator[MockProvider]:
    with MockProvider() as running:
        yield running


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    """An agent that calls four times, whatever happens."""
    path = tmp_path / "agent.py"
    path.write_text(_AGENT, encoding="utf-8")
    return path


@pytest.fixture
def raising_distro(tmp_path: Path) -> str:
    """A folder for PYTHONPATH with an installed distribution that raises; its name is `broken`."""
    folder = tmp_path / "site"
    info = folder / "broken_distro-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "broken_distro.py").write_text(_RAISING_DISTRO, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-distro\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[opentelemetry_distro]\nbroken = broken_distro:Distro\n"
    )
    return str(folder)


def agent_environ(provider: MockProvider, **more: str) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": provider.openai_base_url,
        "OPENAI_API_KEY": "none",
        "SPANLEDGER_BUDGET_CALLS": "2",
        "SPANLEDGER_EXPORT": "off",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        **more,
    }


_BOOTS = {
    "as it should be": {},
    "an exporter that does not exist": {"OTEL_TRACES_EXPORTER": "nonsense"},
    "a protocol that does not exist": {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "carrier-pigeon",
    },
    "no sampling": {"OTEL_TRACES_SAMPLER": "always_off"},
    "the SDK disabled": {"OTEL_SDK_DISABLED": "true"},
    "no instrumentations": {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"},
}


@pytest.mark.parametrize("boot", _BOOTS)
def test_of_four_calls_two_are_sent_whatever_becomes_of_the_boot(
    boot: str, agent: Path, provider: MockProvider
) -> None:
    environ = agent_environ(provider, **_BOOTS[boot])
    done = run_cli("run", "--", sys.executable, str(agent), cwd=agent.parent, environ=environ)
    assert (done.returncode, done.stdout, provider.calls()) == (0, "refused 2\n", 2), done.stderr


def test_a_distribution_that_raises_does_not_open_the_limit(
    agent: Path, provider: MockProvider, raising_distro: str
) -> None:
    environ = agent_environ(provider, OTEL_PYTHON_DISTRO="broken", PYTHONPATH=raising_distro)
    done = run_cli("run", "--", sys.executable, str(agent), cwd=agent.parent, environ=environ)
    assert (done.stdout, provider.calls()) == ("refused 2\n", 2), done.stderr
    assert "this distribution is broken" in done.stderr


@pytest.mark.parametrize("command", ["run", "opentelemetry-instrument"])
def test_only_the_launcher_holds_the_limit_with_a_broken_exporter(
    command: str, agent: Path, provider: MockProvider
) -> None:
    """The reason why there is a launcher; if this changes, the documentation must."""
    environ = agent_environ(provider, OTEL_TRACES_EXPORTER="nonsense")
    if command == "run":
        run_cli("run", "--", sys.executable, str(agent), cwd=agent.parent, environ=environ)
        assert provider.calls() == 2
    else:
        wrapper = Path(sys.executable).with_name("opentelemetry-instrument")
        subprocess.run(
            [wrapper, sys.executable, str(agent)],
            env=clean_environment(agent.parent, **environ),
            check=True,
            capture_output=True,
            timeout=TIMEOUT_S,
        )
        assert provider.calls() == 4


def test_a_child_of_the_program_is_guarded_too(agent: Path, provider: MockProvider) -> None:
    parent = "import subprocess, sys; subprocess.run([sys.executable, 'agent.py'], check=True)"
    environ = agent_environ(provider, OTEL_TRACES_EXPORTER="nonsense")
    done = run_cli("run", sys.executable, "-c", parent, cwd=agent.parent, environ=environ)
    assert (done.stdout, provider.calls()) == ("refused 2\n", 2), done.stderr


def test_a_module_is_run_like_a_script(agent: Path, provider: MockProvider) -> None:
    environ = agent_environ(provider)
    done = run_cli("run", sys.executable, "-m", "agent", cwd=agent.parent, environ=environ)
    assert (done.stdout, provider.calls()) == ("refused 2\n", 2), done.stderr


def test_every_span_is_sent_once(agent: Path, provider: MockProvider) -> None:
    """The stock exporter that OpenTelemetry's boot puts in is replaced, as without the launcher."""
    with OtlpServer() as collector:
        environ = agent_environ(
            provider,
            SPANLEDGER_EXPORT="on",
            OTEL_TRACES_EXPORTER="otlp",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        )
        run_cli("run", sys.executable, str(agent), cwd=agent.parent, environ=environ)
        calls = [s for s in collector.spans if s.attributes.get("spanledger.billing") == "call"]
        assert (len(calls), collector.duplicates) == (2, 0)


def test_the_exit_code_and_the_arguments_are_those_of_the_program(tmp_path: Path) -> None:
    program = "import sys; print(sys.argv[1:]); sys.exit(7)"
    done = run_cli("run", "--", sys.executable, "-c", program, "--json", "--", "-x", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (7, "['--json', '--', '-x']\n"), done.stderr


def test_a_signal_reaches_the_program(tmp_path: Path) -> None:
    program = "import time; print('up', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-m", "spanledger.cli", "run", sys.executable, "-c", program],
        cwd=tmp_path,
        env=clean_environment(tmp_path, SPANLEDGER_EXPORT="off"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"up\n"
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=30) == -signal.SIGTERM


def test_a_sitecustomize_of_the_user_still_runs(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import builtins\nbuiltins.mine = 'ran'\n")
    program = "import sitecustomize; print(mine, sitecustomize.__file__)"
    done = run_cli(
        "run", sys.executable, "-c", program, cwd=tmp_path, environ={"PYTHONPATH": str(folder)}
    )
    assert done.stdout == f"ran {folder / 'sitecustomize.py'}\n", done.stderr


def test_a_python_without_spanledger_is_not_started(tmp_path: Path) -> None:
    """Asked to be guarded, it must not run unguarded."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    python = tmp_path / "bare" / "bin" / "python"
    done = run_cli("run", str(python), "-c", "print('ran')", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "install spanledger into this Python" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_child_without_spanledger_runs_and_is_announced(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    python = tmp_path / "bare" / "bin" / "python"
    parent = f"import subprocess; subprocess.run([{str(python)!r}, '-c', 'print(1)'], check=True)"
    done = run_cli("run", sys.executable, "-c", parent, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    assert "no guard in" in done.stderr


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ([], "no program to run"),
        (["--"], "no program to run"),
        (["no-such-program"], "'no-such-program' is not a program"),
        (["opentelemetry-instrument", "python", "a.py"], "takes the place of"),
        (["python3", "-I", "a.py"], "option -I"),
        (["/usr/bin/python3.11", "-X", "dev", "-uE", "a.py"], "option -E"),
    ],
)
def test_what_would_run_unguarded_is_a_wrong_usage(
    tmp_path: Path, command: list[str], says: str
) -> None:
    done = run_cli("run", *command, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("options", [["-W", "I"], ["-c", "-I"], ["-m", "E"], ["-uB"], ["-XE"]])
def test_what_only_looks_like_such_an_option_is_let_through(
    tmp_path: Path, options: list[str]
) -> None:
    from spanledger.instrumentation.launcher import check_command

    check_command(["python", *options])


def test_the_environment_has_our_folder_first_and_opentelemetrys_not_at_all() -> None:
    from spanledger.instrumentation.launcher import LAUNCH_DIR, child_environment

    otel = os.path.join("x", "opentelemetry", "instrumentation", "auto_instrumentation")
    given = {"PYTHONPATH": os.pathsep.join([otel, "mine", LAUNCH_DIR]), "A": "1"}
    made = child_environment(given, "/here")
    assert made["PYTHONPATH"].split(os.pathsep) == [LAUNCH_DIR, "/here", "mine"]
    assert child_environment(made, "/here") == made
    assert made["A"] == "1"
