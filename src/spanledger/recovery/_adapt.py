"""`adaptive`: after a failure that the prompt can mend, ask again with a prompt that does."""

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ParamSpec, TypeVar, cast

from spanledger.recovery import _acts
from spanledger.recovery._kinds import kind_of, name_of
from spanledger.recovery._messages import drop_oldest
from spanledger.recovery._timing import Timing
from spanledger.recovery.failures import classify
from spanledger.recovery.prompt_rules import RULES, Adaptation, PromptRule, Shorten, adapted

P = ParamSpec("P")
R = TypeVar("R")


def adapt_prompt(
    request: Mapping[str, Any],
    error: BaseException,
    *,
    rules: Sequence[PromptRule] = RULES,
    shorten: Shorten = drop_oldest,
) -> Adaptation | None:
    """The request to send after `error`; None if no rule is for it, or there is nothing to change.

    `request` holds what is sent by name: ``messages`` (or ``input``), ``max_tokens`` … It is left
    as it is. `shorten` makes a conversation shorter that is too long for the model; by default
    the oldest turns go. It may summarise as well.
    """
    failure = classify(error, Timing().wall())
    return adapted(request, failure, rules, shorten)


def adaptive(
    name: str = "",
    *,
    attempts: int = 3,
    rules: Sequence[PromptRule] = RULES,
    shorten: Shorten = drop_oldest,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Ask again with a changed prompt when a call fails for a reason that the prompt can mend.

    >>> @adaptive()
    ... def ask(*, messages: list[dict[str, str]], max_tokens: int = 100) -> str:
    ...     return messages[-1]["content"]

    The function takes its request by name, ``messages`` or ``input`` among it, and raises
    `InvalidAnswer` or `InvalidToolArguments` where it finds an answer of no use. Each further
    try is a span that names the rule; no text of a prompt is on it. For functions and
    coroutines; raises `TypeError` for generators, `ValueError` for fewer than one attempt.
    """
    if attempts < 1:
        raise ValueError(f"attempts is {attempts!r}; it must be at least 1")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        kind = kind_of(function)
        if kind not in {"plain", "coroutine"}:
            raise TypeError(f"adaptive is for functions and coroutines; {function!r} is neither")
        rewriting = _Rewriting(name or name_of(function), attempts, rules, shorten)
        wrapped = _WRAPPERS[kind](rewriting, function)
        return cast("Callable[P, R]", functools.wraps(function)(wrapped))

    return decorate


class _Rewriting:
    """What is the same for each call of one function."""

    def __init__(
        self, name: str, attempts: int, rules: Sequence[PromptRule], shorten: Shorten
    ) -> None:
        self.name, self.attempts, self.rules, self.shorten = name, attempts, rules, shorten

    def again(
        self, request: dict[str, Any], number: int, error: Exception
    ) -> tuple[dict[str, Any], AbstractContextManager[object]] | None:
        """The next request and the span to send it in; None if that was the last."""
        if number >= self.attempts:
            return None
        failure = classify(error, Timing().wall())
        found = adapted(request, failure, self.rules, self.shorten)
        if found is None:
            return None
        span = _acts.act("adapt", self.name, failure.kind, choice=found.rule.name)
        return found.request, span


_Any = Callable[..., Any]


def _plain(rewriting: _Rewriting, function: _Any) -> _Any:
    def asked(*args: Any, **request: Any) -> Any:
        span: AbstractContextManager[object] = nullcontext()
        for number in range(1, rewriting.attempts + 1):
            try:
                with span:
                    return function(*args, **request)
            except Exception as error:
                if (following := rewriting.again(request, number, error)) is None:
                    raise
                request, span = following
        raise AssertionError("the last try returns or raises")

    return asked


def _coroutine(rewriting: _Rewriting, function: _Any) -> _Any:
    async def asked(*args: Any, **request: Any) -> Any:
        span: AbstractContextManager[object] = nullcontext()
        for number in range(1, rewriting.attempts + 1):
            try:
                with span:
                    return await function(*args, **request)
            except Exception as error:
                if (following := rewriting.again(request, number, error)) is None:
                    raise
                request, span = following
        raise AssertionError("the last try returns or raises")

    return asked


_WRAPPERS: dict[str, Callable[[_Rewriting, _Any], _Any]] = {
    "plain": _plain,
    "coroutine": _coroutine,
}
