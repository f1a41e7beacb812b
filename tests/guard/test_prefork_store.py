"""One budget for the workers of a real web server, and for forked and spawned processes."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from spanledger.config import GuardSettings
from spanledger.guard import open_store
from spanledger.guard.stores import Store
from spanledger.guard.stores.redis import RedisStore
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from tests._redis import RedisMissing, redis_server
from tests.guard._wait import until

pytest.importorskip("openai")

_APP = Path(__file__).with_name("_prefork_app.py")
_REPOSITORY = Path(__file__).parents[2]
#: What a call uses. It asks for more, a token for each byte of its prompt, so nothing overshoots.
INPUT, OUTPUT, PROMPT_BYTES = 80, 100, 300
LIMIT = 9_000
#: A server, or its workers, start on a busy machine.
START_S = 60.0
RULE = "environment-tokens"
ANSWER = Reply(text="Yes.", usage=UsageSpec(input_tokens=INPUT, output_tokens=OUTPUT))


@pytest.fixture
def provider() -> Iterator[MockProvider]:
    with MockProvider(ANSWER) as provider:
        yield provider


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """What the setting `guard.store` says."""
    if request.param == "sqlite":
        yield "sqlite"
        return
    try:
        with redis_server(tmp_path / "redis") as server:
            yield server.url
    except RedisMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def environment(provider: MockProvider, place: str, tmp_path: Path) -> dict[str, str]:
    """Of the processes under test: nothing of this process's settings."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("OTEL_", "SPANLEDGER_"))}
    return {
        **kept,
        "PYTHONPATH": str(_REPOSITORY),
        "OPENAI_BASE_URL": provider.openai_base_url,
        "NO_PROXY": "127.0.0.1",
        "OTEL_SDK_DISABLED": "true",
        "SPANLEDGER_EXPORT": "off",
        "SPANLEDGER_STORE": place,
        "SPANLEDGER_DATA_DIR": str(tmp_path / "data"),
        "SPANLEDGER_BUDGET_TOKENS": str(LIMIT),
        "PROMPT": "x" * PROMPT_BYTES,
        "MAX_TOKENS": str(OUTPUT),
        "BUSY_FILE": str(tmp_path / "busy"),
    }


@pytest.fixture
def ledger(place: str, tmp_path: Path) -> Store:
    """The ledger of those processes, seen from outside."""
    return open_store(GuardSettings(store=place), tmp_path / "data")


def _sums(ledger: Store) -> tuple[int, int]:
    """Spent and reserved."""
    ((_key, counter),) = ledger.counters(RULE)
    return counter.spent, counter.reserved


def _assert_used_up(ledger: Store, provider: MockProvider, calls: int) -> None:
    """Each call that was let through reached the provider and is paid; no more than the limit."""
    assert provider.calls() == calls
    assert _sums(ledger) == (calls * (INPUT + OUTPUT), 0)
    assert 0.9 * LIMIT <= calls * (INPUT + OUTPUT) <= LIMIT


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_forked_and_spawned_processes_share_the_budget_of_their_parent(
    provider: MockProvider, environment: dict[str, str], ledger: Store, method: str
) -> None:
    """The parent has asked before: its connection and its lock are not its children's."""
    done = subprocess.run(
        [sys.executable, str(_APP), method],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert (said["first"], said["codes"]) == ("ok", [0] * 4), done.stderr[-3000:]
    _assert_used_up(ledger, provider, 1 + sum(said["calls"]))


class Server:
    """A running gunicorn."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log
        until(lambda: b"Listening at: http://127.0.0.1:" in log.read_bytes(), START_S)
        self.url = log.read_text().partition("Listening at: ")[2].split()[0]

    def get(self, model: str = "gpt-4o-mini") -> list[str]:
        """What became of the call, and the process that made it."""
        with urllib.request.urlopen(f"{self.url}/{model}", timeout=60) as answer:  # noqa: S310 - loopback
            return str(answer.read().decode()).split()

    def until_refused(self, threads: int = 8) -> list[list[str]]:
        """The answers of clients that each ask until they are refused."""

        def client(_number: int) -> list[list[str]]:
            answers = [self.get()]
            while answers[-1][0] == "ok":
                answers.append(self.get())
            return answers

        with ThreadPoolExecutor(threads) as pool:
            return [answer for answers in pool.map(client, range(threads)) for answer in answers]


@contextmanager
def _gunicorn(environment: dict[str, str], log: Path, *options: str) -> Iterator[Server]:
    pytest.importorskip("gunicorn")
    command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--workers", "4"]
    command += [*options, "--graceful-timeout", "10", "tests.guard._prefork_app:app"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=_REPOSITORY, env=environment, stdout=output, stderr=output
        )
    try:
        yield Server(process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["each", "preload"])
def test_four_workers_of_a_web_server_share_one_budget_also_when_they_are_replaced(
    provider: MockProvider,
    environment: dict[str, str],
    ledger: Store,
    tmp_path: Path,
    options: tuple[str, ...],
) -> None:
    """Each worker ends after nine requests; what it has settled stays."""
    restarts = ("--max-requests", "9", "--max-requests-jitter", "3")
    with _gunicorn(environment, tmp_path / "log", *options, *restarts) as server:
        answers = server.until_refused()
    said = [answer for answer, _pid in answers]
    assert said.count("BudgetExceeded") == 8
    assert len({pid for _answer, pid in answers}) > 4
    _assert_used_up(ledger, provider, said.count("ok"))


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["each", "preload"])
def test_what_a_killed_worker_held_stays_held_and_is_charged_when_its_lease_ends(
    provider: MockProvider,
    environment: dict[str, str],
    ledger: Store,
    tmp_path: Path,
    options: tuple[str, ...],
) -> None:
    """The others go on, and all together stay within the limit."""
    provider.on("slow", Reply(text="Yes.", delay_s=60.0))
    # A model without a price is no hindrance: the budget counts tokens.
    env = {**environment, "SPANLEDGER_LEASE_S": "4"}
    with _gunicorn(env, tmp_path / "log", *options) as server:
        with ThreadPoolExecutor(1) as pool:
            lost = pool.submit(server.get, "slow")
            until(lambda: provider.calls() == 1, START_S)
            admitted = time.monotonic()
            os.kill(int((tmp_path / "busy").read_text(encoding="ascii")), signal.SIGKILL)
            with pytest.raises(OSError, match=r"reset|closed|Remote end|Connection"):
                lost.result(60)
        spent, held = _sums(ledger)
        assert spent == 0
        assert OUTPUT + PROMPT_BYTES <= held < 600
        while time.monotonic() < admitted + 4.5:
            time.sleep(0.1)
        # Waits of calls under contention are short: the lease is over.
        said = [answer for answer, _pid in server.until_refused()]
    calls = said.count("ok")
    assert _sums(ledger) == (held + calls * (INPUT + OUTPUT), 0)
    assert 0.9 * LIMIT <= held + calls * (INPUT + OUTPUT) <= LIMIT
    assert provider.calls() == calls + 1
    if isinstance(ledger, RedisStore):
        ledger.close()
