"""A span around a function, which stays of its kind: plain, coroutine or generator.

Frameworks look at a function before they call it, so a generator function must stay one. The
code of a generator runs inside its span; between two of its steps the caller goes on with work
of its own, in its own context.
"""

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Any, Literal, Protocol

from opentelemetry.context import Context, attach, detach, get_current


class Steps:
    """What is current while a generator's own code runs; kept from one step to the next."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._token: Any = None

    def __enter__(self) -> None:
        self._token = attach(self._context)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # What the generator has entered and not left is its own, until its next step.
        self._context = get_current()
        detach(self._token)


class Run(Protocol):
    """One call of a function."""

    def plain(self) -> AbstractContextManager[object]:
        """What is entered for a function."""

    def coroutine(self) -> AbstractAsyncContextManager[object]:
        """What is entered for a coroutine function."""

    def generator(self) -> AbstractContextManager[Steps]:
        """What is entered for a generator."""

    def async_generator(self) -> AbstractAsyncContextManager[Steps]:
        """What is entered for an async generator."""

    def returned(self, value: Any) -> None:
        """What it gave."""

    def yielded(self, value: Any) -> None:
        """One of the things that it gave."""


_Any = Callable[..., Any]
Start = Callable[[Sequence[Any], Mapping[str, Any]], Run]


def around(function: _Any, start: Start) -> Any:
    """`function` with a `Run` around each call. Class and static methods stay such."""
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(around(function.__func__, start))
    return functools.wraps(function)(_WRAPPERS[kind_of(function)](function, start))


Kind = Literal["plain", "coroutine", "generator", "async_generator"]


def kind_of(function: _Any) -> Kind:
    """The kind of a function, or of an object that can be called."""
    code = function
    if not inspect.isroutine(function) and not isinstance(function, functools.partial):
        code = getattr(type(function), "__call__", function)  # noqa: B004 - asked for its kind
    if inspect.iscoroutinefunction(code):
        return "coroutine"
    if inspect.isgeneratorfunction(code):
        return "generator"
    return "async_generator" if inspect.isasyncgenfunction(code) else "plain"


def _plain(function: _Any, start: Start) -> _Any:
    def traced(*args: Any, **kwargs: Any) -> Any:
        run = start(args, kwargs)
        with run.plain():
            result = function(*args, **kwargs)
            run.returned(result)
            return result

    return traced


def _coroutine(function: _Any, start: Start) -> _Any:
    async def traced(*args: Any, **kwargs: Any) -> Any:
        run = start(args, kwargs)
        async with run.coroutine():
            result = await function(*args, **kwargs)
            run.returned(result)
            return result

    return traced


def _generator(function: _Any, start: Start) -> _Any:
    def traced(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        run = start(args, kwargs)
        with run.generator() as steps:
            result = yield from _drive(function(*args, **kwargs), steps, run)
            run.returned(result)
            return result

    return traced


def _drive(generator: Generator[Any, Any, Any], steps: Steps, run: Run) -> Generator[Any, Any, Any]:
    advance: Callable[[], Any] = partial(next, generator)
    while True:
        try:
            with steps:
                item = advance()
        except StopIteration as end:
            return end.value
        run.yielded(item)
        try:
            sent = yield item
        except GeneratorExit:
            with steps:
                generator.close()
            raise
        except BaseException as error:  # noqa: BLE001 - thrown in by the caller, for the generator
            advance = partial(generator.throw, error)
        else:
            advance = partial(generator.send, sent)


def _async_generator(function: _Any, start: Start) -> _Any:
    async def traced(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        run = start(args, kwargs)
        async with run.async_generator() as steps:
            generator = function(*args, **kwargs)
            advance: Callable[[], Any] = partial(anext, generator)
            while True:
                try:
                    with steps:
                        item = await advance()
                except StopAsyncIteration:
                    return
                run.yielded(item)
                try:
                    sent = yield item
                except GeneratorExit:
                    with steps:
                        await generator.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - as in `_drive`
                    advance = partial(generator.athrow, error)
                else:
                    advance = partial(generator.asend, sent)

    return traced


_WRAPPERS: dict[Kind, Callable[[_Any, Start], _Any]] = {
    "plain": _plain,
    "coroutine": _coroutine,
    "generator": _generator,
    "async_generator": _async_generator,
}
