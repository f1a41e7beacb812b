"""`spanledger budget`, `rate-limit`, `breaker` and `guard`, as operators run them."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger.config import load_settings, read_document
from spanledger.guard import (
    Call,
    Estimate,
    Guard,
    Spending,
    Store,
    open_store,
    read_policy,
)
from spanledger.guard.rulebook import merged
from tests._redis import RedisMissing, RedisServer, redis_server
from tests.cli._program import TIMEOUT_S, clean_environment, json_of, run_here

_FILE = """\
[[budgets]]
name = "team-day"
metric = "cost"
limit = "5.00"
window = "day"
scope = "agent"

[[rate_limits]]
name = "per-user"
metric = "calls"
limit = 30
per = "hour"
scope = "user"

[[breakers]]
name = "providers"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a policy; its ledger is the default one of a user who lives there."""
    (tmp_path / "spanledger.toml").write_text(_FILE, encoding="utf-8")
    return tmp_path


def _store(home: Path, **environ: str) -> Store:
    settings = load_settings(read_document(home / "spanledger.toml"), environ=environ)
    return open_store(settings.guard, home / ".local" / "share" / "spanledger")


def _agent(store: Store, home: Path) -> Guard:
    return Guard(read_policy(read_document(home / "spanledger.toml")), store=store)


def _call(agent: str, cost_nano_usd: int, number: int = 0) -> Call:
    asked = Estimate(10, 10, cost_nano_usd, "test")
    call_id = f"{agent}-{number}-{os.getpid()}"
    return Call(call_id, "openai", "gpt-4o", "chat", asked, agents=(agent,), user="ada")


def _spend(home: Path, *agents: str, store: Store | None = None) -> None:
    """Each agent spends $0.123456789, and holds $1.00 for a call in flight."""
    store = store or _store(home)
    guarded = _agent(store, home)
    for agent in agents:
        held = guarded.admit(_call(agent, 10**9, 1)).granted()
        guarded.settle(held, Spending(15, 123_456_789))
        assert guarded.admit(_call(agent, 10**9, 2)).allowed


def _done(home: Path, *arguments: str, code: int = 0, **environ: str) -> str:
    done = run_here(*arguments, cwd=home, environ=environ)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


def _json(home: Path, *arguments: str, **environ: str) -> Any:
    return json_of(run_here(*arguments, "--json", cwd=home, environ=environ))


# --- looking --------------------------------------------------------------------------------


def test_budgets_are_listed_with_what_was_used(home: Path) -> None:
    """Spent, reserved, limit, part, end of the window, source; money is exact."""
    _spend(home, "planner", "coder")
    (budget,) = _json(home, "budget", "list")["budgets"]
    assert (budget["name"], budget["source"], budget["limit"]) == ("team-day", "file", "5")
    assert budget["counters_total"] == 2
    counter = budget["counters"][0]
    assert (counter["value"], counter["spent"], counter["reserved"]) == (
        "coder",
        "0.123456789",
        "1",
    )
    assert Decimal(counter["remaining"]) == Decimal("3.876543211")
    assert counter["resets_at"].endswith("T00:00:00+00:00")
    text = _done(home, "budget", "list")
    for part in ("agent planner", "$0.123456789", "$1.00", "$5.00 a day", "22%", "UTC", "file"):
        assert part in text


def test_of_many_values_the_most_used_are_shown(home: Path) -> None:
    """`--top`, `--all`, `--value`."""
    _spend(home, *(f"agent-{number}" for number in range(8)))
    assert "team-day: 3 more counters (--all shows them)" in _done(home, "budget", "list")
    assert len(_json(home, "budget", "show", "team-day", "--top", "2")["counters"]) == 2
    assert len(_json(home, "budget", "show", "team-day", "--all")["counters"]) == 8
    one = _json(home, "budget", "show", "team-day", "--value", "agent-7")
    assert [counter["value"] for counter in one["counters"]] == ["agent-7"]
    assert "team-day" not in _done(home, "budget", "list", "--value", "nobody")
    said = _done(home, "budget", "show", "team-day", "--value", "nobody", code=1)
    assert "no counter for 'nobody'" in said


def test_to_look_makes_no_ledger(home: Path) -> None:
    """An operator who looks as another user must not be its owner."""
    _done(home, "budget", "list")
    _done(home, "guard", "watch", "--once")
    assert not (home / ".local").exists()


# --- changing -------------------------------------------------------------------------------


def test_a_limit_is_changed_kept_and_taken_back(home: Path) -> None:
    """Set, show, delete; the file's holds again."""
    _spend(home, "planner")
    said = _done(home, "budget", "set", "team-day", "--limit", "7.25")
    assert "$7.25 a day, for each agent. Agents that share the ledger obey within 2 s." in said
    shown = _json(home, "budget", "show", "team-day")
    assert (shown["limit"], shown["scope"], shown["source"]) == ("7.25", "agent", "run time")
    assert shown["counters"][0]["spent"] == "0.123456789"
    assert "holds again: $5.00 a day" in _done(home, "budget", "delete", "team-day")
    said = _done(home, "budget", "delete", "team-day", code=1)
    assert "line 2: take it out there" in said


def test_every_key_of_a_budget_can_be_set(home: Path) -> None:
    """As in the file."""
    arguments = "--limit 10 --metric tokens --window week --scope attribute:team --enforce soft"
    more = "--time-zone Europe/Berlin --threshold 0.5 --threshold 1 --together --match model=gpt-*"
    made = _json(home, "budget", "set", "new", *arguments.split(), *more.split())
    del made["counters"], made["counters_total"]
    assert made == {
        "name": "new",
        "metric": "tokens",
        "limit": 10,
        "window": "week",
        "scope": "attribute:team",
        "time_zone": "Europe/Berlin",
        "thresholds": [0.5, 1.0],
        "enforce": "soft",
        "each": False,
        "match": {"model": "gpt-*"},
        "trip": False,
        "source": "run time",
    }


def test_a_budget_that_tripped_is_marked_until_it_is_reset(home: Path) -> None:
    """It refuses every call, though little of it is used."""
    _done(home, "budget", "set", "team-day", "--trip")
    store = _store(home)
    policy = merged(read_policy(read_document(home / "spanledger.toml")), store.rules())
    agent = Guard(policy, store=store)
    assert not agent.admit(_call("planner", 6_000_000_000)).allowed
    assert "0% TRIPPED" in _done(home, "budget", "list")
    (counter,) = _json(home, "budget", "show", "team-day")["counters"]
    assert counter["tripped_at"] is not None
    why = _done(home, "guard", "explain", "--model", "gpt-4o", "--agent", "planner", code=1)
    assert "would be refused now (budget_tripped)" in why
    _done(home, "budget", "reset", "team-day", "--value", "planner", "--yes")
    assert "TRIPPED" not in _done(home, "budget", "list")
    (counter,) = _json(home, "budget", "show", "team-day")["counters"]
    assert counter["tripped_at"] is None


def test_a_reset_asks_first_and_where_nobody_can_be_asked_wants_a_yes(home: Path) -> None:
    """Nothing is changed until then."""
    _spend(home, "planner")
    assert "say --yes" in _done(home, "budget", "reset", "team-day", code=1)
    assert _json(home, "budget", "show", "team-day")["counters"][0]["spent"] != "0"
    assert _json(home, "budget", "reset", "team-day", "--yes")["counters_reset"] == 1
    counter = _json(home, "budget", "show", "team-day")["counters"][0]
    assert (counter["spent"], counter["reserved"]) == ("0", "1")


@pytest.mark.parametrize(("answer", "left"), [("n", "0.123456789"), ("y", "0")])
def test_a_reset_does_what_the_answer_says(home: Path, answer: str, left: str) -> None:
    """On a terminal."""
    _spend(home, "planner")
    code, said = _on_terminal(home, ["budget", "reset", "team-day"], f"{answer}\n".encode())
    assert (code, "back to 0? [y/N]" in said) == (int(answer == "n"), True), said
    assert _json(home, "budget", "show", "team-day")["counters"][0]["spent"] == left


def test_rate_limits_have_the_same_verbs(home: Path) -> None:
    """List, set, show, reset, delete."""
    _spend(home, "planner")
    assert "30 calls an hour" in _done(home, "rate-limit", "list")
    assert "8 calls at once" in _done(
        home, "rate-limit", "set", "at-once", "--metric", "concurrency", "--limit", "8"
    )
    shown = _json(home, "rate-limit", "show", "per-user")
    counter = shown["counters"][0]
    assert (counter["value"], counter["spent"], counter["reserved"]) == ("ada", 1, 1)
    assert "begin at 0 again" in _done(home, "rate-limit", "reset", "per-user", "--yes")
    assert "is deleted" in _done(home, "rate-limit", "delete", "at-once")
    assert [rate["name"] for rate in _json(home, "rate-limit", "list")["rate_limits"]] == [
        "per-user"
    ]


def test_breakers_are_forced_and_released(home: Path) -> None:
    """For all agents, until they are released."""
    assert "forced open" in _done(home, "breaker", "open", "openai/gpt-4o")
    assert "forced closed" in _done(home, "breaker", "close", "providers")
    found = _json(home, "breaker", "list")
    assert found["forced"] == {"openai/gpt-4o": "open", "providers": "closed"}
    assert found["rules"][0]["min_calls"] == 10
    text = _done(home, "breaker", "list")
    assert "forced open: openai/gpt-4o" in text
    assert "Each agent's process has its own breakers" in text
    assert "is released" in _done(home, "breaker", "release", "providers")
    assert "no forced breaker" in _done(home, "breaker", "release", "providers", code=1)


# --- asking ---------------------------------------------------------------------------------


def test_why_a_call_would_be_refused_is_explained_rule_by_rule(home: Path) -> None:
    """With what to do; exit code 1, and nothing is counted."""
    _spend(home, "planner")
    words = ["--model", "gpt-4o", "--agent", "planner", "--user", "ada"]
    text = _done(home, "guard", "explain", *words, "--input-tokens", "9000000", code=1)
    assert "would be refused now (budget_exhausted)" in text
    assert "Budget 'team-day' has no room for this call" in text
    assert "NO" in text
    found = _json(home, "guard", "explain", *words, "--max-output-tokens", "10")
    assert (found["allowed"], found["reason"], found["sentence"]) == (True, "allowed", None)
    money, rate, breaker = found["rules"]
    assert (money["limit"], money["spent"], money["reserved"]) == ("5", "0.123456789", "1")
    assert (rate["spent"], rate["asked"], rate["fits"]) == (2, 1, True)
    assert (breaker["kind"], breaker["fits"]) == ("breaker", None)
    assert _json(home, "budget", "show", "team-day")["counters"][0]["reserved"] == "1"


def test_a_breaker_that_is_forced_open_explains_a_refusal(home: Path) -> None:
    """The one thing about breakers that is known from outside."""
    _done(home, "breaker", "open", "openai/gpt-4o")
    found = _json(home, "guard", "explain", "--model", "gpt-4o", "--max-output-tokens", "1")
    assert (found["reason"], found["rule"]) == ("circuit_open", "providers")
    assert "operator" in found["sentence"]


def test_explain_needs_something_to_explain(home: Path) -> None:
    """Neither model nor tool; a fact that is none."""
    assert "neither is given" in _done(home, "guard", "explain", code=1)
    wrong = ["guard", "explain", "--model", "gpt-4o", "--attribute", "team"]
    assert "NAME=VALUE" in _done(home, *wrong, code=2)


# --- watching -------------------------------------------------------------------------------


def test_watch_prints_a_line_of_json_a_look_and_ends_well_with_ctrl_c(home: Path) -> None:
    """It sees what changes in between, survives a broken file, and exits with 0."""
    watching = subprocess.Popen(
        [sys.executable, "-m", "spanledger.cli", "guard", "watch", "--json", "--interval", "0.1"],
        cwd=home,
        env=clean_environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        assert watching.stdout is not None
        first = json.loads(watching.stdout.readline())
        assert first["budgets"][0]["counters"] == []
        _spend(home, "planner")
        _until(watching, lambda line: line["budgets"] and line["budgets"][0]["counters"])
        (home / "spanledger.toml").write_text("[[budgets]]\n", encoding="utf-8")
        _until(watching, lambda line: "line 1" in line.get("error", ""))
        (home / "spanledger.toml").write_text(_FILE, encoding="utf-8")
        _until(watching, lambda line: "error" not in line)
        watching.send_signal(signal.SIGINT)
        _out, err = watching.communicate(timeout=TIMEOUT_S)
        assert (watching.returncode, err) == (0, "")
    finally:
        watching.kill()
        watching.communicate()


def _until(watching: "subprocess.Popen[str]", wanted: Any) -> None:
    assert watching.stdout is not None
    end = time.monotonic() + TIMEOUT_S
    while not wanted(json.loads(watching.stdout.readline())):
        assert time.monotonic() < end, "waited in vain"


def test_watch_on_a_terminal_ends_well_with_ctrl_c(home: Path) -> None:
    """The table is drawn in place."""
    _spend(home, "planner")
    code, said = _on_terminal(home, ["guard", "watch", "--interval", "0.1"], b"", until="planner")
    assert (code, "Traceback" in said) == (0, False), said


def test_watch_once_without_a_terminal_is_plain(home: Path) -> None:
    """For a log, or a pipe."""
    _spend(home, "planner")
    text = _done(home, "guard", "watch", "--once")
    assert "agent planner" in text
    assert "\x1b" not in text


def _on_terminal(home: Path, words: list[str], types: bytes, *, until: str = "") -> tuple[int, str]:
    """Run a command on a terminal of its own; with `until`, Ctrl-C once that was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "spanledger.cli", *words],
        cwd=home,
        env=clean_environment(home, TERM="xterm", COLUMNS="120"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        if types:
            os.write(ours, types)
        said = _read(ours, until)
        if until:
            process.send_signal(signal.SIGINT)
            said += _read(ours, "")
        return process.wait(TIMEOUT_S), said
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read(terminal: int, until: str) -> str:
    said = b""
    while not until or until not in said.decode(errors="replace"):
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        said += part
    return said.decode(errors="replace")


# --- what can't be done ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["budget", "show", "teamday"], "no budget 'teamday'; did you mean 'team-day'?"),
        (["budget", "set", "per-user", "--limit", "3"], "'per-user' is a rate limit"),
        (["budget", "set", "team-day", "--limit", "10usd"], "US dollars of at least 0"),
        (["budget", "set", "new", "--limit", "1"], "metric: is missing"),
        (["rate-limit", "delete", "per-user"], "take it out there"),
        (["breaker", "open", "provider"], "did you mean 'providers'"),
        (["guard", "accept-loss", "--yes"], "only a ledger in Redis"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(home: Path, words: list[str], says: str) -> None:
    """And says what would."""
    said = _done(home, *words, code=1)
    assert says in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["budget", "set", "x", "--window", "fortnight"],
        ["budget", "set", "x", "--match", "gpt-4o"],
        ["budget", "list", "--top", "0"],
        ["rate-limit", "set", "x", "--per", "day"],
        ["guard", "watch", "--interval", "0"],
        ["budget", "show"],
    ],
)
def test_wrong_usage_has_its_own_code(home: Path, words: list[str]) -> None:
    assert "Usage: spanledger" in _done(home, *words, code=2)


def test_a_ledger_in_memory_can_not_be_seen_from_outside(home: Path) -> None:
    """And what to set instead."""
    for words in (["budget", "list"], ["breaker", "list"], ["guard", "watch"]):
        said = _done(home, *words, code=1, SPANLEDGER_STORE="memory")
        assert 'guard.store = "sqlite"' in said


def test_a_file_that_can_not_be_read_is_named_with_its_line(home: Path) -> None:
    """As everywhere."""
    (home / "spanledger.toml").write_text("[[budgets]]\nname = 'x'\nmetric = 'gold'\n")
    assert "line 3: budgets[0].metric" in _done(home, "budget", "list", code=1)


def test_a_ledger_file_that_is_none_is_named(home: Path) -> None:
    """With what to do."""
    (home / "ledger").mkdir(mode=0o700)
    (home / "ledger" / "l.sqlite").write_bytes(b"nothing like a ledger" * 64)
    said = _done(home, "budget", "list", code=1, SPANLEDGER_STORE="sqlite:ledger/l.sqlite")
    assert "l.sqlite" in said
    assert "can't be used" in said


# --- Redis ----------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    try:
        with redis_server(tmp_path / "redis") as running:
            yield running
    except RedisMissing as missing:
        pytest.skip(str(missing))


def _empty(server: RedisServer) -> None:
    """It comes back without its data."""
    server.kill()
    for path in [p for p in server.directory.rglob("*") if p.is_file() and p.suffix != ".log"]:
        path.unlink()
    server.start()


def test_a_ledger_in_redis_is_shown_changed_and_its_loss_accepted(
    home: Path, server: RedisServer
) -> None:
    """The same verbs; a server that comes back empty is refused until an operator accepts it."""
    environ: dict[str, Any] = {"SPANLEDGER_STORE": server.url}
    _spend(home, "planner", store=_store(home, **environ))
    counter = _json(home, "budget", "show", "team-day", **environ)["counters"][0]
    assert (counter["spent"], counter["reserved"]) == ("0.123456789", "1")
    _done(home, "budget", "set", "team-day", "--limit", "9", **environ)
    assert _json(home, "budget", "list", **environ)["budgets"][0]["limit"] == "9"
    _empty(server)
    assert "guard accept-loss" in _done(home, "budget", "list", code=1, **environ)
    assert _json(home, "guard", "accept-loss", "--yes", **environ) == {"accepted": True}
    assert _json(home, "budget", "list", **environ)["budgets"][0]["limit"] == "5"
    assert _agent(_store(home, **environ), home).admit(_call("planner", 1)).allowed


def test_a_server_that_is_away_is_one_sentence(home: Path, server: RedisServer) -> None:
    """With its address and without a password."""
    url = server.url.replace("redis://", "redis://:hunter2secret@")
    server.stop()
    said = _done(home, "budget", "list", code=1, SPANLEDGER_STORE=url)
    assert f"127.0.0.1:{server.port}" in said
    assert "hunter2secret" not in said
    assert len(said.strip().splitlines()) == 1
