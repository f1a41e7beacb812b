"""What holds for every command, and for every one that is to come: the table is the help itself.

Whatever is wrong gives one clear sentence on stderr, nothing on stdout, and a code that is not 0.
"""

import json
import subprocess
from pathlib import Path

import click
import pytest

from spanledger.warehouse import connect, migrate
from tests.cli._commands import (
    COMMANDS,
    example,
    has,
    texts,
    with_option,
    with_text,
    with_value,
)
from tests.cli._program import run_here
from tests.cli.conftest import History
from tests.warehouse.conftest import with_database

pytestmark = pytest.mark.storage

Done = subprocess.CompletedProcess[str]

#: They tell what they found on stdout, and the code says that it is bad.
_TELL = frozenset({"status", "migrate"})
#: They start something, or ask for something only while they serve.
_SERVE = frozenset({"demo", "up", "mcp", "run", "guard watch"})
#: It writes a file of the package itself.
_OF_THE_SOURCE = frozenset({"prices update"})
#: Its argument is a warehouse, and what it copies is a local stack.
_COPIES = frozenset({"graduate"})

#: It takes seconds, for it tries the gates in a process of its own: test_doctor.py.
_SLOW = frozenset({"doctor"})

_ASK = [path for path in with_option("--url") if path not in _SERVE | _COPIES | _SLOW]
_LONGEST_SENTENCE = 1000
_AMOUNT = {"amount": {"value": 0.06, "currency": "usd"}, "line_item": "gpt-4o"}
_BILL = {"data": [{"results": [_AMOUNT], "start_time": 1767225600, "end_time": 1767312000}]}

#: To be SQL, to fill a page, and to be obeyed by a terminal.
HOSTILE = ("x' OR 1=1; DROP TABLE otel_traces --", "n" * 10_000, "a\x1b[2J\x07\r\nb")
_NO_TIME = ("soon", "-3h", "1000000000d", *HOSTILE)


@pytest.fixture(scope="module")
def empty(history: History) -> str:
    """A database of this release without a row."""
    url = with_database(history.info.clickhouse_url, "without_rows")
    with connect(url) as warehouse:
        migrate(warehouse)
    return url


@pytest.fixture
def place(home: Path) -> Path:
    """A folder with the files that examples name."""
    for name in ("openai-usage.json", "openai-costs.json"):
        (home / name).write_text(json.dumps(_BILL), encoding="utf-8")
    return home


def _run(place: Path, words: list[str], *options: str) -> Done:
    return run_here(*words, *options, cwd=place, environ={"SPANLEDGER_STORE": "sqlite"})


def _is_clear(done: Done) -> None:
    """No traceback, no surprise, nothing that a terminal would obey, and not a page of it."""
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert "should not have happened" not in said
    assert "\x1b" not in said
    assert len(done.stderr) < _LONGEST_SENTENCE, done.stderr[:300]


def _is_refused(done: Done, *codes: int) -> None:
    _is_clear(done)
    assert done.returncode in (codes or (1, 2)), done.stdout + done.stderr
    assert done.stdout == ""
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: "), done.stderr
    assert last.endswith((".", "?", "!")) or done.returncode == 2
    if done.returncode == 1:
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


@pytest.mark.parametrize("path", COMMANDS)
def test_an_option_that_does_not_exist_is_a_wrong_usage(home: Path, path: str) -> None:
    if path == "run":
        pytest.skip("what follows are the words of another program")
    done = _run(home, path.split(), "--no-such-option")
    _is_refused(done, 2)
    assert "--no-such-option" in done.stderr


@pytest.mark.parametrize("path", _ASK)
def test_a_server_that_is_not_there_is_said_not_to_be(place: Path, path: str) -> None:
    done = _run(place, example(path), "--url", "http://u:hunter2@127.0.0.1:9/x")
    _is_refused(done, 1)
    assert "hunter2" not in done.stderr
    assert "no ClickHouse answers at" in done.stderr


@pytest.mark.parametrize("path", [path for path in _ASK if path not in _TELL])
def test_a_database_that_is_not_migrated_is_named_with_the_remedy(
    history: History, place: Path, path: str
) -> None:
    url = with_database(history.info.clickhouse_url, "not_there")
    done = _run(place, example(path), "--url", url)
    _is_refused(done, 1)
    assert "spanledger migrate" in done.stderr


@pytest.mark.parametrize("path", [path for path in _ASK if path not in _TELL])
def test_an_empty_database_is_no_surprise(empty: str, place: Path, path: str) -> None:
    options = [] if has(path, "-o") else ["--json"]
    done = _run(place, example(path), *options, "--url", empty)
    _is_clear(done)
    if done.stdout and options:
        json.loads(done.stdout)
    elif done.returncode:
        _is_refused(done, 1)


_WHEN = [(path, option) for path, option in texts("WHEN") if isinstance(option, click.Option)]


@pytest.mark.parametrize(
    ("path", "option"), _WHEN, ids=lambda each: str(getattr(each, "name", each))
)
def test_a_time_that_is_none_is_a_wrong_usage(place: Path, path: str, option: click.Option) -> None:
    for value in _NO_TIME:
        _is_refused(_run(place, with_value(path, option, value)), 2)


@pytest.mark.parametrize("path", with_option("--until"))
def test_a_period_that_ends_before_it_begins_is_refused(empty: str, place: Path, path: str) -> None:
    period = ["--since", "2026-02-01", "--until", "2026-01-01"]
    _is_refused(_run(place, example(path), *period, "--url", empty))


@pytest.mark.parametrize("path", with_option("--since"))
def test_the_ends_of_time_are_no_surprise(empty: str, place: Path, path: str) -> None:
    end = ["--until", "9999-12-31"] if has(path, "--until") else []
    for period in (["--since", "0001-01-01", *end], ["--since", "9999-12-31"]):
        done = _run(place, example(path), *period, "--url", empty)
        _is_clear(done)
        assert "could not run a statement" not in done.stderr


#: In turns, so that a command with three texts meets all three.
_FREE = [
    (path, parameter, HOSTILE[number % len(HOSTILE)])
    for number, (path, parameter) in enumerate(texts())
    if parameter.metavar != "WHEN" and path not in _SERVE | _OF_THE_SOURCE | _COPIES | _SLOW
]


@pytest.mark.parametrize(
    ("path", "parameter", "value"), _FREE, ids=lambda each: str(getattr(each, "name", each))[:12]
)
def test_a_hostile_text_changes_nothing_and_is_answered_in_a_sentence(
    empty: str, place: Path, path: str, parameter: click.Parameter, value: str
) -> None:
    words = with_text(path, parameter, value)
    asks = has(path, "--url") and parameter.name != "url"
    done = _run(place, words, *(["--url", empty] if asks else []))
    _is_clear(done)
    if done.returncode and not done.stdout:
        _is_refused(done)


@pytest.mark.parametrize("path", [path for path in with_option("--agent") if path in _ASK])
def test_an_agent_that_nothing_is_recorded_of_is_named(
    history: History, place: Path, path: str
) -> None:
    if path == "usage track":
        pytest.skip("it records the first call of a new agent")
    given = next(option for option in COMMANDS[path].command.params if "--agent" in option.opts)
    assert isinstance(given, click.Option)
    done = _run(place, with_value(path, given, "nobody"), *history.where)
    _is_refused(done)
