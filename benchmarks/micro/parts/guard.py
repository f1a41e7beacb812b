"""One admission and its settlement, with the ledger in memory."""

import itertools
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.micro.case import Case, cpu

from spanledger.guard import Budget, Call, Estimate, Guard, Policy, Spending
from spanledger.guard.windows import bounds

LIMIT = 10**15
NOW_S = 1_795_176_000.0
ESTIMATE = Estimate(1200, 900, 12_000_000, "benchmark")
SPENDING = Spending(tokens=1500, cost_nano_usd=7_000_000)
FOUR_SCOPES = Policy(
    (
        Budget("all", "cost", LIMIT, "month"),
        Budget("day", "tokens", LIMIT, "day"),
        Budget("agent", "cost", LIMIT, "hour", "agent"),
        Budget("session", "calls", LIMIT, "total", "session"),
    )
)


def cases(_stack: ExitStack) -> list[Case]:
    return [
        cpu("admit and settle, 4 scopes", _pair(FOUR_SCOPES), 15),
        cpu("admit and settle, no rules", _pair(Policy()), 3),
        cpu("refuse, 4 scopes", _refusal(), 15),
        cpu("window of a day, not remembered", lambda: bounds(NOW_S, "day"), 8),
    ]


def _call(number: int) -> Call:
    return Call(str(number), "openai", "gpt-4o", "chat", ESTIMATE, session="s", agents=("planner",))


def _pair(policy: Policy) -> Callable[[], object]:
    guard, ids = Guard(policy), itertools.count()

    def pair() -> None:
        decision = guard.admit(_call(next(ids)))
        guard.settle(decision.granted(), SPENDING)

    return pair


def _refusal() -> Callable[[], object]:
    spent = (*FOUR_SCOPES.budgets[:3], Budget("session", "calls", 0, "total", "session"))
    guard, ids = Guard(Policy(spent)), itertools.count()
    return lambda: guard.admit(_call(next(ids)))
