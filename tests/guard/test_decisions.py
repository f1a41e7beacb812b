"""Decisions and refusals as values, and the exceptions that they become."""

import pickle
from typing import Any, get_args

import pytest

from spanledger.config import ConfigError
from spanledger.guard import (
    Budget,
    BudgetExceeded,
    Call,
    CeilingReached,
    CircuitOpen,
    Decision,
    Estimate,
    Guard,
    GuardUnavailable,
    LoopDetected,
    MemoryStore,
    Policy,
    PriceUnknown,
    RateLimit,
    RateLimited,
    Refusal,
    SpanledgerRefusal,
    Spending,
    StoreUnavailable,
    show_amount,
)
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.guard.ceilings import Ceilings
from spanledger.guard.decision import Reason
from spanledger.guard.fingerprints import fingerprint
from spanledger.guard.loops import LoopRule
from tests.config._pages import hold_current
from tests.guard._calls import NOON_S, call, guard


def _tool_call(tool: str) -> Call:
    nothing = Estimate(0, 0, 0, "none")
    print_ = fingerprint(tool, {"query": "late parcels"})
    return Call("t", "", "", "execute_tool", nothing, tool=tool, fingerprint=print_)


class _LostStore(MemoryStore):
    """A store whose file is gone."""

    def reserve(self, *_args: Any, **_waits: Any) -> Any:
        raise StoreUnavailable(
            "/var/lib/agents/ledger.sqlite",
            "the file has disappeared",
            "Put it back, or name another with SPANLEDGER_STORE.",
        )


def _refusals() -> dict[str, Refusal]:
    """One real refusal for each reason that exists, by that reason."""
    at = NOON_S + 20 * 60
    spent = guard(Budget("daily", "cost", 0, "day"), clock=lambda: at)
    in_flight = guard(Budget("tokens", "tokens", 1000, scope="agent"), clock=lambda: at)
    in_flight.admit(call("planner", tokens=800))
    stream = guard(Budget("session", "tokens", 1000, scope="session"), clock=lambda: at)
    held = stream.admit(call(tokens=1000, session="ticket-4711")).granted()
    unpriced = guard(Budget("daily", "cost", 5_000_000_000, "day"))
    unreadable = Guard(
        policy_error=ConfigError(
            "no such key",
            key="budgets[0].limmit",
            found=5,
            allowed="name, metric, limit, window, scope, time_zone",
            source="spanledger.toml",
            line=4,
        )
    )
    rated = guard(RateLimit("per-minute", "calls", 1, "minute"), clock=lambda: at)
    rated.admit(call())
    parallel = guard(RateLimit("at-once", "concurrency", 1), clock=lambda: at)
    parallel.admit(call())
    failing = Guard(Policy(breakers=(BreakerRule("provider", min_calls=1),)))
    failing.settle(failing.admit(call()).granted(), Spending(0, 0), outcome="failed")
    looping = Guard(Policy(loops=(LoopRule("circle", "block", warn_at=2, block_at=3),)))
    search = _tool_call("search")
    for _ in range(3):
        looping.settle(looping.admit(search).granted(), Spending(0, 0))
        looping.observe_result(search, "nothing found")
    capped = Guard(Policy(ceilings=(Ceilings("hard", max_calls=1),)))
    capped.settle(capped.admit(call()).granted(), Spending(10, 10))
    tripping = guard(
        Budget("careful", "cost", 5_000_000_000, "day", "agent", trip=True), clock=lambda: at
    )
    tripping.admit(call("planner", cost=6_000_000_000))
    lost = guard(Budget("daily", "cost", 1, "day"), store=_LostStore())
    made = [
        spent.admit(call(cost=12_345_678)).refusal,
        in_flight.admit(call("planner", tokens=400)).refusal,
        tripping.admit(call("planner", cost=12_345_678)).refusal,
        stream.extend(held, tokens=200, cost_nano_usd=0),
        rated.admit(call()).refusal,
        parallel.admit(call()).refusal,
        failing.admit(call()).refusal,
        looping.admit(search).refusal,
        capped.admit(call()).refusal,
        unpriced.admit(call(cost=None, model="in-house-7b")).refusal,
        unreadable.admit(call()).refusal,
        lost.admit(call()).refusal,
    ]
    return {refusal.reason: refusal for refusal in made if refusal is not None}


PAGE_HEAD = """# Refusals

What a program sees when a limit holds: the exception, its reason (the same text on the span,
in the log record, in the metric and in the table `guard_events`) and a message that says what
to do. All of them are `SpanledgerRefusal`s, raised before anything is sent, or (the cut of a
stream) as soon as the stream would overrun what is reserved for it.

The messages are printed by the code, and held to it by a test.
"""


def test_the_page_of_refusals_is_current() -> None:
    """One example of each reason, with its real message."""
    parts = [PAGE_HEAD]
    for reason, refusal in _refusals().items():
        error = refusal.error()
        parts.append(f"\n## `{reason}`\n\n```\n{type(error).__name__}: {error}\n```\n")
    hold_current("refusals.md", "".join(parts))


def test_there_is_an_example_of_every_reason_that_the_guard_gives() -> None:
    """`gate_failed` is the gate's own; `allowed` is no refusal."""
    assert _refusals().keys() == set(get_args(Reason)) - {"allowed", "gate_failed"}


EXCEPTIONS = {
    "budget_exhausted": BudgetExceeded,
    "budget_contended": BudgetExceeded,
    "stream_exhausted": BudgetExceeded,
    "rate_limited": RateLimited,
    "concurrency_limited": RateLimited,
    "circuit_open": CircuitOpen,
    "loop_detected": LoopDetected,
    "ceiling_reached": CeilingReached,
    "price_unknown": PriceUnknown,
    "policy_unreadable": GuardUnavailable,
    "ledger_unavailable": GuardUnavailable,
}


@pytest.mark.parametrize("reason", EXCEPTIONS)
def test_a_refusal_becomes_the_exception_of_its_reason(reason: str) -> None:
    """Which carries all that the refusal says."""
    refusal = _refusals()[reason]
    error = refusal.error()
    assert type(error) is EXCEPTIONS[reason]
    assert str(error) == refusal.sentence()
    assert error.reason == reason
    for name in ("rule", "scope", "metric", "limit", "spent", "reserved", "asked"):
        assert getattr(error, name) == getattr(refusal, name)
    assert error.retry_after_s == refusal.retry_after_s


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_but_allowed_has_an_exception(reason: Reason) -> None:
    """None of them may fail with a `KeyError` inside the host's call."""
    if reason == "allowed":
        return
    assert isinstance(Refusal(reason).error(), SpanledgerRefusal)
    assert Refusal(reason).sentence()


@pytest.mark.parametrize("reason", EXCEPTIONS)
def test_a_refusal_survives_being_sent_to_another_process(reason: str) -> None:
    """Worker pools pickle the exceptions of their workers."""
    error = _refusals()[reason].error()
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is type(error)
    assert copy.refusal == error.refusal
    assert str(copy) == str(error)


def test_the_message_says_how_much_is_used_of_what_and_when_it_frees_up() -> None:
    """In the unit of the limit."""
    sentence = _refusals()["budget_exhausted"].sentence()
    assert sentence == (
        "Budget 'daily' is used up (scope global, window day): limit $0.00, spent $0.00, "
        "reserved $0.00, asked $0.012345678. Frees up in 11.7 h. "
        "Raise the limit, or wait for the next window."
    )


def test_a_request_without_an_output_limit_is_told_to_set_one() -> None:
    """The model's ceiling was asked, and that is what does not fit."""
    small = guard(Budget("tokens", "tokens", 1000))
    refusal = small.admit(call(tokens=16_000, method="input:bytes output:ceiling")).refusal
    assert refusal is not None
    assert "set max_tokens" in refusal.sentence()


@pytest.mark.parametrize(
    ("metric", "amount", "shown"),
    [
        ("cost", 0, "$0.00"),
        ("cost", 1, "$0.000000001"),
        ("cost", 1_500_000_000, "$1.50"),
        ("cost", 12_300_000, "$0.0123"),
        ("cost", -2_000_000_000, "-$2.00"),
        ("tokens", 1200, "1200 tokens"),
        ("calls", 3, "3 calls"),
    ],
)
def test_amounts_are_shown_exactly(metric: str, amount: int, shown: str) -> None:
    """To the nano-dollar."""
    assert show_amount(metric, amount) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(45.0, "45 s"), (600.0, "10 min"), (7200.0, "2.0 h")]
)
def test_the_time_to_wait_is_shown_in_a_fitting_unit(seconds: float, shown: str) -> None:
    """Nobody reads 7200 s."""
    refusal = Refusal("budget_exhausted", rule="r", retry_after_s=seconds)
    assert f"Frees up in {shown}." in refusal.sentence()


def test_decisions_are_frozen() -> None:
    """They are handed to listeners on other threads."""
    decision = Guard().admit(call())
    with pytest.raises(AttributeError):
        decision.waited_s = 1.0  # type: ignore[misc]  # what must not work


def test_a_refused_decision_grants_nothing() -> None:
    """It raises instead, so that a refusal can't be overlooked."""
    with pytest.raises(BudgetExceeded):
        guard(Budget("none", "calls", 0)).admit(call()).granted()
    with pytest.raises(ValueError, match="a reservation or a refusal"):
        Decision(call()).granted()
