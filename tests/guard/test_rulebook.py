"""Rules that are made while agents run: how they are kept, and how they meet those of the file."""

import json
import tomllib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.config import ConfigError, Document
from spanledger.config.load import RULE_TABLES
from spanledger.guard import Budget, Policy, RateLimit, read_policy
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.guard.ceilings import Ceilings
from spanledger.guard.drift import DriftRule
from spanledger.guard.loops import LoopRule
from spanledger.guard.policy import KINDS
from spanledger.guard.rulebook import define, merged, read_definition

DAILY: dict[str, Any] = {"name": "daily", "metric": "calls", "window": "day", "limit": 5}

#: One of each kind, with keys of every form.
TABLES: dict[str, dict[str, Any]] = {
    "budgets": {
        "name": "b", "metric": "cost", "window": "month", "limit": Decimal("2.50"),
        "scope": "attribute:team", "time_zone": "Europe/Berlin", "thresholds": [0.5, 1.0],
        "enforce": "soft", "each": False, "match": {"model": "gpt-*"},
    },
    "rate_limits": {"name": "r", "metric": "tokens", "limit": 100, "per": "minute"},
    "breakers": {"name": "k", "failure_rate": 0.25, "min_calls": 4},
    "loops": {
        "name": "l", "action": "block", "polling": frozenset({"b", "a"}), "min_interval_s": 1.5,
    },
    "ceilings": {"name": "c", "max_steps": 7, "max_wall_s": 1.5},
    "drifts": {"name": "d", "tokens_per_min": 1000, "turn_floor_usd": "0.25"},
}  # fmt: skip


def _in_file(kind: str, table: dict[str, Any]) -> Any:
    """The rule that the same table makes in the policy file."""
    plain = json.loads(json.dumps(table, default=lambda v: v if isinstance(v, str) else _plain(v)))
    return getattr(read_policy(Document(data={kind: [plain]})), kind)[0]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else sorted(value)


def _policy(text: str) -> Policy:
    return read_policy(Document("spanledger.toml", text, tomllib.loads(text)))


def test_every_table_of_the_file_is_a_kind_that_can_be_made_at_run_time() -> None:
    """And the settings' loader knows them all."""
    assert KINDS == RULE_TABLES == tuple(TABLES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_made_at_run_time_is_what_the_file_would_have_made_of_it(kind: str) -> None:
    table = TABLES[kind]
    assert read_definition(table["name"], define(kind, table)) == _in_file(kind, table)


def test_the_text_is_canonical_so_that_equal_rules_are_equal_texts() -> None:
    text = define("budgets", DAILY)
    assert text == (
        '{"kind":"budgets","rule":{"limit":5,"metric":"calls","name":"daily","window":"day"}}'
    )
    assert define("budgets", dict(reversed(DAILY.items()))) == text


def test_the_name_need_not_stand_in_the_text_too() -> None:
    text = '{"kind": "ceilings", "rule": {"max_steps": 3}}'
    assert read_definition("session", text) == Ceilings("session", max_steps=3)


#: The definition, the key that is named, what was found and what is allowed.
BAD: dict[str, tuple[str, str, str, str]] = {
    "no JSON": ("{", "(syntax)", "'{'", '"kind": …'),
    "deep": ("[" * 100_000, "(syntax)", "[[[", '"kind": …'),
    "a list": ("[]", "rule", "[]", '"kind": …'),
    "no rule": ('{"kind": "budgets"}', "rule", "budgets", '"rule": {…}'),
    "other kind": ('{"kind": "budget", "rule": {}}', "kind", "'budget'", "budgets, rate_limits, "),
    "no kind": ('{"rule": {}}', "kind", "no such kind", "budgets, rate_limits"),
    "list of kinds": ('{"kind": ["budgets"], "rule": {}}', "kind", "['budgets']", "budgets, "),
    "other name": ('{"kind": "loops", "rule": {"name": "y"}}', "name", "'y'", "allowed: x"),
    "unknown key": (
        '{"kind": "budgets", "rule": {"limmit": 2}}', "budgets.limmit", "2", "name, metric, limit",
    ),
    "no window": (
        '{"kind": "budgets", "rule": {"metric": "calls", "limit": 1}}', "budgets.window",
        "is missing", "minute, hour, day",
    ),
    "limit with a unit": (
        '{"kind": "budgets", "rule": {"metric": "cost", "window": "day", "limit": "10usd"}}',
        "budgets.limit", "'10usd'", "US dollars",
    ),
    "NaN": (
        '{"kind": "budgets", "rule": {"metric": "cost", "window": "day", "limit": NaN}}',
        "budgets.limit", "nan", "US dollars",
    ),
    "a value that the rule refuses": (
        '{"kind": "breakers", "rule": {"permits": 0}}', "breakers.permits", "0", "at least 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_a_definition_that_cannot_be_used_is_named_with_all_that_mends_it(
    case: tuple[str, str, str, str],
) -> None:
    text, key, found, allowed = case
    with pytest.raises(ConfigError) as caught:
        read_definition("x", text)
    said = str(caught.value)
    assert said.startswith(f"rule 'x' made at run time: {key}: ")
    assert found in said
    assert allowed in said


def test_a_rule_that_cannot_be_used_is_refused_before_it_is_kept() -> None:
    with pytest.raises(ConfigError, match=r"rule 'daily' made at run time: budgets\.limit"):
        define("budgets", {**DAILY, "limit": -1})
    with pytest.raises(ConfigError, match="every budget needs a name"):
        define("budgets", {key: DAILY[key] for key in DAILY if key != "name"})
    with pytest.raises(ConfigError, match="no such kind of rules"):
        define("budget", DAILY)
    with pytest.raises(TypeError, match="can't stand in a rule"):
        define("budgets", {**DAILY, "limit": object()})


FILE = """
[[budgets]]
name = "daily"
metric = "cost"
window = "day"
limit = 10
[[budgets]]
name = "all"
metric = "calls"
window = "total"
limit = 99
[[loops]]
name = "circles"
"""


def test_a_run_time_rule_wins_over_the_files_of_the_same_name() -> None:
    policy = merged(_policy(FILE), {"daily": define("budgets", DAILY)})
    assert policy.budgets == (Budget("all", "calls", 99), Budget("daily", "calls", 5, "day"))
    assert policy.runtime == {"daily"}
    assert policy.loops == (LoopRule("circles"),)
    assert policy.source == "spanledger.toml"


def test_it_wins_also_if_it_is_of_another_kind() -> None:
    rate = {"name": "daily", "metric": "calls", "limit": 3, "per": "hour"}
    policy = merged(_policy(FILE), {"daily": define("rate_limits", rate)})
    assert policy.budgets == (Budget("all", "calls", 99),)
    assert policy.rate_limits == (RateLimit("daily", "calls", 3, "hour"),)


def test_rules_of_new_names_are_added() -> None:
    made = {t["name"]: define(kind, t) for kind, t in TABLES.items()}
    policy = merged(Policy(), made)
    assert sorted(policy.names()) == sorted(made)
    assert policy.runtime == set(made)
    assert policy
    assert policy.breakers == (BreakerRule("k", failure_rate=0.25, min_calls=4),)
    assert policy.drifts == (DriftRule("d", 1000, turn_floor_nano_usd=250_000_000),)


def test_without_run_time_rules_the_policy_is_as_it_was() -> None:
    assert merged(_policy(FILE), {}) == _policy(FILE)


def test_one_broken_definition_is_an_error_of_the_whole() -> None:
    with pytest.raises(ConfigError, match="rule 'x' made at run time"):
        merged(_policy(FILE), {"daily": define("budgets", DAILY), "x": "{}"})


_amounts = st.integers(0, 10**9)
_names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(
    name=_names,
    metric=st.sampled_from(["cost", "tokens", "calls"]),
    window=st.sampled_from(["minute", "hour", "day", "week", "month", "total"]),
    limit=_amounts | _amounts.map(str),
    thresholds=st.sets(st.integers(1, 100)).map(lambda parts: [p / 100 for p in sorted(parts)]),
    each=st.booleans(),
    trip=st.booleans(),
)
def test_no_value_changes_on_its_way_through_the_store(name: str, **keys: Any) -> None:
    table = {"name": name, **keys}
    assert read_definition(name, define("budgets", table)) == _in_file("budgets", table)


@given(st.dictionaries(_names, st.sampled_from(list(TABLES)), max_size=8))
def test_each_name_stands_once_whatever_is_merged(kinds: dict[str, str]) -> None:
    """File and store are one policy, in which a name is one rule."""
    made = {n: define(kind, {**TABLES[kind], "name": n}) for n, kind in kinds.items()}
    names = list(merged(_policy(FILE), made).names())
    assert sorted(names) == sorted(kinds.keys() | {"daily", "all", "circles"})
