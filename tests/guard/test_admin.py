"""Looking at limits and changing them while agents run, over each store."""

import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger import guard
from spanledger.config import ConfigError, Document
from spanledger.guard import (
    Admin,
    AdminError,
    Budget,
    Guard,
    MemoryStore,
    Policy,
    RateLimit,
    Spending,
    Store,
    StoreUnavailable,
    read_policy,
)
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.guard.rulebook import merged
from spanledger.guard.stores import SqliteStore
from spanledger.guard.stores.redis import RedisStore
from tests._redis import RedisMissing, RedisServer, redis_server
from tests.guard._calls import NOON_S, REFUSE, call

FILE = """\
[[budgets]]
name = "day"
metric = "cost"
limit = "5.00"
window = "day"
scope = "agent"
time_zone = "Europe/Berlin"
thresholds = [0.5]
match = { model = "gpt-*" }

[[rate_limits]]
name = "fast"
metric = "calls"
limit = 30
per = "minute"
"""


def _document(text: str = FILE) -> Document:
    import tomllib

    return Document("spanledger.toml", text, tomllib.loads(text))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer | None]:
    try:
        with redis_server(tmp_path_factory.mktemp("redis")) as running:
            yield running
    except RedisMissing:
        yield None


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(
    request: pytest.FixtureRequest, server: RedisServer | None, tmp_path: Path
) -> Iterator[Store]:
    """Each store: the verbs know none of them."""
    if request.param == "memory":
        yield MemoryStore()
        return
    if request.param == "redis" and server is None:
        pytest.skip("no redis-server found: apt-get install redis-server")
    made: SqliteStore | RedisStore
    if request.param == "sqlite":
        made = SqliteStore(tmp_path / "ledger" / "ledger.sqlite")
    else:
        assert server is not None
        made = RedisStore(server.url, directory=tmp_path, prefix=uuid.uuid4().hex, timeout_s=5.0)
    yield made
    made.close()


def _admin(store: Store, text: str = FILE) -> Admin:
    document = _document(text)
    return Admin(store, read_policy(document), document=document, clock=lambda: NOON_S)


def _guard(store: Store, text: str = FILE) -> Guard:
    """An agent that has just read file and store."""
    policy = merged(read_policy(_document(text)), store.rules())
    return Guard(policy, settings=REFUSE, store=store, clock=lambda: NOON_S)


def _spend(store: Store, agent: str, cost_usd: str) -> None:
    guarded = _guard(store)
    held = guarded.admit(call(agent, cost=1)).granted()
    guarded.settle(held, Spending(1, int(Decimal(cost_usd) * 10**9)))


# --- budgets --------------------------------------------------------------------------------


def test_a_budget_is_listed_with_its_counters_most_used_first(store: Store) -> None:
    """With what each has spent and reserved in the present window."""
    for agent, cost in (("a", "1.5"), ("b", "3.25"), ("c", "0.1")):
        _spend(store, agent, cost)
    held = _guard(store).admit(call("c", cost=2_000_000_000))
    assert held.allowed
    (use,) = _admin(store).budgets()
    assert (use.rule.name, use.source) == ("day", "file")
    found = [(c.value, c.spent, c.reserved) for c in use.counters]
    assert found == [
        ("b", 3_250_000_000, 0),
        ("c", 100_000_000, 2_000_000_000),
        ("a", 1_500_000_000, 0),
    ]


def test_a_changed_limit_keeps_every_other_key_and_what_is_spent(store: Store) -> None:
    """Only the limit was named."""
    _spend(store, "a", "4")
    admin = _admin(store)
    before = admin.budget("day").rule
    changed = admin.set_budget("day", limit="7.50")
    assert changed.limit == 7_500_000_000
    assert [getattr(changed, name) for name in Budget.__slots__ if name != "limit"] == [
        getattr(before, name) for name in Budget.__slots__ if name != "limit"
    ]
    use = admin.budget("day")
    assert (use.source, use.counters[0].spent) == ("run time", 4_000_000_000)
    assert use.definition["limit"] == "7.5"
    assert _guard(store).explain(call("a", cost=3_000_000_000)).allowed


def test_a_limit_below_what_is_spent_refuses_at_once(store: Store) -> None:
    """And does not touch what is in flight."""
    admin, running = _admin(store), _guard(store)
    held = running.admit(call("a", cost=4_000_000_000)).granted()
    admin.set_budget("day", limit=1)
    assert not _guard(store).admit(call("a", cost=1)).allowed
    assert running.settle(held, Spending(1, 3_000_000_000))
    (counter,) = admin.budget("day").counters
    assert (counter.spent, counter.reserved, counter.remaining) == (3_000_000_000, 0, 0)


def test_a_budget_of_run_time_is_made_listed_and_deleted_without_a_trace(store: Store) -> None:
    """Made again, it begins at nothing."""
    admin = _admin(store)
    admin.set_budget("extra", metric="calls", limit=2, window="hour", scope="user")
    assert [use.rule.name for use in admin.budgets()] == ["day", "extra"]
    guarded = _guard(store)
    guarded.settle(guarded.admit(call("x", model="o3")).granted(), Spending(1, 1))
    assert admin.budget("extra").counters[0].spent == 1
    assert admin.delete_budget("extra") is None
    assert [use.rule.name for use in admin.budgets()] == ["day"]
    admin.set_budget("extra", metric="tokens", limit=2, window="hour", scope="user")
    assert [counter.spent for counter in admin.budget("extra").counters] in ([], [0])


def test_what_overrode_the_file_gives_way_to_it_again(store: Store) -> None:
    """With the counters that both had."""
    admin = _admin(store)
    admin.set_budget("day", limit=1)
    _spend(store, "a", "0.5")
    left = admin.delete_budget("day")
    assert left is not None
    assert left.limit == 5_000_000_000
    use = admin.budget("day")
    assert (use.source, use.counters[0].spent) == ("file", 500_000_000)


def test_a_budget_that_only_the_file_has_is_not_deleted_but_pointed_at(store: Store) -> None:
    """By file and line."""
    with pytest.raises(AdminError, match=r"stands in spanledger\.toml, line 2: take it out there"):
        _admin(store).delete_budget("day")
    with pytest.raises(AdminError, match=r"rate limit 'fast' .* line 12"):
        _admin(store).delete_rate_limit("fast")


def test_a_reset_begins_again_for_one_or_for_all(store: Store) -> None:
    """What is in flight stays held."""
    admin = _admin(store)
    for agent in "ab":
        _spend(store, agent, "2")
    assert _guard(store).admit(call("b", cost=7)).allowed
    assert admin.reset_budget("day", "a") == 1
    assert [(c.value, c.spent) for c in admin.budget("day").counters] == [
        ("b", 2_000_000_000),
        ("a", 0),
    ]
    assert admin.reset_budget("day") == 2
    assert [(c.spent, c.reserved) for c in admin.budget("day").counters] == [(0, 7), (0, 0)]
    with pytest.raises(AdminError, match="no counter for 'z'; it has 'b', 'a'"):
        admin.reset_budget("day", "z")


# --- rate limits ----------------------------------------------------------------------------


def test_a_rate_limit_has_the_same_verbs(store: Store) -> None:
    """List, change, reset, delete."""
    admin = _admin(store)
    for _ in range(3):
        _spend(store, "a", "0.1")
    assert admin.rate_limit("fast").counters[0].spent == 3
    admin.set_rate_limit("fast", limit=3)
    assert _guard(store).admit(call("a", cost=1)).reason == "rate_limited"
    assert admin.reset_rate_limit("fast") == 1
    assert _guard(store).admit(call("a", cost=1)).allowed
    assert admin.set_rate_limit("fast", per="hour").limit == 3
    assert admin.delete_rate_limit("fast") == RateLimit("fast", "calls", 30, "minute")
    assert [use.source for use in admin.rate_limits()] == ["file"]


def test_a_limit_of_calls_at_once_can_be_made(store: Store) -> None:
    """It has no time."""
    admin = _admin(store)
    made = admin.set_rate_limit("at-once", metric="concurrency", limit=1, scope="agent")
    assert (made.per, admin.rate_limit("at-once").definition.get("per")) == (None, None)
    guarded = _guard(store)
    assert guarded.admit(call("a", cost=1)).allowed
    assert guarded.admit(call("a", cost=1)).reason == "concurrency_limited"


# --- what can't be done ---------------------------------------------------------------------


def test_an_unknown_name_suggests_those_that_are_near(store: Store) -> None:
    """Else it says what there is."""
    admin = _admin(store)
    with pytest.raises(AdminError, match=r"no budget 'dy'; did you mean 'day'\?"):
        admin.budget("dy")
    with pytest.raises(AdminError, match="no rate limit 'zzzz'; there is 'fast'"):
        admin.reset_rate_limit("zzzz")
    with pytest.raises(AdminError, match="'fast' is a rate limit and no budget"):
        admin.set_budget("fast", limit=1)
    with pytest.raises(AdminError, match="there is none at all"):
        _admin(store, "").budget("day")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"limit": "10usd"}, "US dollars"),
        ({"limit": -1}, "US dollars"),
        ({"limit": float("nan")}, "US dollars"),
        ({"window": "fortnight"}, "minute, hour, day"),
        ({"scope": "planet"}, "attribute:NAME"),
        ({"time_zone": "Mars/Base"}, "Europe/Berlin"),
        ({"thresholds": [2.0]}, "above 0 and up to 1"),
        ({"enforce": "maybe"}, "hard, soft"),
    ],
)
def test_a_value_of_no_use_changes_nothing_and_says_what_is_allowed(
    values: dict[str, Any], says: str
) -> None:
    """As in the file."""
    store = MemoryStore()
    with pytest.raises(ConfigError, match=says):
        _admin(store).set_budget("day", **values)
    assert store.rules() == {}


def test_a_new_budget_needs_metric_limit_and_window() -> None:
    """A limit without a window is none."""
    admin = _admin(MemoryStore())
    with pytest.raises(ConfigError, match="metric: is missing"):
        admin.set_budget("new", limit=1, window="day")
    with pytest.raises(ConfigError, match="limit: is missing"):
        admin.set_budget("new", metric="calls", window="day")
    with pytest.raises(ConfigError, match="window: is missing"):
        admin.set_budget("new", metric="calls", limit=1)


def test_the_metric_of_a_budget_stays_what_it_is() -> None:
    """By `set`, where a slip would lift the limit: each metric has a counter of its own."""
    admin = _admin(MemoryStore())
    with pytest.raises(AdminError, match="counts cost, which can't be turned into tokens"):
        admin.set_budget("day", metric="tokens", limit=5)
    assert admin.set_budget("day", metric="cost", limit=5).metric == "cost"


def test_a_broken_rule_in_the_store_can_be_taken_out() -> None:
    """It stops every other verb, so this one must not need to read it."""
    store = MemoryStore()
    store.put_rule("odd", "{")
    admin = _admin(store)
    with pytest.raises(ConfigError, match="rule 'odd' made at run time"):
        admin.budgets()
    assert admin.delete_budget("odd") is None
    assert len(admin.budgets()) == 1


def test_a_rule_of_another_kind_is_not_taken_out() -> None:
    """A slip of the tongue lifts no limit."""
    store = MemoryStore()
    admin = _admin(store)
    admin.set_rate_limit("slow", metric="calls", limit=1, per="hour")
    with pytest.raises(AdminError, match="'slow' is a rate limit and no budget"):
        admin.delete_budget("slow")
    assert list(store.rules()) == ["slow"]


def test_where_a_rule_comes_from_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """File, environment, code, run time."""
    from spanledger.config import BudgetShortcut

    document = _document()
    policy = read_policy(document, BudgetShortcut(usd="1"))
    admin = Admin(MemoryStore(), policy, document=document)
    admin.set_budget("more", metric="calls", limit=1, window="day")
    assert {use.rule.name: use.source for use in admin.budgets()} == {
        "day": "file",
        "environment-cost": "environment",
        "more": "run time",
    }
    with pytest.raises(AdminError, match="unset that variable"):
        admin.delete_budget("environment-cost")
    coded = Admin(MemoryStore(), Policy((Budget("b", "calls", 1),)))
    with pytest.raises(AdminError, match="the program itself gives it"):
        coded.delete_budget("b")


# --- breakers -------------------------------------------------------------------------------

_BREAKERS = '[[breakers]]\nname = "providers"\n'


def test_breakers_are_forced_and_released_in_the_store(store: Store) -> None:
    """By the name of a rule or of a target."""
    admin = _admin(store, _BREAKERS)
    admin.open_breaker("openai/gpt-4o")
    admin.close_breaker("providers")
    board = admin.breakers()
    assert board.forced == {"openai/gpt-4o": "open", "providers": "closed"}
    assert ([rule.name for rule in board.rules], board.live) == (["providers"], None)
    admin.release_breaker("providers")
    assert dict(store.forced()) == {"openai/gpt-4o": "open"}
    with pytest.raises(AdminError, match="no forced breaker 'openai/gpt-4'; did you mean"):
        admin.release_breaker("openai/gpt-4")


def test_a_breaker_that_nothing_would_ask_is_not_forced() -> None:
    """An operator must not believe that calls are held back."""
    store = MemoryStore()
    with pytest.raises(AdminError, match="there is no breaker rule"):
        _admin(store).open_breaker("openai/gpt-4o")
    with pytest.raises(AdminError, match="did you mean 'providers'; a target is written"):
        _admin(store, _BREAKERS).open_breaker("provider")
    assert store.forced() == {}


# --- in the agent's own process -------------------------------------------------------------


@pytest.fixture
def used() -> Iterator[Callable[[Guard], Guard]]:
    yield guard.use
    guard.use(Guard())


def test_the_guard_of_this_process_obeys_its_own_verbs_at_once(
    used: Callable[[Guard], Guard],
) -> None:
    """Also one that code made, which nobody followed until then."""
    used(Guard(Policy((Budget("b", "calls", 1),)), settings=REFUSE))
    held = guard.current().admit(call()).granted()
    guard.admin().set_budget("b", limit=2)
    assert guard.current().admit(call()).allowed
    assert guard.current().settle(held, Spending(1, 1))
    assert not guard.current().admit(call()).allowed
    guard.admin().delete_budget("b")
    assert guard.current().policy.budgets == (Budget("b", "calls", 1),)
    assert guard.admin().budget("b").counters[0].spent == 1


def test_a_guard_that_is_closed_explains_every_call_with_that(
    used: Callable[[Guard], Guard],
) -> None:
    """Whatever the rules in its store say."""
    used(Guard(policy_error=ConfigError("broken", key="x")))
    assert guard.admin().explain(model="gpt-4o").reason == "policy_unreadable"


def test_a_breaker_of_this_process_is_seen_and_forced(used: Callable[[Guard], Guard]) -> None:
    """With its state, which other processes can't see."""
    rule = BreakerRule("b", min_calls=1)
    guarded = used(Guard(Policy(breakers=(rule,)), settings=REFUSE))
    guarded.settle(guarded.admit(call()).granted(), Spending(1, 1), outcome="failed")
    live = guard.admin().breakers().live
    assert live is not None
    assert [(status.name, status.state) for status in live] == [("openai/gpt-4o", "open")]
    guard.admin().close_breaker("openai/gpt-4o")
    assert guard.current().admit(call()).allowed
    assert guard.admin().explain(model="gpt-4o").rules[0].known


def test_a_store_that_can_not_be_read_is_said_to_be(tmp_path: Path) -> None:
    """Not an empty list."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"no ledger at all" * 64)
    admin = _admin(SqliteStore(path))
    with pytest.raises(StoreUnavailable, match=r"ledger\.sqlite"):
        admin.budgets()
    with pytest.raises(StoreUnavailable):
        admin.explain(model="gpt-4o")
