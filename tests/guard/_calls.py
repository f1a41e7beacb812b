"""Calls and policies for tests of the guard."""

from itertools import count
from typing import Any

from spanledger.config import GuardSettings
from spanledger.guard import Budget, Call, Estimate, Guard, GuardEvent, Policy, RateLimit

_ids = count()

#: 2026-01-15 12:00:00 UTC.
NOON_S = 1_768_478_400.0
REFUSE = GuardSettings(on_contention="refuse")
WAIT = GuardSettings()


def call(
    *agents: str,
    tokens: int = 10,
    cost: int | None = 1_000_000_000,
    session: str | None = None,
    model: str = "gpt-4o",
    method: str = "input:bytes output:request",
) -> Call:
    """One attempt that asks for `tokens` tokens and `cost` nano-USD."""
    estimate = Estimate(tokens, 0, cost, method)
    return Call(
        f"call-{next(_ids)}", "openai", model, "chat", estimate, session=session, agents=agents
    )


def guard(*rules: Budget | RateLimit, **more: Any) -> Guard:
    """A guard at noon that holds `rules`; it does not wait for calls in flight."""
    chosen: dict[str, Any] = {"clock": lambda: NOON_S, "settings": REFUSE, **more}
    budgets = tuple(rule for rule in rules if isinstance(rule, Budget))
    rates = tuple(rule for rule in rules if isinstance(rule, RateLimit))
    return Guard(Policy(budgets, rate_limits=rates), **chosen)


class Events:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.seen: list[GuardEvent] = []

    def __call__(self, event: GuardEvent, /) -> None:
        self.seen.append(event)
