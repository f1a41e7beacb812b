"""Breakers for any function, and the question whether one is open. The guard's own breakers."""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar, cast

from spanledger.guard import Refusal, current, ready_soon
from spanledger.guard.breaker import Blocked
from spanledger.guard.breaker_rule import BreakerRule, Target, model_target, tool_target
from spanledger.guard.outcomes import outcome_of_tool_error
from spanledger.recovery._kinds import kind_of, name_of

P = ParamSpec("P")
R = TypeVar("R")

#: Breakers that are declared in code, by the name of what they protect.
_declared: dict[str, BreakerRule] = {}


def breaker(
    name: str = "",
    *,
    failure_rate: float = 0.5,
    slow_rate: float = 0.8,
    slow_s: float = 30.0,
    window_s: int = 60,
    min_calls: int = 10,
    open_s: float = 30.0,
    max_open_s: float = 300.0,
    permits: int = 3,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Hold back calls of a function while it fails; `CircuitOpen` is raised instead.

    >>> @breaker("inventory", min_calls=5, open_s=10)
    ... def in_stock(item: str) -> bool:
    ...     return bool(item)

    The numbers are those of ``[[breakers]]`` in the policy. Each exception of the function is a
    failure, but for cancellations and refusals. It is seen and forced as ``tool:NAME``, in
    `Admin.breakers` and by ``spanledger breaker``. Raises `ValueError` for numbers of no use.
    """
    if not isinstance(name, str):
        raise TypeError("breaker takes a name; write @breaker() with brackets")
    numbers = BreakerRule(
        name or "unnamed",
        failure_rate,
        slow_rate,
        slow_s,
        window_s,
        min_calls,
        open_s,
        max_open_s,
        permits,
    )

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        rule = numbers if name else replace(numbers, name=name_of(function))
        _declared[rule.name] = rule
        wrapped = _WRAPPERS[kind_of(function)](rule, function)
        return cast("Callable[P, R]", functools.wraps(function)(wrapped))

    return decorate


def is_circuit_open(name: str) -> bool:
    """Whether a call would be held back now: open, forced open, throttled, or being tried out.

    `name` is that of a target (``openai/gpt-4o``, ``tool:search``) or of a function's `breaker`.
    Changes nothing and never waits. Raises `ValueError` for a name that can be neither.
    """
    return blocked(name) is not None


def blocked(name: str) -> Blocked | None:
    """Why a call to a target would be held back now; None: it would pass."""
    guard = ready_soon()
    target, rules = _watching(name)
    found = (guard.breakers.look(target, rule) for rule in (*guard.policy.breakers, *rules))
    return next((held for held in found if held is not None), None)


def refusal_of(held: Blocked) -> Refusal:
    """The refusal that a breaker's no becomes."""
    return Refusal(
        "circuit_open",
        rule=held.rule,
        scope=held.target.name,
        metric="failures",
        detail=held.sentence(),
        retry_after_s=held.retry_after_s,
        advice="Fall back to something else, or wait.",
    )


def _watching(name: str) -> tuple[Target, tuple[BreakerRule, ...]]:
    tool = name.removeprefix("tool:")
    own = _declared.get(tool)
    if own is not None or name.startswith("tool:"):
        return tool_target(tool), (own,) if own is not None else ()
    provider, slash, model = name.partition("/")
    if not (provider and slash and model):
        known = ", ".join(sorted(_declared)) or "none"
        raise ValueError(
            f"{name!r} is no breaker: write PROVIDER/MODEL, tool:NAME, or the name of a "
            f"function's breaker (there are: {known})"
        )
    model, _, region = model.partition("@")
    return model_target(provider, model, region), ()


@contextmanager
def _protected(rule: BreakerRule) -> Iterator[None]:
    breakers = current().breakers
    permit = breakers.acquire(tool_target(rule.name), rule)
    if isinstance(permit, Blocked):
        raise refusal_of(permit).error()
    began_s = time.monotonic()
    try:
        yield
    except GeneratorExit:  # the caller had enough
        breakers.report(permit, rule.verdict(time.monotonic() - began_s))
        raise
    except BaseException as error:
        breakers.report(permit, outcome_of_tool_error(error))
        raise
    breakers.report(permit, rule.verdict(time.monotonic() - began_s))


# --- functions, of whatever kind -------------------------------------------------------------

_Any = Callable[..., Any]


def _plain(rule: BreakerRule, function: _Any) -> _Any:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        with _protected(rule):
            return function(*args, **kwargs)

    return guarded


def _coroutine(rule: BreakerRule, function: _Any) -> _Any:
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        with _protected(rule):
            return await function(*args, **kwargs)

    return guarded


def _generator(rule: BreakerRule, function: _Any) -> _Any:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        with _protected(rule):
            return (yield from function(*args, **kwargs))

    return guarded


def _async_generator(rule: BreakerRule, function: _Any) -> _Any:
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        with _protected(rule):
            stream = function(*args, **kwargs)
            try:
                async for item in stream:
                    yield item
            finally:
                await stream.aclose()

    return guarded


_WRAPPERS: dict[str, Callable[[BreakerRule, _Any], _Any]] = {
    "plain": _plain,
    "coroutine": _coroutine,
    "generator": _generator,
    "async_generator": _async_generator,
}
