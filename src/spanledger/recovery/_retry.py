"""`retry`: try again what may work the next time, on tenacity's loop."""

import functools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, ParamSpec, TypeVar, cast

from spanledger.recovery._attempt import Attempt, Series
from spanledger.recovery._budgets import RetryBudget, budget_of
from spanledger.recovery._kinds import kind_of, name_of
from spanledger.recovery._timing import Timing
from spanledger.recovery.backoff import RETRYABLE, RetryPolicy
from spanledger.recovery.failures import Kind

P = ParamSpec("P")
R = TypeVar("R")

_EMPTY = object()


class Retry:
    """Tries of one kind of work; made by `retry`. A decorator, and a loop over attempts."""

    def __init__(
        self, name: str, policy: RetryPolicy, budget: RetryBudget | None, timing: Timing
    ) -> None:
        self._name, self._policy, self._budget, self._timing = name, policy, budget, timing

    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]:
        named = Retry(self._name or name_of(function), self._policy, self._budget, self._timing)
        wrapped = _WRAPPERS[kind_of(function)](named, function)
        return cast("Callable[P, R]", functools.wraps(function)(wrapped))

    def __iter__(self) -> Iterator[Attempt]:
        import tenacity

        series = self._series()
        loop = tenacity.Retrying(
            sleep=cast("Callable[[float], None]", self._timing.sleep), **_shared(series)
        )
        for number, manager in enumerate(loop, 1):
            attempt = Attempt(series, number)
            yield attempt
            if not _over(attempt, manager):
                return

    async def __aiter__(self) -> AsyncIterator[Attempt]:
        import tenacity

        series = self._series()
        sleep = cast("Callable[[float], None]", self._timing.sleep_async)
        number = 0
        async for manager in tenacity.AsyncRetrying(sleep=sleep, **_shared(series)):
            attempt = Attempt(series, number := number + 1)
            yield attempt
            if not _over(attempt, manager):
                return

    def _series(self) -> Series:
        name = self._name or "block"
        return Series(name, self._policy, self._budget or budget_of(name), self._timing)


def _shared(series: Series) -> dict[str, Any]:
    """Whether to go on was judged when the attempt ended; the loop waits and counts."""
    return {
        "retry": lambda state: state.outcome is not None and state.outcome.failed,
        "wait": lambda _state: series.wait_s,
    }


def _over(attempt: Attempt, manager: Any) -> bool:
    """Tell the loop how an attempt ended; whether another follows."""
    if not attempt.entered:
        raise RuntimeError("an attempt of `retry` was not used; write `with attempt:` in the loop")
    error = attempt.failed
    manager.__exit__(None if error is None else type(error), error, None)
    return error is not None


def retry(
    name: str = "",
    *,
    attempts: int = 4,
    base_s: float = 0.5,
    cap_s: float = 8.0,
    deadline_s: float = 60.0,
    on: Iterable[Kind] = RETRYABLE,
    wait_for_limits: bool = False,
    budget: RetryBudget | None = None,
    timing: Timing | None = None,
) -> Retry:
    """Try again what failed for a reason that may pass: rate limits, overload, lost connections.

    >>> @retry(attempts=3)
    ... def ask(question: str) -> str:
    ...     return question.upper()

    or, around a block, ``for attempt in retry("ask"):`` and in it ``with attempt:``; with
    ``async for`` in a coroutine. Plain functions, coroutines and generators stay what they are.

    Waits have full jitter, a Retry-After is their floor, and no try begins later than
    `deadline_s` after the first. Retries of one `name` (that of the function, if not given)
    share a budget: at most a fifth of its calls, and ten more. Once a part of a stream has
    reached the program, nothing is tried again. A refusal (`SpanledgerRefusal`) is not either;
    with `wait_for_limits` those are that say when there is room. Each try of a gated client is
    a reservation and a record of its own, with its number, and the client's own retries are off.

    The error of the last try is raised as it is. Raises `ValueError` for numbers of no use.
    """
    if not isinstance(name, str):
        raise TypeError("retry takes a name; write @retry() with brackets")
    policy = RetryPolicy(attempts, base_s, cap_s, deadline_s, frozenset(on), wait_for_limits)
    return Retry(name, policy, budget, timing or Timing())


# --- functions, of whatever kind -------------------------------------------------------------

_Any = Callable[..., Any]


def _plain(retrying: Retry, function: _Any) -> _Any:
    def tried(*args: Any, **kwargs: Any) -> Any:
        for attempt in retrying:
            with attempt:
                return function(*args, **kwargs)
        raise AssertionError("the loop ends by a result or by an error")

    return tried


def _coroutine(retrying: Retry, function: _Any) -> _Any:
    async def tried(*args: Any, **kwargs: Any) -> Any:
        async for attempt in retrying:
            with attempt:
                return await function(*args, **kwargs)
        raise AssertionError("the loop ends by a result or by an error")

    return tried


def _generator(retrying: Retry, function: _Any) -> _Any:
    def begun(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        stream = function(*args, **kwargs)
        return next(stream, _EMPTY), stream

    first_of = _plain(retrying, begun)

    def tried(*args: Any, **kwargs: Any) -> Any:
        # Outside of the loop once there is an item: from then on nothing is tried again.
        first, stream = first_of(*args, **kwargs)
        if first is not _EMPTY:
            yield first
            return (yield from stream)
        return None

    return tried


def _async_generator(retrying: Retry, function: _Any) -> _Any:
    async def begun(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        stream = function(*args, **kwargs)
        return await anext(stream, _EMPTY), stream

    first_of = _coroutine(retrying, begun)

    async def tried(*args: Any, **kwargs: Any) -> Any:
        first, stream = await first_of(*args, **kwargs)
        if first is _EMPTY:
            return
        try:
            yield first
            async for item in stream:
                yield item
        finally:
            await stream.aclose()

    return tried


_WRAPPERS: dict[str, Callable[[Retry, _Any], _Any]] = {
    "plain": _plain,
    "coroutine": _coroutine,
    "generator": _generator,
    "async_generator": _async_generator,
}
