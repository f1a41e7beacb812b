"""`@tool`: a function of the agent as an ``execute_tool`` span."""

import functools
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar, cast, overload

from spanledger import semconv
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

    The span carries a hash of the arguments, never the arguments. What the function returns
    and raises is left as it is.

    >>> @tool
    ... def look_up(word: str) -> str:
    ...     return word.upper()
    """
    if function is None:
        return lambda wrapped: _traced(wrapped, name or wrapped.__name__)
    return _traced(function, name or function.__name__)


def _traced(function: Callable[P, R], name: str) -> Callable[P, R]:
    description = (inspect.getdoc(function) or "").split("\n", 1)[0]

    def start(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tracked:
        return Tracked(
            f"{semconv.TOOL_OPERATION} {name}",
            _attributes(name, description, args, kwargs),
            current_scope(),
        )

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def traced_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            with start(args, kwargs):
                return await function(*args, **kwargs)

        return cast("Callable[P, R]", traced_async)

    @functools.wraps(function)
    def traced(*args: P.args, **kwargs: P.kwargs) -> R:
        with start(args, kwargs):
            return function(*args, **kwargs)

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
    canonical = json.dumps(
        [list(args), dict(kwargs)],
        sort_keys=True,
        separators=(",", ":"),
        default=lambda value: f"<{type(value).__qualname__}>",
        skipkeys=True,
    )
    return hashlib.blake2b(canonical.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
