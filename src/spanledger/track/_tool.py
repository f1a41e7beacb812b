"""`@tool`: a function of the agent as an ``execute_tool`` span."""

import functools
import hashlib
import inspect
import json
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, ParamSpec, TypeVar, cast, overload

from spanledger import semconv
from spanledger.track._asking import Asked
from spanledger.track._scope import current_scope
from spanledger.track._spans import Tracked

P = ParamSpec("P")
R = TypeVar("R")


@overload
def tool(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def tool(*, name: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def tool(function: Callable[..., Any] | None = None, /, *, name: str | None = None) -> Any:
    """Trace a function, plain or async, as a tool of the agent that calls it.

    The guard is asked before it runs: rules on tools, loop rules, breakers and ceilings may
    refuse it. The span carries a hash of the arguments, never the arguments. What the function
    returns and raises is left as it is. The span of a generator is open from its first step to
    its last, and is not the parent of what the generator does: its steps run among the caller's.

    >>> @tool
    ... def look_up(word: str) -> str:
    ...     return word.upper()
    """
    if function is None:
        return lambda wrapped: _traced(wrapped, name or wrapped.__name__)
    return _traced(function, name or function.__name__)


def _traced(function: Callable[P, R], name: str) -> Callable[P, R]:
    description = (inspect.getdoc(function) or "").split("\n", 1)[0]

    def start(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tracked, Asked]:
        attributes = _attributes(name, description, args, kwargs)
        inside = current_scope()._replace(tool=name)
        span = Tracked(f"{semconv.TOOL_OPERATION} {name}", attributes, inside)
        return span, Asked(name, args, kwargs)

    wrap = _wrapper_for(function)
    return cast("Callable[P, R]", functools.wraps(function)(wrap(function, start)))


_Start = Callable[[Sequence[Any], Mapping[str, Any]], tuple[Tracked, Asked]]
_Any = Callable[..., Any]


def _wrapper_for(function: _Any) -> Callable[[_Any, _Start], _Any]:
    """A function stays of its kind: frameworks look at it before they call it."""
    if inspect.iscoroutinefunction(function):
        return _coroutine
    if inspect.isgeneratorfunction(function):
        return _generator
    return _async_generator if inspect.isasyncgenfunction(function) else _plain


def _plain(function: _Any, start: _Start) -> _Any:
    def traced(*args: Any, **kwargs: Any) -> Any:
        span, asked = start(args, kwargs)
        with span, asked:
            asked.result = function(*args, **kwargs)
            return asked.result

    return traced


def _coroutine(function: _Any, start: _Start) -> _Any:
    async def traced(*args: Any, **kwargs: Any) -> Any:
        span, asked = start(args, kwargs)
        with span:
            async with asked:
                asked.result = await function(*args, **kwargs)
                return asked.result

    return traced


def _generator(function: _Any, start: _Start) -> _Any:
    def traced(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        span, asked = start(args, kwargs)
        with span.alone(), asked:
            return (yield from function(*args, **kwargs))

    return traced


def _async_generator(function: _Any, start: _Start) -> _Any:
    async def traced(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        span, asked = start(args, kwargs)
        with span.alone():
            async with asked, aclosing(function(*args, **kwargs)) as items:
                async for item in items:
                    yield item

    return traced


def _attributes(
    name: str, description: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, str]:
    attributes = {
        semconv.OPERATION_NAME: semconv.TOOL_OPERATION,
        semconv.TOOL_NAME: name,
        semconv.TOOL_TYPE: "function",
        semconv.SPAN_KIND: "tool",
        semconv.TOOL_ARGUMENTS_HASH: arguments_hash(args, kwargs),
    }
    if description:
        attributes[semconv.TOOL_DESCRIPTION] = description
    return attributes


def arguments_hash(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """128 bits that are the same for the same arguments, whatever the order of the names.

    What JSON can't hold counts by its type only: a default ``repr`` holds a memory address and
    would make every call look different.
    """
    try:
        canonical = _canonical([list(args), dict(kwargs)])
    except (TypeError, ValueError, RecursionError):
        # Names of several types, a circle, a nesting deeper than the stack: the tool must run.
        canonical = _canonical(
            [[_type_name(a) for a in args], {name: _type_name(a) for name, a in kwargs.items()}]
        )
    return hashlib.blake2b(canonical.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), default=_type_name, skipkeys=True
    )


def _type_name(value: object) -> str:
    return f"<{type(value).__qualname__}>"
