"""`wrap_tools` and `wrap`: tools without a decorator, for objects of somebody else's making."""

import functools
import inspect
from collections.abc import Callable
from types import MethodType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import wrapt

from spanledger.track._tool import is_tool, traced

T = TypeVar("T")

if TYPE_CHECKING:
    _Proxy = wrapt.ObjectProxy[Any]
else:
    # wrapt can not be subscripted at run time in all releases.
    _Proxy = wrapt.ObjectProxy


def wrap(target: T, *, name: str | None = None, category: str | None = None) -> T:
    """`target` with its use traced: a function as one tool, an object as all of its tools.

    >>> def look_up(word: str) -> str:
    ...     return word.upper()
    >>> wrap(look_up, category="search")("a")
    'A'

    `name` is the tool's; in front of the tools of an object it stands with a dot.
    """
    if _is_function(target):
        return cast("T", traced(cast("Callable[..., Any]", target), name, category))
    return _proxied(target, f"{name}." if name else "", category)


def wrap_tools(target: T, *, category: str | None = None) -> T:
    """An object like `target` whose public methods are tools.

    Everything else is `target`'s own: attributes, properties, `isinstance`, and what its methods
    call on `self`, which is not traced again. Methods may be plain, async or generators. What
    begins with an underscore, classes, and callables that are no functions stay as they are.

    >>> class Library:
    ...     def look_up(self, word: str) -> str:
    ...         return word.upper()
    >>> wrap_tools(Library(), category="search").look_up("a")
    'A'
    """
    return _proxied(target, "", category)


def _proxied(target: T, prefix: str, category: str | None) -> T:
    kind = _CallableTools if callable(target) else _Tools
    return cast("T", kind(target, prefix, category))


def _is_function(value: object) -> bool:
    return inspect.isroutine(value) or isinstance(value, functools.partial)


class _Tools(_Proxy):
    """The proxy: names that begin with ``_self_`` are its own, all others the object's."""

    def __init__(self, target: Any, prefix: str, category: str | None) -> None:
        super().__init__(target)
        self._self_prefix, self._self_category = prefix, category
        self._self_tools: dict[str, tuple[Any, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        value = super().__getattr__(name)
        if name.startswith("_") or not _is_function(value) or is_tool(value):
            return value
        if isinstance(inspect.getattr_static(type(self.__wrapped__), name, None), property):
            return value
        return self._self_tool(name, value)

    def _self_tool(self, name: str, value: Any) -> Any:
        """The tool, the same one as long as the object has the same function there."""
        function, made = self._self_tools.get(name, (None, None))
        if made is None or not _is_same(function, value):
            made = traced(value, self._self_prefix + name, self._self_category)
            self._self_tools[name] = value, made
        return made


class _CallableTools(_Tools):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        target = self.__wrapped__
        name = self._self_prefix.rstrip(".") or type(target).__name__
        return traced(target, name, self._self_category)(*args, **kwargs)


def _is_same(function: Any, value: Any) -> bool:
    """Whether two bound methods, which are made anew each time, are the same."""
    if isinstance(function, MethodType) and isinstance(value, MethodType):
        same = function.__func__ is value.__func__ and function.__self__ is value.__self__
        return bool(same)
    return function is value
