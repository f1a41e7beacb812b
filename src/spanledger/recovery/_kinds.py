"""What kind of function a function is. Wrappers keep it: frameworks look before they call."""

import functools
import inspect
from typing import Any, Literal

FunctionKind = Literal["plain", "coroutine", "generator", "async_generator"]


def kind_of(function: Any) -> FunctionKind:
    """The kind of a function, or of an object that can be called."""
    code = function
    if not inspect.isroutine(function) and not isinstance(function, functools.partial):
        code = getattr(type(function), "__call__", function)  # noqa: B004 - asked for its kind
    if inspect.iscoroutinefunction(code):
        return "coroutine"
    if inspect.isgeneratorfunction(code):
        return "generator"
    return "async_generator" if inspect.isasyncgenfunction(code) else "plain"


def name_of(function: Any) -> str:
    """The name by which people know it."""
    if isinstance(function, functools.partial):
        return name_of(function.func)
    return str(getattr(function, "__name__", type(function).__name__))
