"""What a tool is: the same for each of its calls. Pure."""

import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from spanledger import semconv
from spanledger.track._arguments import arguments_hash
from spanledger.track._options import NO_OPTIONS, Options


class Described(NamedTuple):
    """What its decorator and its function say."""

    name: str
    description: str
    category: str | None
    function: Callable[..., Any]
    has_self: bool
    options: Options = NO_OPTIONS

    @classmethod
    def of(cls, function: Any, name: str | None, category: str | None, how: Options) -> "Described":
        inner = getattr(function, "__func__", function)
        description = (inspect.getdoc(inner) or "").split("\n", 1)[0]
        return cls(
            name or name_of(inner),
            description,
            category,
            inner,
            not isinstance(function, types.MethodType) and _takes_self(function),
            how,
        )


def name_of(function: Any) -> str:
    """The name by which people know a function."""
    if isinstance(function, functools.partial):
        return name_of(function.func)
    return str(getattr(function, "__name__", type(function).__name__))


def _takes_self(function: Any) -> bool:
    """Whether the first argument is the object, or the class, that a method is called on."""
    if isinstance(function, (classmethod, staticmethod)):
        return isinstance(function, classmethod)
    if not isinstance(function, types.FunctionType):
        return False
    owner, _, _ = function.__qualname__.rpartition(".")
    in_class = bool(owner) and not owner.endswith("<locals>")
    return in_class and function.__code__.co_varnames[:1] in (("self",), ("cls",))


def attributes(
    what: Described, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, str | float | Sequence[str]]:
    """What the span of one call says."""
    attributes: dict[str, str | float | Sequence[str]] = {
        semconv.OPERATION_NAME: semconv.TOOL_OPERATION,
        semconv.TOOL_NAME: what.name,
        semconv.TOOL_TYPE: "function",
        semconv.SPAN_KIND: "tool",
        semconv.TOOL_ARGUMENTS_HASH: arguments_hash(args, kwargs),
    }
    if what.description:
        attributes[semconv.TOOL_DESCRIPTION] = what.description
    if what.category is not None:
        attributes[semconv.TOOL_CATEGORY] = what.category
    if what.options is not NO_OPTIONS:
        attributes.update(_of_options(what.options))
    return attributes


def _of_options(how: Options) -> Iterator[tuple[str, str | float | Sequence[str]]]:
    if how.tags:
        yield semconv.TOOL_TAGS, how.tags
    if how.permission is not None:
        yield semconv.TOOL_PERMISSION, how.permission
    if how.timeout_s is not None:
        yield semconv.TOOL_TIMEOUT_S, how.timeout_s
