"""Explaining a refusal before it happens: the same answer as `admit`, and nothing changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.config import ConfigError, GuardSettings
from spanledger.guard import (
    Admin,
    Budget,
    Call,
    Estimate,
    Guard,
    MemoryStore,
    Policy,
    RateLimit,
    Reservation,
    Spending,
    Store,
)
from spanledger.guard.breaker import Outcome, Throttled
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.guard.ceilings import Ceilings
from spanledger.guard.decision import Metric
from spanledger.guard.fingerprints import fingerprint
from spanledger.guard.ledger import OVERFLOW
from spanledger.guard.loops import LoopRule
from spanledger.guard.rules import Enforce, Per
from spanledger.guard.stores import SqliteStore
from spanledger.testing.clock import TickingClock
from tests.guard._calls import NOON_S, REFUSE, Events, call
from tests.guard._wait import InThread, until

# --- random policies, random histories ------------------------------------------------------

_SCOPES = st.sampled_from(["global", "agent", "session", "model", "tool", "attribute:team"])
_MATCH = st.sampled_from([(), (("model", "gpt-*"),), (("agent", "a"),), (("tool", "search"),)])
_LIMITS = st.integers(0, 60) | st.integers(1, 4)


@st.composite
def _budgets(draw: st.DrawFn, index: int) -> Budget:
    enforce: Enforce = draw(st.sampled_from(["hard", "hard", "soft"]))
    return Budget(
        f"budget-{index}",
        draw(st.sampled_from(["cost", "tokens", "calls"])),
        draw(_LIMITS),
        draw(st.sampled_from(["minute", "hour", "day", "total"])),
        draw(_SCOPES),
        enforce=enforce,
        each=draw(st.booleans()),
        match=draw(_MATCH),
        trip=enforce == "hard" and draw(st.booleans()),
    )


@st.composite
def _rates(draw: st.DrawFn, index: int) -> RateLimit:
    metric: Metric = draw(st.sampled_from(["calls", "tokens", "concurrency"]))
    per: Per = draw(st.sampled_from(["second", "minute", "hour"]))
    return RateLimit(
        f"rate-{index}",
        metric,
        draw(_LIMITS),
        None if metric == "concurrency" else per,
        draw(_SCOPES),
        draw(st.booleans()),
        draw(_MATCH),
    )


@st.composite
def _policies(draw: st.DrawFn) -> Policy:
    some = st.integers(0, 3)
    breaker = BreakerRule("breaker", min_calls=2, open_s=20.0, permits=1)
    loop = LoopRule("loop", action="block", warn_at=2, block_at=3)
    ceiling = Ceilings("ceiling", max_steps=draw(_LIMITS), max_depth=2, max_wall_s=200.0)
    return Policy(
        tuple(draw(_budgets(i)) for i in range(draw(some))),
        rate_limits=tuple(draw(_rates(i)) for i in range(draw(some))),
        breakers=(breaker,) if draw(st.booleans()) else (),
        loops=(loop,) if draw(st.booleans()) else (),
        ceilings=(ceiling,) if draw(st.booleans()) else (),
    )


@dataclass(frozen=True)
class _Step:
    """A call is asked for, some times; each time one that is open may end, and time passes."""

    call: Call
    times: int
    ends: int | None
    outcome: Outcome
    used: int
    passes_s: float


@st.composite
def _calls(draw: st.DrawFn) -> Call:
    tool = draw(st.sampled_from([None, None, "search", "shell"]))
    is_tool_call = tool is not None and draw(st.booleans())
    tokens = draw(st.integers(0, 30))
    cost = draw(st.one_of(st.none(), st.integers(0, 30)))
    refined = Estimate(tokens // 2, 0, cost, "refined")
    return Call(
        call_id="",
        provider="openai",
        model="" if is_tool_call else draw(st.sampled_from(["gpt-4o", "unknown-1"])),
        operation="execute_tool" if is_tool_call else "chat",
        estimate=Estimate(0, 0, 0, "none") if is_tool_call else Estimate(tokens, 0, cost, "first"),
        session=draw(st.sampled_from([None, "s"])),
        agents=tuple(draw(st.lists(st.sampled_from(["a", "b"]), max_size=3))),
        tool=tool,
        attributes={"team": "blue"} if draw(st.booleans()) else {},
        fingerprint=fingerprint(tool or "", {}) if is_tool_call else None,
        refine=(lambda: refined) if not is_tool_call and draw(st.booleans()) else None,
    )


_OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from(
    ["ok", "slow", "failed", "cancelled", Throttled(5.0)]
)
_STEPS = st.builds(
    _Step,
    _calls(),
    st.integers(1, 5),
    st.one_of(st.none(), st.integers(0, 3)),
    _OUTCOMES,
    st.integers(0, 40),
    st.sampled_from([0.0, 0.0, 0.4, 7.0, 31.0]),
)


class _Agent:
    """A guard, the calls that it let through, and the clock."""

    def __init__(self, policy: Policy, chosen: GuardSettings, store: Store) -> None:
        self.clock = TickingClock(NOON_S)
        self.guard = Guard(
            policy,
            settings=chosen,
            store=store,
            clock=self.clock,
            monotonic=self.clock.monotonic,
        )
        self.open: list[Reservation] = []

    def ask(self, step: _Step, number: int) -> None:
        """`explain` first, then `admit`: both must say the same."""
        asked = step.call._replace(call_id=f"call-{number}")
        said = self.guard.explain(asked)
        decision = self.guard.admit(asked)
        assert said.reason == decision.reason
        if decision.refusal is not None and OVERFLOW in decision.refusal.scope:
            # Who shares a counter for want of room is called by their own name here, also in
            # the advice how that is reset.
            assert said.refusal is not None
            scope, advice = said.refusal.scope, said.refusal.advice
            assert said.refusal == replace(decision.refusal, scope=scope, advice=advice)
        else:
            assert said.refusal == decision.refusal
        if decision.reservation is not None:
            self.open.append(decision.reservation)

    def end(self, step: _Step) -> None:
        if self.open and step.ends is not None:
            held = self.open.pop(step.ends % len(self.open))
            spent = Spending(step.used, None if step.used == 7 else step.used)
            self.guard.settle(held, spent, outcome=step.outcome)
            self.guard.observe_result(held.call, "the same result")
        self.clock.advance(step.passes_s)


def _run(agent: _Agent, steps: Sequence[_Step]) -> None:
    for number, step in enumerate(each for each in steps for _ in range(each.times)):
        agent.ask(step, number)
        agent.end(step)


_UNPRICED = st.sampled_from(["refuse", "ceiling_price", "count_tokens_only"])


@settings(max_examples=300, deadline=None)
@given(
    policy=_policies(),
    steps=st.lists(_STEPS, max_size=12),
    on_unpriced=_UNPRICED,
    most_values=st.sampled_from([1, 2, 1000]),
)
def test_explain_says_what_admit_would_answer(
    policy: Policy, steps: list[_Step], on_unpriced: Any, most_values: int
) -> None:
    """Any policy, any history, also of breakers, loops and ceilings, and of a full ledger."""
    chosen = replace(REFUSE, on_unpriced=on_unpriced, ceiling_usd_per_mtok="0.002")
    _run(_Agent(policy, chosen, MemoryStore(most_values=most_values)), steps)


@settings(max_examples=25, deadline=None)
@given(policy=_policies(), steps=st.lists(_STEPS, max_size=6))
def test_explain_says_what_admit_would_answer_over_a_file(
    tmp_path_factory: pytest.TempPathFactory, policy: Policy, steps: list[_Step]
) -> None:
    """The same where counters are read from a shared store."""
    store = SqliteStore(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")
    try:
        _run(_Agent(policy, REFUSE, store), steps)
    finally:
        store.close()


# --- what it leaves as it was ---------------------------------------------------------------


def _history(*rules: Any, **more: Any) -> Guard:
    kinds: dict[type, str] = {
        Budget: "budgets",
        RateLimit: "rate_limits",
        BreakerRule: "breakers",
        Ceilings: "ceilings",
    }
    tables: dict[str, Any] = {
        table: tuple(rule for rule in rules if isinstance(rule, kind))
        for kind, table in kinds.items()
    }
    chosen: dict[str, Any] = {"settings": REFUSE, "clock": lambda: NOON_S, **more}
    return Guard(Policy(**tables), **chosen)


def test_explaining_holds_nothing_and_counts_no_step() -> None:
    """However often it is asked."""
    guarded = _history(
        Budget("b", "calls", 2),
        RateLimit("r", "concurrency", 2),
        Ceilings("c", max_steps=2),
    )
    for _ in range(20):
        assert guarded.explain(call()).allowed
    assert guarded.store.counters() == []
    assert guarded.admit(call()).allowed
    assert guarded.admit(call()).allowed


def test_explaining_takes_no_permit_of_a_half_open_breaker() -> None:
    """Else nobody could find out whether the provider has recovered."""
    clock, heard = TickingClock(NOON_S), Events()
    rule = BreakerRule("b", min_calls=1, open_s=20.0, permits=1)
    guarded = _history(rule, monotonic=clock.monotonic, listeners=(heard,))
    guarded.settle(guarded.admit(call()).granted(), Spending(1, 1), outcome="failed")
    assert guarded.explain(call()).reason == "circuit_open"
    clock.advance(21)
    told = len(heard.seen)
    for _ in range(5):
        assert guarded.explain(call()).allowed
    assert (guarded.breakers.statuses()[0].state, len(heard.seen)) == ("open", told)
    assert guarded.admit(call()).allowed
    assert guarded.explain(call()).reason == "circuit_open"


def test_explaining_begins_no_session() -> None:
    """A ceiling on wall time runs from the first call."""
    clock = TickingClock(NOON_S)
    guarded = _history(Ceilings("c", max_wall_s=10.0), monotonic=clock.monotonic)
    guarded.explain(call(session="s"))
    clock.advance(11)
    assert guarded.admit(call(session="s")).allowed


# --- what it says ---------------------------------------------------------------------------


def test_every_rule_that_concerns_the_call_is_named_with_its_counter() -> None:
    """Also those that are not the reason; and not those of others."""
    guarded = _history(
        Budget("money", "cost", 3_000_000_000, "day", "agent"),
        Budget("mine", "calls", 5, scope="agent", match=(("agent", "other"),)),
        RateLimit("fast", "tokens", 5, "minute"),
    )
    guarded.settle(guarded.admit(call("planner", tokens=1)).granted(), Spending(4, 2_500_000_000))
    found = guarded.explain(call("planner", tokens=2))
    assert found.reason == "budget_exhausted"
    money, fast = found.rules
    assert (money.rule, money.scope, money.kind) == ("money", "agent planner", "budget")
    assert (money.limit, money.spent, money.asked) == (3_000_000_000, 2_500_000_000, 1_000_000_000)
    assert not money.fits
    assert money.refusal is not None
    assert money.refusal.retry_after_s == 12 * 3600
    assert (fast.spent, fast.asked, fast.fits) == (4, 2, False)


def test_a_soft_budget_never_refuses_and_says_so() -> None:
    """Its limit is none for calls."""
    guarded = _history(Budget("soft", "calls", 0, enforce="soft"))
    found = guarded.explain(call())
    assert (found.allowed, found.rules[0].limit, found.rules[0].fits) == (True, None, True)


def test_a_contended_call_is_said_to_wait_first() -> None:
    """That is what `admit` would do with it."""
    guarded = _history(Budget("b", "calls", 1), settings=GuardSettings(max_wait_s=12.0))
    held = guarded.admit(call()).granted()
    found = guarded.explain(call())
    assert (found.reason, found.waits_s) == ("budget_contended", 12.0)
    waiting = InThread(lambda: guarded.admit(call()))
    store = guarded.store
    assert isinstance(store, MemoryStore)
    until(lambda: store.waiting() == 1)
    guarded.settle(held, Spending(1, 1, calls=0))
    assert waiting.result().allowed


def test_a_policy_that_can_not_be_read_is_the_answer() -> None:
    """As it is the guard's."""
    error = ConfigError("broken", key="x")
    guarded = Guard(policy_error=error)
    asked = call()
    assert guarded.explain(asked).refusal == guarded.admit(asked).refusal


# --- by facts -------------------------------------------------------------------------------


def test_from_outside_of_the_agents_only_what_is_shared_is_known() -> None:
    """Breakers, loops and ceilings are in other processes; what is forced is in the store."""
    store = MemoryStore()
    policy = Policy(
        breakers=(BreakerRule("b"),), ceilings=(Ceilings("c", max_steps=3, max_depth=1),)
    )
    admin = Admin(store, policy)
    found = admin.explain(model="gpt-4o")
    assert (found.allowed, [v.known for v in found.rules]) == (True, [False, False])
    admin.open_breaker("openai/gpt-4o")
    found = admin.explain(model="gpt-4o")
    assert (found.reason, found.rules[1].known) == ("circuit_open", True)
    assert admin.explain(model="gpt-4o", agents=["a", "b"]).reason == "ceiling_reached"


def test_facts_make_the_call_that_the_agent_would_make() -> None:
    """Provider by the model, the estimate as before a request, a tool as a tool."""
    store = MemoryStore()
    admin = Admin(store, Policy((Budget("b", "cost", 10_000_000),)), clock=lambda: NOON_S)
    found = admin.explain(model="gpt-4o", input_tokens=1000, max_output_tokens=100)
    assert (found.call.provider, found.call.operation) == ("openai", "chat")
    assert found.call.estimate[:2] == (1000, 100)
    assert found.allowed
    assert admin.explain(model="gpt-4o", input_tokens=10**6).reason == "budget_exhausted"
    assert admin.explain(model="nobody-knows-it").reason == "price_unknown"
    assert admin.explain(tool="search").call.operation == "execute_tool"
    assert store.counters() == []


def test_a_call_of_nothing_is_refused_as_a_question() -> None:
    """Neither a model nor a tool."""
    with pytest.raises(ValueError, match="neither is given"):
        Admin(MemoryStore()).explain(user="ada")
