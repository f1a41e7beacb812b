"""Agents that run obey what an operator tells the ledger: real agents, real clients."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

from spanledger.testing.providers import MockProvider
from tests._redis import RedisMissing, redis_server
from tests.cli._program import TIMEOUT_S, clean_environment, json_of, run_here

_FILE = """\
[[budgets]]
name = "all"
metric = "calls"
limit = 1000000
window = "total"

[[breakers]]
name = "providers"
"""


class _Agent:
    """A process that calls a model all the time; `says` waits for the next change."""

    def __init__(self, home: Path, environ: dict[str, str]) -> None:
        program = Path(__file__).with_name("agent_patient.py")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "spanledger.cli", "run", "--", sys.executable, str(program)],
            cwd=home,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        self._said: Queue[str] = Queue()
        self._log: list[str] = []
        self._before = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._log.append(line.strip())
            if line.startswith("says "):
                self._said.put(line.split()[1])
        self._said.put("(ended)")

    def says(self) -> str:
        """The next change. That Redis took longer than 50 ms on a busy machine is none."""
        # Once Redis is back, it says again what it said before.
        while (said := self._next()) in {"ledger_unavailable", self._before}:
            pass
        self._before = said
        return said

    def _next(self) -> str:
        try:
            said = self._said.get(timeout=TIMEOUT_S)
        except Empty:
            raise AssertionError(f"the agent says nothing: {self._log[-20:]}") from None
        assert said != "(ended)", f"the agent ended: {self._log[-20:]}"
        return said

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(TIMEOUT_S)
        finally:
            self._process.kill()
            self._reader.join(TIMEOUT_S)


@pytest.fixture
def provider() -> Iterator[MockProvider]:
    with MockProvider() as provider:
        yield provider


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The setting that both sides have."""
    if request.param == "sqlite":
        yield "sqlite"
        return
    try:
        with redis_server(tmp_path / "redis") as server:
            yield server.url
    except RedisMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def agents(provider: MockProvider, store: str, tmp_path: Path) -> Iterator[list[_Agent]]:
    """Two agents of one ledger."""
    (tmp_path / "spanledger.toml").write_text(_FILE, encoding="utf-8")
    environ = clean_environment(
        tmp_path,
        OPENAI_BASE_URL=provider.openai_base_url,
        OPENAI_API_KEY="none",
        SPANLEDGER_STORE=store,
        SPANLEDGER_RELOAD_S="0.1",
        SPANLEDGER_EXPORT="off",
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
    )
    started = [_Agent(tmp_path, environ) for _ in range(2)]
    yield started
    for agent in started:
        agent.end()


def test_running_agents_obey_limits_and_breakers_that_are_changed(
    agents: list[_Agent], store: str, tmp_path: Path
) -> None:
    """A limit below what is spent, taken back; a rule that is new; a breaker by hand."""

    def told(*words: str) -> None:
        done = run_here(*words, cwd=tmp_path, environ={"SPANLEDGER_STORE": store})
        assert done.returncode == 0, done.stderr

    def all_say() -> set[str]:
        return {agent.says() for agent in agents}

    assert all_say() == {"answered"}
    told("budget", "set", "all", "--limit", "1")
    assert all_say() == {"budget_exhausted"}
    told("budget", "delete", "all")
    assert all_say() == {"answered"}
    told("breaker", "open", "openai/gpt-4o-mini")
    assert all_say() == {"circuit_open"}
    told("breaker", "release", "openai/gpt-4o-mini")
    assert all_say() == {"answered"}
    told("rate-limit", "set", "none", "--metric", "calls", "--limit", "0", "--per", "hour")
    assert all_say() == {"rate_limited"}
    shown = run_here(
        "budget", "show", "all", "--json", cwd=tmp_path, environ={"SPANLEDGER_STORE": store}
    )
    assert json_of(shown)["counters"][0]["spent"] > 1
