"""Asking a breaker, and reporting to it, through the registry and its lock."""

from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.micro.case import Case, cpu

from spanledger.guard.breaker import Permit
from spanledger.guard.breaker_rule import BreakerRule, model_target
from spanledger.guard.breakers import Breakers

RULE = BreakerRule("benchmark")


def cases(_stack: ExitStack) -> list[Case]:
    return [
        cpu("admitted check", _admitted(1), 2, required=True),
        cpu("admitted check, one of 1000 breakers", _admitted(1000), 2, required=True),
        cpu("admitted check and report", _pair(), 4),
        cpu("refused check, open", _refused(), 4),
    ]


def _admitted(count: int) -> Callable[[], object]:
    breakers = Breakers()
    for number in range(count):
        breakers.acquire(model_target("openai", f"model-{number}"), RULE)
    # The target is made anew, as it is for each call.
    return lambda: breakers.acquire(model_target("openai", "model-0"), RULE)


def _pair() -> Callable[[], object]:
    breakers = Breakers()

    def pair() -> None:
        permit = breakers.acquire(model_target("openai", "gpt-4o"), RULE)
        assert isinstance(permit, Permit)
        breakers.report(permit, "ok")

    return pair


def _refused() -> Callable[[], object]:
    breakers, target = Breakers(lambda: 0.0), model_target("openai", "gpt-4o")
    for _ in range(RULE.min_calls):
        permit = breakers.acquire(target, RULE)
        assert isinstance(permit, Permit)
        breakers.report(permit, "failed")
    return lambda: breakers.acquire(target, RULE)
