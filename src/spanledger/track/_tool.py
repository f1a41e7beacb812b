"""`@tool`: a function of the agent as an ``execute_tool`` span."""

import functools
import hashlib
import inspect
import json
import types
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, NamedTuple, ParamSpec, Self, TypeVar, cast, overload

from opentelemetry.trace import Span, Status, StatusCode

from spanledger import semconv
from spanledger.track import _content
from spanledger.track._asking import Asked
from spanledger.track._kinds import Steps, around
from spanledger.track._spans import Tracked

P = ParamSpec("P")
R = TypeVar("R")

#: On functions that are traced as a tool already.
_MARK = "__spanledger_tool__"
#: So many of a generator's items are kept, where content is recorded.
_MOST_ITEMS = 50


@overload
def tool(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def tool(
    *, name: str | None = None, category: str | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    category: str | None = None,
) -> Any:
    """Trace a function, plain or async, as a tool of the agent that calls it.

    The guard is asked before it runs: rules on tools, loop rules, breakers and ceilings may
    refuse it. The span carries a hash of the arguments; arguments and result themselves only
    where content is recorded. What the function returns and raises is left as it is.

    The span of a generator is open from its first step to its last, and current in its own
    steps only: what the caller does in between is not the tool's. Of a method, the object is
    no argument. `category` is for grouping tools.

    >>> @tool
    ... def look_up(word: str) -> str:
    ...     return word.upper()
    """
    if function is None:
        return lambda wrapped: traced(wrapped, name, category)
    return traced(function, name, category)


def traced(
    function: Callable[P, R], name: str | None = None, category: str | None = None
) -> Callable[P, R]:
    """`function` as a tool. One that is a tool already is left as it is."""
    if is_tool(function):
        return function
    what = _Tool.of(function, name, category)

    def start(args: Sequence[Any], kwargs: Mapping[str, Any]) -> "_Run":
        return _Run(what, args, kwargs)

    wrapped = around(function, start)
    setattr(getattr(wrapped, "__func__", wrapped), _MARK, what.name)
    return cast("Callable[P, R]", wrapped)


def is_tool(function: object) -> bool:
    """Whether `function` is traced as a tool."""
    return hasattr(getattr(function, "__func__", function), _MARK)


class _Tool(NamedTuple):
    """What is the same for each call of one tool."""

    name: str
    description: str
    category: str | None
    function: Callable[..., Any]
    has_self: bool

    @classmethod
    def of(cls, function: Any, name: str | None, category: str | None) -> "_Tool":
        inner = getattr(function, "__func__", function)
        description = (inspect.getdoc(inner) or "").split("\n", 1)[0]
        return cls(
            name or _name_of(inner),
            description,
            category,
            inner,
            not isinstance(function, types.MethodType) and _takes_self(function),
        )


def _name_of(function: Any) -> str:
    if isinstance(function, functools.partial):
        return _name_of(function.func)
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


class _Run:
    """One call of a tool: its span, and what the guard says to it."""

    def __init__(self, what: _Tool, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self._what, self._all, self._kwargs = what, args, kwargs
        own = args[1:] if what.has_self else args
        attributes = _attributes(what.name, what.description, own, kwargs)
        if what.category is not None:
            attributes[semconv.TOOL_CATEGORY] = what.category
        span_name = f"{semconv.TOOL_OPERATION} {what.name}"
        self._tracked = Tracked(span_name, attributes, lambda outer: outer._replace(tool=what.name))
        self._asked = Asked(what.name, own, kwargs)
        self._content = _content.capturing()
        self._items: list[Any] = []

    @contextmanager
    def plain(self) -> Iterator[None]:
        with self._tracked, self._asked:
            self._note_arguments()
            yield

    @asynccontextmanager
    async def coroutine(self) -> AsyncIterator[None]:
        with self._tracked:
            async with self._asked:
                self._note_arguments()
                yield

    @contextmanager
    def generator(self) -> Iterator[Steps]:
        with self._tracked.stepping() as steps, self._asked:
            self._note_arguments()
            try:
                yield steps
            finally:
                self._note_items()

    @asynccontextmanager
    async def async_generator(self) -> AsyncIterator[Steps]:
        with self._tracked.stepping() as steps:
            async with self._asked:
                self._note_arguments()
                try:
                    yield steps
                finally:
                    self._note_items()

    def returned(self, value: Any) -> None:
        self._asked.result = value
        if self._content and not self._items:
            _content.note_result(self._tracked.span, value)

    def yielded(self, value: Any) -> None:
        self._asked.saw(value)
        if self._content and len(self._items) < _MOST_ITEMS:
            self._items.append(value)

    def failed(self, error_type: str) -> None:
        """It did not raise, but what it gave is an error."""
        span = self._tracked.span
        span.set_attribute(semconv.ERROR_TYPE, error_type)
        span.set_status(Status(StatusCode.ERROR))
        self._asked.failed = True

    def _note_arguments(self) -> None:
        if self._content:
            given = self._all, self._kwargs
            _content.note_arguments(self._tracked.span, self._what.function, *given)

    def _note_items(self) -> None:
        if self._items:
            _content.note_result(self._tracked.span, self._items)


class ToolCall(_Run):
    """One call of a tool that is no function of this program; made by `tool_call`."""

    def __init__(self, name: str, arguments: Mapping[str, Any], category: str | None) -> None:
        super().__init__(_Tool(name, "", category, _by_name, has_self=False), (), arguments)
        self._stack = AsyncExitStack()

    @property
    def span(self) -> Span:
        """Its span, while it is open."""
        return self._tracked.span

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.coroutine())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, traceback)


def tool_call(
    name: str, arguments: Mapping[str, Any] | None = None, *, category: str | None = None
) -> ToolCall:
    """A call of a tool that runs elsewhere, for an ``async with`` statement.

    Entering it raises the refusal, if a rule says so. Tell it what came of it by `returned`, and
    by `failed` if the answer is an error.

    >>> async def search(words: str) -> str:
    ...     async with tool_call("search", {"words": words}) as call:
    ...         call.returned(words)
    ...     return words
    """
    return ToolCall(name, arguments or {}, category)


def _by_name(**arguments: object) -> None:
    """Stands for the tool where its arguments are named."""


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
