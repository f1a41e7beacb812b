"""Budgets as they are written, and what is said about those that can't be used."""

import tomllib
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.config import BudgetShortcut, ConfigError, Document
from spanledger.guard import Budget, Call, Estimate, Policy, read_policy
from spanledger.guard.policy import UNATTRIBUTED, parse_limit

GOOD = 'name = "a"\nmetric = "cost"\nwindow = "day"\n'


def _document(text: str) -> Document:
    return Document("spanledger.toml", text, tomllib.loads(text))


def _call(*agents: str, session: str | None = None) -> Call:
    estimate = Estimate(1, 1, 1, "test")
    return Call("c", "openai", "gpt-4o", "chat", estimate, session=session, agents=agents)


def test_a_budget_is_read_with_all_its_keys() -> None:
    """In the order in which they stand."""
    policy = read_policy(
        _document(
            '[[budgets]]\nname = "team"\nmetric = "cost"\nlimit = "2.50"\nwindow = "month"\n'
            'scope = "agent"\ntime_zone = "Europe/Berlin"\n'
            '[[budgets]]\nname = "all"\nmetric = "calls"\nlimit = 3\nwindow = "total"\n'
        )
    )
    assert policy.budgets == (
        Budget("team", "cost", 2_500_000_000, "month", "agent", ZoneInfo("Europe/Berlin")),
        Budget("all", "calls", 3),
    )
    assert policy.source == "spanledger.toml"


def test_no_budgets_are_no_policy() -> None:
    """Then the guard only meters."""
    assert not read_policy(Document())
    assert read_policy(Document()) == Policy()


# The keys of one budget, the key that the error names, the line, a part of the sentence.
BAD_BUDGETS: dict[str, tuple[str, str, int, str]] = {
    "no name": ('metric = "cost"\nwindow = "day"\nlimit = 1', "name", 1, "every budget needs a na"),
    "blank name": ('name = " "\nmetric = "cost"\nwindow = "day"\nlimit = 1', "name", 2, "a text"),
    "unknown key": (GOOD + "limit = 1\nlimmit = 2", "limmit", 6, "allowed: name, metric, limit"),
    "no metric": ('name = "a"\nwindow = "day"\nlimit = 1', "metric", 1, "cost, tokens, calls"),
    "other metric": ('name = "a"\nmetric = "usd"\nwindow = "day"\nlimit = 1', "metric", 3, "'usd'"),
    "no window": ('name = "a"\nmetric = "cost"\nlimit = 1', "window", 1, "minute, hour, day"),
    "other window": (
        'name = "a"\nmetric = "cost"\nwindow = "30d"\nlimit = 1',
        "window",
        4,
        "minute, hour, day, week, month, total",
    ),
    "other scope": (GOOD + 'limit = 1\nscope = "team"', "scope", 6, "global, session, agent"),
    "other zone": (GOOD + 'limit = 1\ntime_zone = "Mars/Base"', "time_zone", 6, "Europe/Berlin"),
    "zone is a folder": (GOOD + 'limit = 1\ntime_zone = "America"', "time_zone", 6, "no such time"),
    "zone is a path": (GOOD + 'limit = 1\ntime_zone = "../x"', "time_zone", 6, "no such time zone"),
    "zone is a number": (GOOD + "limit = 1\ntime_zone = 5", "time_zone", 6, "no such time zone"),
    "no limit": (GOOD, "limit", 1, "US dollars of at least 0"),
    "negative": (GOOD + "limit = -1", "limit", 5, "found -1"),
    "with a unit": (GOOD + 'limit = "10usd"', "limit", 5, "'10usd'"),
    "not a number": (GOOD + "limit = nan", "limit", 5, "found nan"),
    "not a number, as text": (GOOD + 'limit = "NaN"', "limit", 5, "'NaN'"),
    "infinite": (GOOD + "limit = inf", "limit", 5, "found inf"),
    "true": (GOOD + "limit = true", "limit", 5, "found True"),
    "a list": (GOOD + "limit = [1]", "limit", 5, "found [1]"),
    "more than any ledger holds": (GOOD + 'limit = "1e999999999"', "limit", 5, "1e999999999"),
    "half a call": (
        'name = "a"\nmetric = "calls"\nwindow = "day"\nlimit = 1.5',
        "limit",
        5,
        "a whole number of calls of at least 0",
    ),
}


@pytest.mark.parametrize("case", BAD_BUDGETS.values(), ids=BAD_BUDGETS.keys())
def test_a_budget_that_cannot_be_used_is_named_with_its_line(
    case: tuple[str, str, int, str],
) -> None:
    """The first such budget of the file; line 1 is the header of its table."""
    text, key, line, part = case
    with pytest.raises(ConfigError) as caught:
        read_policy(_document(f"[[budgets]]\n{text}\n"))
    assert str(caught.value).startswith(f"spanledger.toml, line {line}: budgets[0].{key}: ")
    assert part in str(caught.value)


def test_the_error_names_the_budget_that_is_wrong() -> None:
    """Not the first one of the file."""
    good = f"[[budgets]]\n{GOOD}limit = 1\n"
    with pytest.raises(ConfigError) as caught:
        read_policy(_document(good + good.replace('"a"', '"b"').replace("limit = 1", "limit = -1")))
    assert (caught.value.key, caught.value.line) == ("budgets[1].limit", 10)


def test_two_budgets_of_one_name_are_refused() -> None:
    """They would share one counter."""
    good = f"[[budgets]]\n{GOOD}limit = 1\n"
    with pytest.raises(ConfigError, match="two rules of one name") as caught:
        read_policy(_document(good + good))
    assert (caught.value.key, caught.value.line) == ("budgets[1].name", 7)


@pytest.mark.parametrize(
    "text", ["[budgets]\nlimit = 1\n", "budgets = 5\n", 'budgets = ["a"]\n', "budgets = [1, 2]\n"]
)
def test_budgets_in_another_form_are_refused(text: str) -> None:
    """A limit in a form that is not read would be no limit."""
    with pytest.raises(ConfigError, match=r"written as \[\[budgets\]\]") as caught:
        read_policy(_document(text))
    assert caught.value.line == 1


@pytest.mark.parametrize(
    ("metric", "value", "limit"),
    [
        ("cost", 0, 0),
        ("cost", "0", 0),
        ("cost", 5, 5_000_000_000),
        ("cost", 0.1, 100_000_000),
        ("cost", "0.000000001", 1),
        ("cost", "0.0000000019", 1),
        ("tokens", 1_000_000, 1_000_000),
        ("tokens", "1e6", 1_000_000),
        ("calls", 3.0, 3),
    ],
)
def test_a_limit_is_read_in_its_unit_and_never_rounded_up(
    metric: Any, value: Any, limit: int
) -> None:
    """TOML's 0.1 is ten cents to the nano-dollar."""
    assert parse_limit(metric, value) == limit


@given(st.integers(0, 10**18))
def test_every_amount_of_nano_dollars_can_be_written_exactly(nano_usd: int) -> None:
    """As a decimal text."""
    assert parse_limit("cost", f"{nano_usd // 10**9}.{nano_usd % 10**9:09d}") == nano_usd


def test_the_environment_alone_makes_budgets() -> None:
    """One for each limit that is set."""
    shortcut = BudgetShortcut(usd="1.5", tokens=1000, calls=0, window="hour")
    assert read_policy(Document(), shortcut).budgets == (
        Budget("environment-cost", "cost", 1_500_000_000, "hour"),
        Budget("environment-tokens", "tokens", 1000, "hour"),
        Budget("environment-calls", "calls", 0, "hour"),
    )
    assert not read_policy(Document(), BudgetShortcut())


@pytest.mark.parametrize(
    ("shortcut", "sentence"),
    [
        (
            BudgetShortcut(usd="10usd"),
            "environment: SPANLEDGER_BUDGET_USD: can't be used (found '10usd'); allowed: "
            'US dollars of at least 0, such as 5 or "0.25".',
        ),
        (
            BudgetShortcut(usd="1", window="fortnight"),
            "environment: SPANLEDGER_BUDGET_WINDOW: no such value (found 'fortnight'); allowed: "
            "minute, hour, day, week, month, total.",
        ),
    ],
)
def test_a_bad_budget_of_the_environment_is_named(shortcut: BudgetShortcut, sentence: str) -> None:
    """By its variable."""
    with pytest.raises(ConfigError) as caught:
        read_policy(Document(), shortcut)
    assert str(caught.value) == sentence


def test_a_bad_short_budget_of_the_file_is_named_with_its_line() -> None:
    """The same budget may stand in the file's `[budget]` table."""
    document = _document('[budget]\nusd = "10usd"\n')
    with pytest.raises(ConfigError) as caught:
        read_policy(document, BudgetShortcut(usd="10usd"))
    assert str(caught.value).startswith("spanledger.toml, line 2: budget.usd: can't be used")


def test_a_call_counts_for_every_agent_above_it_once() -> None:
    """An agent that calls itself again is still one agent."""
    budget = Budget("a", "calls", 1, scope="agent")
    assert budget.values(_call("planner", "writer", "planner")) == ("planner", "writer")


def test_a_call_of_nobody_counts_under_one_name() -> None:
    """Else calls outside of any agent would be free of agent limits."""
    assert Budget("a", "calls", 1, scope="agent").values(_call()) == (UNATTRIBUTED,)
    assert Budget("s", "calls", 1, scope="session").values(_call()) == (UNATTRIBUTED,)
    assert Budget("s", "calls", 1, scope="session").values(_call(session="x")) == ("x",)
    assert Budget("g", "calls", 1).values(_call()) == ("",)
