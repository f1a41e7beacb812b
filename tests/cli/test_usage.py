"""`spanledger usage`, `forecast`, `anomalies`, `reconcile` and the report's files."""

import json
import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from spanledger.cli.commands.usage import VERBS
from spanledger.warehouse import connect, migrate
from tests.cli._program import json_of, run_here
from tests.cli.conftest import History
from tests.warehouse.conftest import with_database

pytestmark = pytest.mark.storage

QUESTIONS = (
    ["usage", "stats"],
    ["usage", "timeseries"],
    ["usage", "compare"],
    ["usage", "sessions"],
    ["usage", "cache"],
    ["usage", "retries"],
    ["usage", "refused"],
    ["anomalies"],
)
_TOTAL = Decimal("0.01313635")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, history: History) -> tuple[str, str]:
    """An empty database, and one that is not there."""
    url = with_database(history.info.clickhouse_url, "empty")
    with connect(url) as warehouse:
        migrate(warehouse)
    return url, with_database(url, "nowhere")


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_is_answered_as_a_table_and_as_json(
    history: History, home: Path, question: list[str]
) -> None:
    for option in ([], ["--json"]):
        done = run_here(*question, *option, *history.where, cwd=home)
        assert done.returncode == 0, done.stderr
        assert done.stdout
        if option:
            json_of(done)


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_empty_database_is_said_to_be_empty(
    empty: tuple[str, str], home: Path, question: list[str]
) -> None:
    done = run_here(*question, "--url", empty[0], cwd=home)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1), done.stderr


@pytest.mark.parametrize("question", [*QUESTIONS, ["forecast"], ["usage", "reset", "--everything"]])
def test_a_database_that_is_not_migrated_is_an_error_that_says_so(
    empty: tuple[str, str], home: Path, question: list[str]
) -> None:
    done = run_here(*question, "--url", empty[1], cwd=home)
    assert (done.returncode, done.stdout) == (1, "")
    assert "spanledger migrate" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["usage", "stats", "--agent", "plannr"], 1, "there is 'planner'"),
        (["usage", "stats", "--agent", "x' OR 1=1 --"], 1, "nothing is recorded of agent"),
        (["usage", "stats", "--agent", "x" * 10_000], 2, "10,000 characters"),
        (["usage", "compare", "--agent", "x" * 10_000], 2, "10,000 characters"),
        (["usage", "stats", "--window", "century"], 2, "'century' is not one of"),
        (["usage", "stats", "--since", "soon"], 2, "is not understood"),
        (["usage", "stats", "--since", "2026-02-01", "--until", "2026-01-01"], 1, "holds no time"),
        (["usage", "stats", "--by", "tool", "--provider", "openai"], 1, "no provider"),
        (["usage", "reset"], 2, "say what to delete"),
        (["usage", "reset", "--agent", "planner", "--session", "s"], 2, "say what to delete"),
        (["usage", "reset", "--agent", "planner"], 1, "give --yes"),
        (["usage", "export", "calls", "no/such/folder/x.csv"], 1, "can't be written"),
        (["usage", "track", "--provider", "p", "--model", "m", "--input-tokens", "1",
          "--output-tokens", "1", "--cache-read-tokens", "2"], 1, "part of the input"),
        (["forecast", "--days", "1000"], 2, "1<=x<=92"),
        (["forecast", "--agent", "nobody"], 1, "nothing is recorded of agent 'nobody'"),
        (["forecast", "--budget", "0"], 2, "x>0"),
        (["anomalies", "--agent", "planner", "--session", "s"], 2, "name one"),
        (["report", "--html", "x.html", "--by", "agent"], 2, "about all calls"),
        (["report", "--html", "no/such/folder/x.html"], 1, "can't be written"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_sentence(
    history: History, home: Path, words: list[str], code: int, says: str
) -> None:
    done = run_here(*words, *history.where, cwd=home)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 1000


def test_a_server_that_does_not_answer_is_an_error(home: Path) -> None:
    done = run_here("usage", "stats", "--url", "http://u:p@127.0.0.1:9/x", cwd=home)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no ClickHouse answers" in done.stderr


def test_json_and_report_say_the_same_amounts(history: History, home: Path) -> None:
    found = json_of(run_here("usage", "stats", "--json", *history.where, cwd=home))
    costs = {row["name"]: Decimal(row["cost_usd"]) for row in found["rows"]}
    assert costs["researcher"] == Decimal("0.011211")
    assert sum(costs.values()) == _TOTAL
    (row,) = [row for row in found["rows"] if row["name"] == "researcher"]
    assert Decimal(row["average_cost_usd"]) * row["calls"] == pytest.approx(
        Decimal(row["cost_usd"]), rel=Decimal("1e-6")
    )
    refused = json_of(run_here("usage", "refused", "--json", *history.where, cwd=home))
    assert [row["rule"] for row in refused["refused"]] == ["session-cost"]


def test_exports_are_whole_and_never_overwrite_unasked(history: History, home: Path) -> None:
    for name in ("calls.csv", "calls.json", "calls.parquet"):
        done = run_here("usage", "export", "calls", name, "--json", *history.where, cwd=home)
        assert done.returncode == 0, done.stderr
        assert json_of(done)["rows"] == 8
        assert json_of(done)["bytes"] == (home / name).stat().st_size
    lines = (home / "calls.json").read_text().splitlines()
    assert sum(Decimal(json.loads(line)["cost_usd"]) for line in lines) == _TOTAL
    again = run_here("usage", "export", "calls", "calls.csv", *history.where, cwd=home)
    assert (again.returncode, "--force" in again.stderr) == (1, True)
    forced = run_here("usage", "export", "calls", "calls.csv", "--force", *history.where, cwd=home)
    assert forced.returncode == 0
    assert not list(home.glob("*.part"))


def test_a_call_by_hand_is_priced_recorded_and_deleted_again(history: History, home: Path) -> None:
    done = run_here(
        "usage", "track", "--provider", "openai", "--model", "gpt-4o", "--input-tokens", "1000",
        "--output-tokens", "100", "--session", "by-hand", "--agent", "me", "--json",
        *history.where, cwd=home,
    )  # fmt: skip
    assert json_of(done)["cost_usd"] == "0.0035"
    mine = ["usage", "stats", "--by", "session", "--session", "by-hand", "--json", *history.where]
    (row,) = json_of(run_here(*mine, cwd=home))["rows"]
    assert (row["calls"], row["cost_usd"]) == (1, "0.0035")
    reset = ["usage", "reset", "--session", "by-hand"]
    gone = run_here(*reset, "--yes", *history.where, cwd=home)
    assert gone.stdout.startswith("Deleted of session 'by-hand': 1 call,")
    found = json_of(run_here("report", "--json", *history.where, cwd=home))
    assert Decimal(found["totals"]["cost_usd"]) == _TOTAL


class _Page(HTMLParser):
    """What a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "onload")]


def test_the_report_is_a_page_that_loads_nothing_and_a_markdown_file(
    history: History, home: Path
) -> None:
    done = run_here("report", "--html", "r.html", "--markdown", "r.md", *history.where, cwd=home)
    assert done.returncode == 0, done.stderr
    page = _Page()
    text = (home / "r.html").read_text(encoding="utf-8")
    page.feed(text)
    assert page.loads == []
    assert "script" not in page.tags
    assert page.tags.count("svg") == 3
    markdown = (home / "r.md").read_text(encoding="utf-8")
    for told in ("$0.013136", "researcher", "1 call refused"):
        assert told in text
        assert told in markdown
    on_stdout = run_here("report", "--markdown", "-", "--since", "2h", *history.where, cwd=home)
    assert on_stdout.stdout.startswith("# What the agents cost\n")
    assert "## By hour" in on_stdout.stdout


def test_the_report_of_an_empty_database_is_a_page(empty: tuple[str, str], home: Path) -> None:
    done = run_here("report", "--html", "-", "--url", empty[0], cwd=home)
    assert done.returncode == 0, done.stderr
    assert "<!doctype html>" in done.stdout


def test_a_bill_is_reconciled_and_what_differs_has_its_class(history: History, home: Path) -> None:
    done = run_here("usage", "export", "calls", "c.json", *history.where, cwd=home)
    assert done.returncode == 0, done.stderr
    calls = [json.loads(line) for line in (home / "c.json").read_text().splitlines()]
    openai = [call for call in calls if call["provider"] == "openai"]
    lines = ["date,model,num_model_requests,input_tokens,output_tokens,input_cached_tokens"]
    for call in openai:
        numbers = ("input_tokens", "output_tokens", "cache_read_tokens")
        cells = [call["ts"][:10], call["response_model"] or call["request_model"], "1"]
        lines.append(",".join([*cells, *(str(call[name] or 0) for name in numbers)]))
    (home / "usage.csv").write_text("\n".join(lines))
    right = run_here("reconcile", "usage.csv", *history.where, cwd=home)
    assert right.returncode == 0, right.stdout + right.stderr
    (home / "usage.csv").write_text("\n".join([*lines, lines[-1]]))
    wrong = run_here("reconcile", "usage.csv", "--json", *history.where, cwd=home)
    assert wrong.returncode == 1
    kinds = {line["kind"] for line in json_of(wrong)["lines"]}
    assert "missing" in kinds
    assert kinds <= {"none", "missing"}


def test_a_file_that_is_no_bill_is_refused(history: History, home: Path) -> None:
    (home / "bill.csv").write_text("a,b\n1,2\n")
    done = run_here("reconcile", "bill.csv", *history.where, cwd=home)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"bill\.csv: line 1 .* columns \(a, b\)", done.stderr)


def test_every_verb_has_an_example(home: Path) -> None:
    for verb in VERBS:
        done = run_here("usage", verb, "--help", cwd=home)
        assert f"Example: spanledger usage {verb}" in " ".join(done.stdout.split())
