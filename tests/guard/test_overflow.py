"""More users, sessions, … than there is room for: memory is bounded, and no limit opens."""

import gc
import logging
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.config import ConfigError, GuardSettings
from spanledger.guard import Budget, RateLimit, Spending, open_store
from spanledger.guard._sessions import Sessions
from spanledger.guard.breaker_rule import BreakerRule, model_target
from spanledger.guard.breakers import Breakers
from spanledger.guard.ceilings import Ceilings
from spanledger.guard.fingerprints import fingerprint, result_print
from spanledger.guard.ledger import OVERFLOW, Counter, Demand, Key, Ledger
from spanledger.guard.loop_watch import LoopWatch
from spanledger.guard.loops import LoopRule
from spanledger.guard.stores import MemoryStore, SqliteStore, Store
from spanledger.guard.windows import Window
from spanledger.testing.clock import TickingClock
from tests.guard._calls import NOON_S, call, guard

MILLION = 1_000_000
EACH_USER = Budget("each", "tokens", 10, scope="session")


def _key(value: str, start: int = 0) -> Key:
    return Key("each", value, start)


def _demand(value: str, amount: int = 1, limit: int = 10, start: int = 0) -> Demand:
    return Demand(_key(value, start), "tokens", limit, amount)


def _spend(store: Store, value: str, amount: int = 1, start: int = 0) -> str:
    """What became of a call of so much: ``ok``, or the kind of its shortage."""
    rid = f"{value}/{start}/{time.perf_counter_ns()}"
    grant = store.reserve(rid, [_demand(value, amount, 10, start)], lease_s=600, max_wait_s=0)
    if grant.shortage is not None:
        return grant.shortage.kind
    assert store.settle(rid, lambda _: amount)
    return "ok"


def test_whoever_comes_after_the_last_counter_shares_one_and_its_limit() -> None:
    store = MemoryStore(most_values=3)
    for user in "abcdef":
        assert _spend(store, user, 4) == "ok" or user == "f"
    assert dict(store.counters()) == {
        _key("a"): Counter(4),
        _key("b"): Counter(4),
        _key("c"): Counter(4),
        _key(OVERFLOW): Counter(8),
    }
    assert _spend(store, "g", 3) == "exhausted"
    assert _spend(store, "a", 6) == "ok"


def test_who_asks_about_one_without_a_counter_gets_the_one_that_it_shares() -> None:
    store = MemoryStore(most_values=1)
    _spend(store, "a", 1)
    _spend(store, "b", 7)
    assert store.read(_key("b")) == store.read(_key("c")) == Counter(7)


def test_it_is_said_once_for_a_rule_and_window(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore(most_values=2)
    with caplog.at_level(logging.WARNING, "spanledger.guard"):
        for start in (0, 60):
            for user in "abcdef":
                _spend(store, user, 1, start)
    assert [record.getMessage()[:47] for record in caplog.records] == [
        "Rule 'each' counts more than 2 values in one wi"
    ] * 2
    assert "SPANLEDGER_MAX_VALUES" in caplog.text


def test_each_rule_and_each_window_has_room_of_its_own() -> None:
    store = MemoryStore(most_values=2)
    for rule in ("one", "two"):
        for start in (0, 60):
            for user in "ab":
                demand = Demand(Key(rule, user, start), "tokens", 10, 10)
                rid = f"{rule}/{start}/{user}"
                assert store.reserve(rid, [demand], lease_s=60, max_wait_s=0).shortage is None
    assert len(store.counters()) == 8


def test_a_call_counts_once_on_the_shared_counter_however_many_of_its_values_share_it() -> None:
    """Three agents around one call: what it uses is used once."""
    store = MemoryStore(most_values=1)
    _spend(store, "planner", 1)
    demands = [_demand(agent, 6) for agent in ("planner", "writer", "editor")]
    assert store.reserve("r", demands, lease_s=60, max_wait_s=0).shortage is None
    assert store.read(_key(OVERFLOW)) == Counter(reserved=6)
    assert store.settle("r", lambda _: 5)
    assert dict(store.counters()) == {_key("planner"): Counter(6), _key(OVERFLOW): Counter(5)}


def test_a_window_that_ended_makes_room_again() -> None:
    store = MemoryStore(most_values=2)
    for user in "abc":
        _spend(store, user, 1)
    store.forget("each", 1)
    assert store.counters() == []
    assert [_spend(store, user, 10) for user in "cd"] == ["ok", "ok"]
    assert store.read(_key("c")) == Counter(10)


def test_a_reset_of_the_rule_makes_room_again() -> None:
    store = MemoryStore(most_values=2)
    for user in "abcd":
        _spend(store, user, 5)
    assert store.reset("each") == 3
    assert [_spend(store, user, 10) for user in "cd"] == ["ok", "ok"]
    assert [_spend(store, user, 1) for user in "cd"] == ["exhausted", "exhausted"]


def test_a_reset_of_one_value_gives_nobody_a_second_limit() -> None:
    """Who shares goes on sharing, as long as somebody is counted there."""
    store = MemoryStore(most_values=2)
    for user in "abc":
        _spend(store, user, 10)
    assert store.reset("each", "a") == 1
    assert _spend(store, "c", 1) == "exhausted"
    assert store.reset("each", OVERFLOW) == 1
    assert _spend(store, "c", 10) == "ok"


def test_a_call_that_is_open_settles_where_it_was_admitted() -> None:
    """Also when there is room again meanwhile."""
    store = MemoryStore(most_values=1)
    _spend(store, "a", 1)
    assert store.reserve("r", [_demand("b", 4)], lease_s=60, max_wait_s=0).shortage is None
    store.reset("each")
    assert store.settle("r", lambda _: 4)
    assert store.read(_key(OVERFLOW)) == Counter(4)


def test_a_rate_of_the_overflow_slides_over_both_of_its_buckets() -> None:
    """Limit 10 a minute; of the minute before, half still counts."""
    ledger = Ledger(most_values=1)
    for start, value in ((0, "a"), (0, "b")):
        ledger.reserve(f"{start}{value}", [_demand(value, 8, start=start)], 1e9)
    ledger.reserve("60a", [_demand("a", 1, start=60)], 1e9)
    late = Demand(_key("c", 60), "tokens", 10, 7, (), _key("c"), 500_000)
    short = ledger.reserve("60c", [late], 1e9)
    assert short is not None
    assert (short.kind, short.spent) == ("limited", 4)


def test_a_forked_childs_room_is_the_one_that_its_parent_had_left() -> None:
    store = MemoryStore(most_values=2)
    for user in "abc":
        _spend(store, user, 10)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        answers = [_spend(store, user) for user in "cda"]
        os.write(write, repr(answers).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == repr(["exhausted"] * 3)
    os.waitpid(child, 0)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 10), st.integers(0, 12)), max_size=40),
    st.integers(1, 4),
)
def test_crowding_never_lets_anybody_pass_a_limit(
    calls: list[tuple[int, int, int]], most: int
) -> None:
    """Whoever spends what: no user more than the limit, apart from estimates that were too low."""
    store, spent, over = MemoryStore(most_values=most), dict[int, int](), 0
    for number, (user, asked, used) in enumerate(calls):
        demand = _demand(str(user), asked)
        if store.reserve(str(number), [demand], lease_s=60, max_wait_s=0).shortage is None:
            store.settle(str(number), lambda _, used=used: used)  # type: ignore[misc]  # the loop's value
            spent[user] = spent.get(user, 0) + used
            over += max(0, used - asked)
    assert all(amount <= 10 + over for amount in spent.values())
    assert len(store.counters()) <= most + 1


def test_a_refusal_says_that_the_counter_is_shared() -> None:
    held = guard(EACH_USER, store=MemoryStore(most_values=1))
    for session in ("a", "b"):
        held.admit(call(tokens=10, session=session))
    refusal = held.admit(call(tokens=10, session="c")).refusal
    assert refusal is not None
    assert refusal.scope == "session (overflow)"
    (state,) = held.state(call(session="d"))
    assert state.reserved == 10


def test_the_setting_is_the_stores(tmp_path: Path) -> None:
    store = open_store(GuardSettings(store="memory", max_values=1), tmp_path)
    assert [_spend(store, user, 6) for user in "abc"] == ["ok", "ok", "exhausted"]


def test_room_for_nobody_is_no_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"guard\.max_values"):
        open_store(GuardSettings(store="memory", max_values=0), tmp_path)


# --- windows that are over ------------------------------------------------------------------


@pytest.mark.parametrize("window", ["minute", "hour", "day", "week", "month"])
def test_windows_that_ended_while_nobody_ran_are_dropped_by_the_next_process(
    tmp_path: Path, window: Window
) -> None:
    """This window and the one next to it are kept, and one of ``total`` has no end."""
    daily = Budget("each", "calls", 10, window, scope="session")
    ever = Budget("ever", "calls", 10, "total", scope="session")
    clock = TickingClock(NOON_S)
    for number in range(3):
        store = SqliteStore(tmp_path / "ledger" / "ledger.db")
        held = guard(daily, ever, store=store, clock=clock)
        held.settle(held.admit(call(session=f"s{number}")).granted(), Spending(1, 1))
        assert store.flush()
        # Of months, the one before lies next to this one.
        assert len(store.counters("each")) == (min(2, number + 1) if window == "month" else 1)
        assert len(store.counters("ever")) == number + 1
        store.close()
        clock.advance(31 * 86_400)


# --- a million ----------------------------------------------------------------------------


def _rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def _growth(work: Callable[[int], object], number: int = MILLION) -> tuple[float, float]:
    """Of resident memory in MiB after the first tenth, and of the time of a call as a factor."""
    tenth, times = number // 10, list[float]()
    gc.collect()
    after_first = 0.0
    for part in range(10):
        began = time.process_time()
        for user in range(part * tenth, (part + 1) * tenth):
            work(user)
        times.append(time.process_time() - began)
        after_first = after_first or _rss_mib()
    return _rss_mib() - after_first, times[-1] / times[1]


@pytest.mark.slow
def test_a_million_users_of_every_rule_leave_memory_bounded() -> None:
    """In the guard's memory store: a budget, a rate and so many open calls at once."""
    rules = (EACH_USER, RateLimit("calls", "calls", 5, "hour", scope="session"))
    held = guard(*rules, store=MemoryStore(most_values=10_000))

    def one(user: int) -> None:
        decision = held.admit(call(tokens=0, session=f"user-{user}"))
        if decision.reservation is not None:
            held.release(decision.reservation)

    mib, slower = _growth(one)
    assert mib < 20
    assert slower < 2
    assert len(held.store.counters()) == 20_002


@pytest.mark.slow
def test_a_million_users_in_a_file_cost_the_process_no_memory_and_no_time(tmp_path: Path) -> None:
    """They lie on the disk, at less than 200 bytes each with the journal of their calls."""
    store = SqliteStore(tmp_path / "ledger" / "ledger.db")

    def one(user: int) -> None:
        store.reserve(str(user), [_demand(f"user-{user}")], lease_s=600, max_wait_s=0)
        store.settle(str(user), lambda _: 1)

    mib, slower = _growth(one)
    size = sum(file.stat().st_size for file in (tmp_path / "ledger").iterdir())
    store.close()
    assert mib < 20
    assert slower < 2
    assert size < MILLION * 250


@pytest.mark.parametrize("number", [20_000, pytest.param(MILLION, marks=pytest.mark.slow)])
def test_sessions_loops_and_breakers_remember_so_many_and_no_more(number: int) -> None:
    """The ones that were quiet for longest are forgotten."""
    sessions, loops, breakers = Sessions(capacity=1000), LoopWatch(capacity=1000), Breakers()
    ceiling, loop, breaker = Ceilings("c", max_steps=5), LoopRule("l"), BreakerRule("b")
    done, result = fingerprint("search", {"q": "x"}), result_print("y")

    def one(user: int) -> None:
        sessions.begin(str(user), f"user-{user}", [ceiling], calls=1, depth=1)
        loops.observe(f"user-{user}", done, result, loop)
        breakers.acquire(model_target("openai", f"model-{user}"), breaker)

    mib, _slower = _growth(one, number)
    assert mib < 20
