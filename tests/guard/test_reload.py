"""Rules that change while agents run: what holds, from when on, and what if they are broken."""

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from spanledger.config import ConfigError, GuardSettings
from spanledger.guard import (
    Budget,
    Decision,
    Guard,
    MemoryStore,
    Policy,
    Spending,
    StoreUnavailable,
    current,
    ready,
    ready_soon,
    reload,
    use,
)
from spanledger.guard.policy_file import PolicyFile
from spanledger.guard.reloading import Reloader
from spanledger.guard.rulebook import define
from tests.guard._calls import Events, call
from tests.guard._wait import InThread, until

#: No thread: a test says itself when is looked.
BY_HAND = GuardSettings(on_contention="refuse", reload_s=0)
QUICKLY = GuardSettings(on_contention="refuse", reload_s=0.01)

CALLS = '[[budgets]]\nname = "calls"\nmetric = "calls"\nwindow = "total"\nlimit = {}\n'


def _budget(limit: int, name: str = "calls", metric: str = "calls") -> str:
    table = {"name": name, "metric": metric, "window": "total", "limit": limit}
    return define("budgets", table)


class Moody(MemoryStore):
    """A store in memory that is away as long as a test wants, and counts who asks for rules."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.asked: list[int] = []

    def rules(self) -> Mapping[str, str]:
        self.asked.append(threading.get_ident())
        if self.away:
            raise StoreUnavailable("test:", f"away, {len(self.asked)}", "Wait.")
        return super().rules()


@pytest.fixture(autouse=True)
def _guard_of_before() -> Iterator[None]:
    before = current()
    yield
    use(before)


@pytest.fixture
def store() -> Moody:
    return Moody()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "spanledger.toml"


def _follow(
    store: MemoryStore,
    *rules: Budget,
    settings: GuardSettings = BY_HAND,
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Events:
    """Start as the boot does; what is told from then on."""
    events = Events()
    source = None if file is None else PolicyFile(dict(environ or {}), file.parent)
    policy = Policy(rules) if source is None else source.policy()
    guard = Guard(policy, settings=settings, store=store, listeners=[events])
    guard.follow(Reloader(policy, store, settings, file=source))
    use(guard)
    return events


def _admit(**more: Any) -> Decision:
    return ready().admit(call(**more))


def _calls() -> int:
    """So many calls pass now, until one is refused; at most 50."""
    made = 0
    while made < 50 and (decision := _admit()).allowed:
        current().settle(decision.granted(), Spending(1, 1))
        made += 1
    return made


def _told(events: Events, reason: str) -> list[str]:
    return [event.message for event in events.seen if event.reason == reason]


# --- the first call -------------------------------------------------------------------------


def test_the_first_call_knows_the_rules_that_were_made_at_run_time(store: Moody) -> None:
    store.put_rule("calls", _budget(2))
    _follow(store)
    assert store.asked == []
    assert _calls() == 2
    assert current().policy.runtime == {"calls"}


def test_a_run_time_rule_wins_over_the_policy_that_code_gave(store: Moody) -> None:
    store.put_rule("calls", _budget(1))
    _follow(store, Budget("calls", "calls", 40), Budget("other", "calls", 45))
    assert _calls() == 1
    assert sorted(current().policy.names()) == ["calls", "other"]


def test_rules_are_read_once_and_not_for_every_call(store: Moody) -> None:
    _follow(store)
    _calls()
    assert len(store.asked) == 1


def test_the_first_calls_of_many_threads_all_wait_for_the_rules(store: Moody) -> None:
    """None of them slips through under the rules of the file alone."""
    store.put_rule("calls", _budget(0))
    _follow(store)
    threads = [InThread(_admit) for _ in range(8)]
    assert [thread.result().reason for thread in threads] == ["budget_exhausted"] * 8


def test_who_can_not_wait_is_answered_at_once_and_the_thread_looks(store: Moody) -> None:
    """Also where there is no reloading."""
    store.put_rule("calls", _budget(0))
    _follow(store)
    assert not ready_soon().policy
    until(lambda: ready_soon().policy)
    assert store.asked[0] != threading.get_ident()


# --- changes while calls are open -----------------------------------------------------------


def test_a_changed_limit_holds_for_the_next_call_and_open_ones_stay_valid(store: Moody) -> None:
    """Also a limit that is below what is spent (P13)."""
    _follow(store, Budget("calls", "tokens", 100))
    held = _admit(tokens=60).granted()
    store.put_rule("calls", _budget(50, metric="tokens"))
    reload()
    refused = _admit(tokens=1)
    assert refused.refusal is not None
    assert (refused.refusal.limit, refused.refusal.reserved) == (50, 60)
    assert current().settle(held, Spending(55, 0))
    refused = _admit(tokens=1)
    assert refused.refusal is not None
    assert (refused.refusal.spent, refused.refusal.reserved) == (55, 0)
    assert refused.reason == "budget_exhausted"
    store.put_rule("calls", _budget(70, metric="tokens"))
    reload()
    assert _admit(tokens=15).allowed
    store.put_rule("calls", None)
    reload()
    assert current().policy.budgets == (Budget("calls", "tokens", 100),)


def test_a_reservation_may_be_settled_by_the_guard_of_before_and_by_that_of_now(
    store: Moody,
) -> None:
    _follow(store, Budget("calls", "calls", 10))
    before, first, second = ready(), _admit().granted(), _admit().granted()
    store.put_rule("calls", _budget(20))
    reload()
    assert before.settle(first, Spending(1, 1))
    assert current().settle(second, Spending(1, 1))
    assert not current().settle(first, Spending(1, 1))
    (state,) = current().state(call())
    assert (state.spent, state.reserved, state.budget.limit) == (2, 0, 20)


def test_a_call_that_asks_for_more_is_held_to_the_limit_of_now(store: Moody) -> None:
    _follow(store, Budget("calls", "tokens", 100))
    before, held = ready(), _admit(tokens=10).granted()
    store.put_rule("calls", _budget(20, metric="tokens"))
    reload()
    refusal = before.extend(held, tokens=11, cost_nano_usd=0)
    assert refusal is not None
    assert (refusal.limit, refusal.reason) == (20, "stream_exhausted")
    assert before.extend(held, tokens=10, cost_nano_usd=0) is None


@pytest.mark.parametrize("kind", ["gone", "soft"])
def test_a_stream_is_not_cut_for_a_rule_that_holds_no_more(store: Moody, kind: str) -> None:
    store.put_rule("calls", _budget(20, metric="tokens"))
    _follow(store)
    held = _admit(tokens=10).granted()
    table = {"name": "calls", "metric": "tokens", "window": "total", "limit": 20}
    soft = define("budgets", {**table, "enforce": "soft"})
    store.put_rule("calls", None if kind == "gone" else soft)
    reload()
    assert current().extend(held, tokens=1000, cost_nano_usd=0) is None


def test_an_open_breaker_and_a_listener_outlive_the_change(store: Moody) -> None:
    _follow(store)
    later = Events()
    ready().with_listener(later)
    breaker = {"name": "k", "min_calls": 1}
    store.put_rule("k", define("breakers", breaker))
    reload()
    current().settle(_admit().granted(), Spending(0, 0), outcome="failed")
    assert _admit().reason == "circuit_open"
    store.put_rule("k", define("breakers", {**breaker, "open_s": 60}))
    reload()
    assert _admit().reason == "circuit_open"
    assert "breaker" in {event.kind for event in later.seen}


def test_threads_lose_nothing_while_the_rules_change_under_them(store: Moody) -> None:
    """What they were charged is what they used, and nothing stays held."""
    _follow(store, Budget("calls", "tokens", 10**9), settings=QUICKLY)
    ready()
    end = threading.Event()

    def work() -> int:
        used = 0
        while not end.is_set() and (decision := _admit(tokens=5)).allowed:
            current().settle(decision.granted(), Spending(3, 0))
            used += 3
        return used

    threads = [InThread(work) for _ in range(4)]
    for limit in range(30):
        store.put_rule("calls", _budget(10**9 - limit, metric="tokens"))
        until(lambda limit=limit: current().policy.budgets[0].limit == 10**9 - limit)  # type: ignore[misc]  # binds the loop's value
    end.set()
    used = sum(thread.result() for thread in threads)
    (state,) = current().state(call())
    assert (state.spent, state.reserved) == (used, 0)
    assert used > 0


# --- the file -------------------------------------------------------------------------------


def test_a_changed_file_holds_after_a_moment(store: Moody, file: Path) -> None:
    file.write_text(CALLS.format(0))
    events = _follow(store, settings=QUICKLY, file=file)
    assert not _admit().allowed
    file.write_text(CALLS.format(3))
    until(lambda: current().policy.budgets[0].limit == 3)
    assert _calls() == 3
    until(lambda: _told(events, "rules_changed"))
    assert _told(events, "rules_changed") == ["Rules: changed 'calls'."]


def test_a_file_of_the_same_size_and_time_is_seen_too(store: Moody, file: Path) -> None:
    """As tools leave it that copy times."""
    file.write_text(CALLS.format(1))
    seen = file.stat()
    _follow(store, file=file)
    file.write_text(CALLS.format(2))
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert reload().budgets[0].limit == 2


def test_a_file_that_appears_is_read(store: Moody, file: Path) -> None:
    _follow(store, file=file)
    assert _calls() == 50
    file.write_text(CALLS.format(0))
    assert reload().budgets[0].limit == 0
    assert not _admit().allowed


def test_a_broken_file_leaves_the_rules_that_hold_and_is_told_once(
    store: Moody, file: Path
) -> None:
    file.write_text(CALLS.format(2))
    events = _follow(store, file=file)
    assert _admit().allowed
    file.write_text(CALLS.format('"2usd"'))
    for _ in range(3):
        with pytest.raises(ConfigError, match="budgets\\[0\\]\\.limit: can't be used"):
            reload()
    assert current().policy.budgets[0].limit == 2
    (said,) = _told(events, "rules_unreadable")
    assert "line 5: budgets[0].limit" in said
    assert said.endswith("The other rules hold.")
    file.write_text(CALLS.format(7))
    assert reload().budgets[0].limit == 7
    file.write_text(CALLS.format('"2usd"'))
    with pytest.raises(ConfigError):
        reload()
    assert len(_told(events, "rules_unreadable")) == 2


def test_run_time_rules_are_obeyed_while_the_file_is_broken(store: Moody, file: Path) -> None:
    file.write_text(CALLS.format(40))
    _follow(store, file=file)
    ready()
    file.write_text("[[budgets")
    store.put_rule("calls", _budget(1))
    with pytest.raises(ConfigError, match="not valid TOML"):
        reload()
    assert _calls() == 1


@pytest.mark.parametrize("how", ["deleted", "a folder", "unreadable"])
def test_a_file_that_is_gone_lifts_no_limit(store: Moody, file: Path, how: str) -> None:
    """Nobody deletes limits by accident, and some editors delete before they write."""
    file.write_text(CALLS.format(2))
    events = _follow(store, file=file)
    ready()
    file.unlink()
    if how == "a folder":
        file.mkdir()
    if how == "unreadable":
        file.symlink_to(file)
    with pytest.raises(ConfigError, match=r"is gone|can't be read"):
        reload()
    assert _calls() == 2
    assert len(_told(events, "rules_unreadable")) == 1


def test_a_file_that_is_being_written_is_left_for_later(file: Path) -> None:
    """Its first half may be a policy too, of fewer rules."""
    file.write_text(CALLS.format(2))
    source = PolicyFile({}, file.parent)
    source.policy()
    file.write_text("")
    assert source.changed()
    assert not source.at_rest(lambda _: file.write_text(CALLS.format(3)))
    assert source.at_rest(lambda _: None)
    assert source.policy().budgets[0].limit == 3
    assert not source.changed()


def test_the_environments_budget_stays_when_the_file_changes(store: Moody, file: Path) -> None:
    file.write_text(CALLS.format(40))
    _follow(store, file=file, environ={"SPANLEDGER_BUDGET_CALLS": "3"})
    file.write_text(CALLS.format(41))
    assert sorted(reload().names()) == ["calls", "environment-calls"]
    assert _calls() == 3


def test_a_relative_name_means_the_folder_of_the_start(
    store: Moody, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often the agent changes its folder."""
    file.write_text(CALLS.format(2))
    _follow(store, file=file, environ={"SPANLEDGER_POLICY": file.name})
    monkeypatch.chdir("/")
    file.write_text(CALLS.format(3))
    assert reload().budgets[0].limit == 3


# --- broken rules in the store, and a store that is away ------------------------------------


def test_a_rule_that_was_broken_from_the_start_refuses_every_call(store: Moody) -> None:
    """Nobody knows what it would have limited."""
    store.put_rule("x", '{"kind":"budgets","rule":{}}')
    events = _follow(store)
    for _ in range(2):
        decision = _admit()
        assert decision.reason == "policy_unreadable"
        assert decision.refusal is not None
        assert "rule 'x' made at run time: budgets.metric" in decision.refusal.sentence()
    (said,) = _told(events, "rules_unreadable")
    assert said.endswith("Calls are refused until it is mended.")
    store.put_rule("x", _budget(1, "x"))
    assert _calls() == 1


def test_whoever_only_wants_a_warning_gets_one(store: Moody) -> None:
    store.put_rule("x", "{}")
    store.put_rule("calls", _budget(2))
    events = _follow(store, settings=GuardSettings(on_invalid_policy="warn", reload_s=0))
    assert _calls() == 2
    assert len(_told(events, "rules_unreadable")) == 1


def test_a_rule_that_breaks_later_stays_as_it_was(store: Moody) -> None:
    """And the others go on to be obeyed."""
    store.put_rule("calls", _budget(2))
    events = _follow(store)
    ready()
    store.put_rule("calls", "{}")
    store.put_rule("new", "nonsense")
    store.put_rule("other", _budget(1, "other"))
    for _ in range(2):
        with pytest.raises(ConfigError, match="made at run time"):
            reload()
    assert {b.name: b.limit for b in current().policy.budgets} == {"calls": 2, "other": 1}
    assert len(_told(events, "rules_unreadable")) == 2


def test_a_store_that_is_away_at_the_start_lets_nothing_through(store: Moody) -> None:
    """It may hold rules. Each call tries again."""
    store.away = True
    store.put_rule("calls", _budget(1))
    events = _follow(store, Budget("other", "calls", 45))
    assert [_admit().reason for _ in range(3)] == ["ledger_unavailable"] * 3
    assert current().holds_limits()
    assert len(_told(events, "rules_unreadable")) == 1
    store.away = False
    assert _calls() == 1


def test_the_user_may_say_that_calls_pass_without_the_store(store: Moody) -> None:
    store.away = True
    store.put_rule("calls", _budget(1))
    _follow(
        store,
        Budget("other", "calls", 4),
        settings=GuardSettings(on_store_down="fail_open", on_contention="refuse", reload_s=0.01),
    )
    assert _admit().allowed
    store.away = False
    until(lambda: len(current().policy.budgets) == 2)
    assert _calls() == 1


def test_a_store_that_goes_away_leaves_the_rules_that_hold_and_is_told_once(
    store: Moody,
) -> None:
    store.put_rule("calls", _budget(3))
    events = _follow(store)
    assert _admit().allowed
    store.away = True
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            reload()
    assert [budget.limit for budget in current().policy.budgets] == [3]
    (said,) = _told(events, "rules_unreadable")
    assert "away" in said
    assert _calls() == 2


def test_a_failure_of_ours_in_reading_opens_no_limit(
    store: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Mapping[str, str]:
        raise RuntimeError("a defect")

    monkeypatch.setattr(store, "rules", fail)
    _follow(store)
    assert _admit().reason == "policy_unreadable"


# --- breakers that are forced ---------------------------------------------------------------


def _breaker_events(events: Events) -> list[str]:
    return [event.message for event in events.seen if event.kind == "breaker"]


@pytest.mark.parametrize("name", ["openai/gpt-4o", "k"])
def test_a_breaker_that_is_forced_in_the_store_is_open_here_and_told_once(
    store: Moody, name: str
) -> None:
    """By the name of what it protects, or of its rule."""
    store.put_rule("k", define("breakers", {"name": "k"}))
    events = _follow(store)
    assert _admit().allowed
    store.force(name, "open")
    for _ in range(3):
        reload()
    assert _admit().reason == "circuit_open"
    assert _breaker_events(events) == ["Breaker 'k': openai/gpt-4o is forced open."]
    store.force(name, None)
    reload()
    assert _admit().allowed
    assert len(_breaker_events(events)) == 2


def test_what_has_no_breaker_can_be_forced_open_all_the_same(store: Moody) -> None:
    """In an emergency; and it opens by itself for nothing."""
    store.force("openai/gpt-4o", "open")
    _follow(store)
    assert _admit().reason == "circuit_open"
    assert _admit(model="gpt-4o-mini").allowed
    for _ in range(50):
        held = _admit(model="gpt-4o-mini").granted()
        current().settle(held, Spending(0, 0), outcome="failed")
    store.force("openai/gpt-4o", None)
    reload()
    assert _admit().allowed
    assert not current().policy


def test_a_state_that_nobody_knows_forces_nothing(store: Moody) -> None:
    store.put_rule("k", define("breakers", {"name": "k"}))
    store.force("k", "ajar")
    _follow(store)
    assert _admit().allowed
    assert current().breakers.forced() == {}


# --- one guard after the other --------------------------------------------------------------


def test_another_guard_ends_the_following(store: Moody) -> None:
    """And the thread with it; the one of before does not come back by itself."""
    _follow(store, settings=QUICKLY)
    ready()
    other = use(Guard(Policy((Budget("mine", "calls", 1),))))
    store.put_rule("calls", _budget(0))
    asked = len(store.asked)
    until(lambda: not _threads())
    assert len(store.asked) <= asked + 1
    assert current() is other
    assert ready() is other
    assert reload().budgets == other.policy.budgets


def test_a_guard_that_is_used_again_is_followed_again(store: Moody) -> None:
    _follow(store, settings=QUICKLY)
    first = ready()
    use(Guard())
    use(first)
    store.put_rule("calls", _budget(0))
    assert not _admit().allowed
    until(lambda: len(_threads()) == 1)


def test_a_listener_may_make_calls_when_it_is_told_of_new_rules(store: Moody) -> None:
    """It is told on the thread that looks."""
    store.put_rule("calls", _budget(9))
    _follow(store)
    answers: list[bool] = []
    current().with_listener(lambda event: answers.append(_admit().allowed))
    assert InThread(_admit).result().allowed
    assert answers == [True]


def test_code_without_a_follower_reloads_nothing() -> None:
    own = use(Guard(Policy((Budget("mine", "calls", 1),))))
    assert reload() is own.policy
    assert ready() is own


def _threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "spanledger-rules"]
