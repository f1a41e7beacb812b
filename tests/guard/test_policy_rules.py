"""Every kind of rule as it is written, and what is said about those that can't be used."""

import tomllib
from zoneinfo import ZoneInfo

import pytest

from spanledger.config import ConfigError, Document
from spanledger.guard import Budget, Policy, RateLimit, read_policy
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.guard.ceilings import Ceilings
from spanledger.guard.loops import LoopRule

BUDGET = '[[budgets]]\nname = "b"\nmetric = "calls"\nwindow = "day"\nlimit = 5\n'
RATE = '[[rate_limits]]\nname = "r"\nmetric = "calls"\nlimit = 5\n'
PER = 'per = "minute"\n'
BREAKER = '[[breakers]]\nname = "k"\n'
LOOP = '[[loops]]\nname = "l"\n'
CEILINGS = '[[ceilings]]\nname = "c"\n'


def _read(text: str) -> Policy:
    return read_policy(Document("spanledger.toml", text, tomllib.loads(text)))


# --- what is understood ---------------------------------------------------------------------


def test_a_budget_is_read_with_every_key_it_may_have() -> None:
    """None of them is dropped on the way."""
    policy = _read(
        '[[budgets]]\nname = "team"\nmetric = "cost"\nlimit = "2.50"\nwindow = "week"\n'
        'scope = "attribute:team"\ntime_zone = "Europe/Berlin"\nthresholds = [0.5, 1]\n'
        'enforce = "soft"\neach = false\nmatch = { model = "gpt-*", "attribute:team" = "r?d" }\n'
    )
    assert policy.budgets == (
        Budget(
            "team",
            "cost",
            2_500_000_000,
            "week",
            "attribute:team",
            ZoneInfo("Europe/Berlin"),
            (0.5, 1.0),
            "soft",
            each=False,
            match=(("model", "gpt-*"), ("attribute:team", "r?d")),
        ),
    )


def test_a_budget_trips_only_if_it_says_so() -> None:
    """A refused over-estimate must not lock a budget at 13 % of its use."""
    assert [_read(BUDGET + line).budgets[0].trip for line in ("", "trip = true")] == [False, True]


def test_a_match_may_be_a_table_of_its_own() -> None:
    """As TOML allows for every inline table."""
    policy = _read(BUDGET + '[budgets.match]\nprovider = "openai"\n')
    assert policy.budgets[0].match == (("provider", "openai"),)


@pytest.mark.parametrize("thresholds", ["[]", "[0.01]", "[0.8, 0.9, 1.0]"])
def test_thresholds_are_parts_of_the_limit(thresholds: str) -> None:
    """None at all, or any up to the limit itself."""
    written = tomllib.loads(f"thresholds = {thresholds}")["thresholds"]
    assert _read(f"{BUDGET}thresholds = {thresholds}\n").budgets[0].thresholds == tuple(written)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (RATE + PER, RateLimit("r", "calls", 5, "minute")),
        (
            '[[rate_limits]]\nname = "r"\nmetric = "tokens"\nlimit = "1e6"\nper = "hour"\n'
            'scope = "user"\neach = false\nmatch = { user = "eu-*" }\n',
            RateLimit("r", "tokens", 10**6, "hour", "user", each=False, match=(("user", "eu-*"),)),
        ),
        (
            '[[rate_limits]]\nname = "r"\nmetric = "concurrency"\nlimit = 3\nscope = "agent"\n',
            RateLimit("r", "concurrency", 3, None, "agent"),
        ),
    ],
)
def test_a_rate_limit_is_read_with_its_keys(text: str, rule: RateLimit) -> None:
    """Calls and tokens are per time, concurrency is at one time."""
    assert _read(text).rate_limits == (rule,)


def test_a_breaker_is_read_with_every_key_it_may_have() -> None:
    """What is left out keeps its default."""
    keys = {
        "failure_rate": 0.25, "slow_rate": 1, "slow_s": 12.5, "window_s": 30, "min_calls": 4,
        "open_s": 400, "max_open_s": 800, "permits": 1, "permit_lease_s": 60,
        "max_throttle_s": 120,
    }  # fmt: skip
    text = "".join(f"{key} = {value}\n" for key, value in keys.items())
    assert _read(BREAKER + text).breakers == (BreakerRule("k", **keys),)  # type: ignore[arg-type]  # a table of numbers
    assert _read(BREAKER).breakers == (BreakerRule("k"),)


def test_a_loop_rule_is_read_with_every_key_it_may_have() -> None:
    """What is left out keeps its default; ``inf`` seconds are never waited."""
    text = (
        'action = "block"\nwarn_at = 3\nblock_at = 6\nmax_period = 2\n'
        'polling = ["job_state"]\nmin_interval_s = inf\n'
    )
    rule = LoopRule("l", "block", 3, 6, 2, frozenset({"job_state"}), float("inf"))
    assert _read(LOOP + text).loops == (rule,)
    assert _read(LOOP).loops == (LoopRule("l"),)


def test_ceilings_are_read_with_every_key_they_may_have() -> None:
    """0 is a ceiling too: nothing at all."""
    text = "max_steps = 9\nmax_depth = 0\nmax_wall_s = 1.5\nmax_calls = 7\nmax_tokens = 100\n"
    assert _read(CEILINGS + text).ceilings == (Ceilings("c", 9, 0, 1.5, 7, 100),)


def test_a_policy_of_any_one_kind_of_rule_is_a_policy() -> None:
    """A file with nothing but a loop rule is no empty file."""
    for text in (BUDGET, RATE + PER, BREAKER, LOOP, CEILINGS):
        policy = _read(text)
        assert policy
        assert len(list(policy.names())) == 1


# --- what is refused ------------------------------------------------------------------------

#: The text, the key that the error names, its line, what it found, and what it allows.
BAD: dict[str, tuple[str, str, int, object, str]] = {
    # Tables of budgets.
    "enforce": (BUDGET + 'enforce = "strict"', "budgets[0].enforce", 6, "strict", "hard, soft"),
    "enforce, number": (BUDGET + "enforce = 1", "budgets[0].enforce", 6, 1, "hard, soft"),
    "each": (BUDGET + 'each = "yes"', "budgets[0].each", 6, "yes", "true, false"),
    "each, number": (BUDGET + "each = 1", "budgets[0].each", 6, 1, "true, false"),
    "attribute without a name": (
        BUDGET + 'scope = "attribute:"', "budgets[0].scope", 6, "attribute:", "attribute:NAME",
    ),
    "scope, list": (BUDGET + 'scope = ["user"]', "budgets[0].scope", 6, ["user"], "global, sess"),
    "thresholds, number": (
        BUDGET + "thresholds = 0.8", "budgets[0].thresholds", 6, 0.8, "parts of the limit",
    ),
    "thresholds, percent": (
        BUDGET + "thresholds = [80]", "budgets[0].thresholds", 6, [80], "above 0 and up to 1",
    ),
    "thresholds, nothing": (
        BUDGET + "thresholds = [0]", "budgets[0].thresholds", 6, [0], "above 0 and up to 1",
    ),
    "thresholds, negative": (
        BUDGET + "thresholds = [-0.1]", "budgets[0].thresholds", 6, [-0.1], "above 0",
    ),
    "thresholds, text": (
        BUDGET + 'thresholds = ["80%"]', "budgets[0].thresholds", 6, ["80%"], "above 0",
    ),
    "thresholds, true": (
        BUDGET + "thresholds = [true]", "budgets[0].thresholds", 6, [True], "above 0",
    ),
    "thresholds, descending": (
        BUDGET + "thresholds = [0.9, 0.8]", "budgets[0].thresholds", 6, [0.9, 0.8], "ascending",
    ),
    "thresholds, twice": (
        BUDGET + "thresholds = [0.8, 0.8]", "budgets[0].thresholds", 6, [0.8, 0.8], "ascending",
    ),
    "trip, text": (BUDGET + 'trip = "yes"', "budgets[0].trip", 6, "yes", "true, false"),
    "trip, soft": (
        BUDGET + 'enforce = "soft"\ntrip = true', "budgets[0].trip", 7, True, "false",
    ),
    "match, text": (BUDGET + 'match = "gpt-*"', "budgets[0].match", 6, "gpt-*", "patterns by"),
    "match, number": (
        BUDGET + "match = { model = 4 }", "budgets[0].match", 6, {"model": 4}, "patterns by scope",
    ),
    "match, empty": (
        BUDGET + 'match = { model = "" }', "budgets[0].match", 6, {"model": ""}, "patterns by",
    ),
    "match, other scope": (
        BUDGET + 'match = { team = "a" }', "budgets[0].match", 6, {"team": "a"}, "attribute:NAME",
    ),
    "match, global": (
        BUDGET + 'match = { global = "*" }', "budgets[0].match", 6, {"global": "*"}, "session,",
    ),
    "concurrency budget": (
        BUDGET.replace('"calls"', '"concurrency"'), "budgets[0].metric", 3, "concurrency",
        "cost, tokens, calls",
    ),
    # Tables of rate limits.
    "rate, other key": (RATE + PER + "burst = 9", "rate_limits[0].burst", 6, 9, "name, metric, li"),
    "rate, a budget's key": (
        RATE + PER + 'window = "day"', "rate_limits[0].window", 6, "day", "metric, limit, per",
    ),
    "rate, cost": (
        RATE.replace('"calls"', '"cost"') + PER, "rate_limits[0].metric", 3, "cost",
        "calls, tokens, concurrency",
    ),
    "rate, no per": (RATE, "rate_limits[0].per", 1, None, "second, minute, hour"),
    "rate, other per": (
        RATE + 'per = "day"', "rate_limits[0].per", 5, "day", "second, minute, hour",
    ),
    "concurrency per time": (
        RATE.replace('"calls"', '"concurrency"') + PER, "rate_limits[0].per", 5, "minute",
        "no such key here",
    ),
    "rate, negative": (
        RATE.replace("5", "-5") + PER, "rate_limits[0].limit", 4, -5, "a whole number of calls",
    ),
    "rate, half a token": (
        RATE.replace("5", "1.5").replace("calls", "tokens") + PER, "rate_limits[0].limit", 4, 1.5,
        "a whole number of tokens",
    ),
    "concurrency, text": (
        RATE.replace("5", '"many"').replace("calls", "concurrency"), "rate_limits[0].limit", 4,
        "many", "a whole number of calls",
    ),
    "rate, nan": (RATE.replace("= 5", "= nan") + PER, "rate_limits[0].limit", 4, "nan", "a whole"),
    "rate, no name": (
        '[[rate_limits]]\nmetric = "calls"\nlimit = 5\nper = "hour"', "rate_limits[0].name", 1,
        None, "a text",
    ),
    # Tables of breakers.
    "breaker, other key": (
        BREAKER + "fail_rate = 1", "breakers[0].fail_rate", 3, 1, "name, failure_rate, slow_rate",
    ),
    "breaker, percent": (
        BREAKER + "failure_rate = 50", "breakers[0].failure_rate", 3, 50, "above 0 and at most 1",
    ),
    "breaker, nan": (
        BREAKER + "failure_rate = nan", "breakers[0].failure_rate", 3, "nan", "above 0 and at most",
    ),
    "breaker, negative": (BREAKER + "slow_s = -1", "breakers[0].slow_s", 3, -1, "seconds above 0"),
    "breaker, text": (BREAKER + 'slow_s = "30s"', "breakers[0].slow_s", 3, "30s", "a number"),
    "breaker, text for a share": (
        BREAKER + 'slow_rate = "high"', "breakers[0].slow_rate", 3, "high", "a number",
    ),
    "breaker, true": (BREAKER + "permits = true", "breakers[0].permits", 3, True, "a whole"),
    "breaker, true for a time": (
        BREAKER + "open_s = true", "breakers[0].open_s", 3, True, "a number",
    ),
    "breaker, half a call": (
        BREAKER + "min_calls = 2.5", "breakers[0].min_calls", 3, 2.5, "a whole number of at least",
    ),
    "breaker, shorter at most": (
        BREAKER + "open_s = 60\nmax_open_s = 5", "breakers[0].max_open_s", 4, 5, "at least open_s",
    ),
    "breaker, longer than the default at most": (
        BREAKER + "open_s = 600", "breakers[0].max_open_s", 1, None, "at least open_s (600)",
    ),
    "breaker that is named like a key": (
        '[[breakers]]\nname = "slow_s"\nslow_s = 10\npermits = 0', "breakers[0].permits", 4, 0,
        "a whole number of at least 1",
    ),
    "breaker, no name": ("[[breakers]]\nopen_s = 5", "breakers[0].name", 1, None, "a text"),
    # Tables of loops.
    "loop, other key": (LOOP + "max = 3", "loops[0].max", 3, 3, "name, action, warn_at, block_at"),
    "loop, other action": (LOOP + 'action = "stop"', "loops[0].action", 3, "stop", "warn or block"),
    "loop, once": (LOOP + "warn_at = 1", "loops[0].warn_at", 3, 1, "at least 2"),
    "loop, text": (LOOP + 'warn_at = "5"', "loops[0].warn_at", 3, "5", "a whole number"),
    "loop, blocks before it warns": (
        LOOP + "warn_at = 5\nblock_at = 3", "loops[0].block_at", 4, 3, "at least 5",
    ),
    "loop, warns after the default block": (
        LOOP + "warn_at = 50", "loops[0].block_at", 1, None, "at least 50",
    ),
    "loop, polling is a text": (
        LOOP + 'polling = "job"', "loops[0].polling", 3, "job", "texts in a list",
    ),
    "loop, polling is a number": (
        LOOP + "polling = [1]", "loops[0].polling", 3, [1], "texts in a list",
    ),
    "loop, pause as text": (
        LOOP + 'min_interval_s = "5s"', "loops[0].min_interval_s", 3, "5s", "a number",
    ),
    "loop, no pause": (
        LOOP + "min_interval_s = 0", "loops[0].min_interval_s", 3, 0, "above 0",
    ),
    # Tables of ceilings.
    "ceilings, other key": (
        CEILINGS + "max_cost = 1", "ceilings[0].max_cost", 3, 1, "max_steps, max_depth",
    ),
    "ceilings, negative": (
        CEILINGS + "max_steps = -1", "ceilings[0].max_steps", 3, -1, "a whole number of at least 0",
    ),
    "ceilings, half a step": (
        CEILINGS + "max_steps = 0.5", "ceilings[0].max_steps", 3, 0.5, "a whole number",
    ),
    "ceilings, nan": (
        CEILINGS + "max_wall_s = nan", "ceilings[0].max_wall_s", 3, "nan", "a number of at least 0",
    ),
    "ceilings, text": (
        CEILINGS + 'max_tokens = "1k"', "ceilings[0].max_tokens", 3, "1k", "a whole number",
    ),
    "ceilings, true": (CEILINGS + "max_calls = true", "ceilings[0].max_calls", 3, True, "a whole"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_a_rule_that_cannot_be_used_is_named_with_all_that_mends_it(
    case: tuple[str, str, int, object, str],
) -> None:
    """File, line, key, what stands there, and what may stand there."""
    text, key, line, found, allowed = case
    with pytest.raises(ConfigError) as caught:
        _read(text + "\n")
    error = caught.value
    assert str(error).startswith(f"spanledger.toml, line {line}: {key}: ")
    assert str(error.found) == "nan" if found == "nan" else error.found == found
    assert found is None or repr(error.found) in str(error)
    assert allowed in str(error)


@pytest.mark.parametrize("kind", ["rate_limits", "breakers", "loops", "ceilings"])
@pytest.mark.parametrize("form", ["[{}]\nname = 'a'\n", "{} = 5\n", "{} = ['a']\n"])
def test_rules_in_another_form_are_refused(kind: str, form: str) -> None:
    """A rule in a form that is not read would be no rule."""
    with pytest.raises(ConfigError, match=rf"{kind} are written as \[\[{kind}\]\]") as caught:
        _read(form.format(kind))
    assert caught.value.line == 1


@pytest.mark.parametrize(
    ("first", "second", "key", "line"),
    [
        (RATE + PER, RATE + PER, "rate_limits[1].name", 7),
        (BREAKER, BREAKER, "breakers[1].name", 4),
        (BUDGET, RATE.replace('"r"', '"b"') + PER, "rate_limits[0].name", 7),
        (BUDGET, LOOP.replace('"l"', '"b"'), "loops[0].name", 7),
        (CEILINGS, BREAKER.replace('"k"', '"c"'), "ceilings[0].name", 2),
    ],
)
def test_two_rules_of_one_name_are_refused_across_tables(
    first: str, second: str, key: str, line: int
) -> None:
    """They are overridden, reset and forced by name, and counters are kept by it."""
    with pytest.raises(ConfigError, match="two rules of one name") as caught:
        _read(first + second)
    assert (caught.value.key, caught.value.line) == (key, line)


def test_the_second_of_two_rules_is_named_by_its_own_line() -> None:
    """In a table with good rules before it."""
    with pytest.raises(ConfigError) as caught:
        _read(BREAKER + "open_s = 1\n" + BREAKER.replace('"k"', '"k2"') + "open_s = 0\n")
    assert (caught.value.key, caught.value.line) == ("breakers[1].open_s", 6)


def test_a_default_that_a_rule_can_not_keep_is_told_with_its_value() -> None:
    """It stands nowhere in the file, so the sentence says what it is."""
    with pytest.raises(ConfigError, match=r"block_at is 10; it must be .* at least 50"):
        _read(LOOP + "warn_at = 50\n")
