"""`@tool`: a function of the agent as an ``execute_tool`` span."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast, overload

from opentelemetry.trace import Span, Status, StatusCode

from spanledger import semconv
from spanledger.track import _content
from spanledger.track._asking import Asked
from spanledger.track._described import Described, attributes, name_of
from spanledger.track._kept import Results, keeping
from spanledger.track._kinds import Steps, around, kind_of
from spanledger.track._options import NO_OPTIONS, Options, options
from spanledger.track._permissions import Permission
from spanledger.track._spans import Tracked
from spanledger.track._timeouts import within

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
    *,
    name: str | None = None,
    category: str | None = None,
    tags: tuple[str, ...] = (),
    permission: Permission | None = None,
    timeout_s: float | None = None,
    rate: str | None = None,
    cache_s: float | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    category: str | None = None,
    **how: Any,
) -> Any:
    """Trace a function, plain or async, as a tool of the agent that calls it.

    The guard is asked before it runs: rules on tools, loop rules, breakers and ceilings may
    refuse it. The span carries a hash of the arguments; arguments and result themselves only
    where content is recorded. What the function returns and raises is left as it is.

    The span of a generator is open from its first step to its last, and current in its own
    steps only: what the caller does in between is not the tool's. Of a method, the object is
    no argument.

    `category` and `tags` are for grouping tools. A tool with a `permission` runs only where
    that level is permitted (`spanledger.track.tools.permit`). `timeout_s` raises `ToolTimeout`
    for one that takes longer; a plain function runs in a thread of its own for that. `rate`
    (``10/minute``) is held by the guard, under the rule ``tool NAME``, which the policy may
    replace. With `cache_s` a result is given again, for so many seconds, to the same arguments
    and the same user: the tool does not run, and nothing is charged.

    Raises `ValueError` and `TypeError` for options that can't be meant, for time-outs and
    kept results of generators, and for kept results of methods.

    >>> @tool
    ... def look_up(word: str) -> str:
    ...     return word.upper()
    >>> @tool(category="search", timeout_s=5, rate="10/minute", cache_s=60)
    ... def search(words: str) -> str:
    ...     return words
    """
    if function is None:
        return lambda wrapped: _made(wrapped, name, category, how)
    return _made(function, name, category, how)


def _made(
    function: Callable[P, R], name: str | None, category: str | None, how: Mapping[str, Any]
) -> Callable[P, R]:
    named = name or name_of(getattr(function, "__func__", function))
    if not how:
        return traced(function, name, category)
    if is_tool(function):
        raise TypeError(f"the tool {named!r} is one already; say {', '.join(how)} where it is made")
    return traced(function, name, category, options(named, **how))


def traced(
    function: Callable[P, R],
    name: str | None = None,
    category: str | None = None,
    how: Options = NO_OPTIONS,
) -> Callable[P, R]:
    """`function` as a tool. One that is a tool already is left as it is."""
    if is_tool(function):
        return function
    what = Described.of(function, name, category, how)

    def start(args: Sequence[Any], kwargs: Mapping[str, Any]) -> "_Run":
        return _Run(what, args, kwargs)

    wrapped = around(within(function, how.timeout_s, what.name), start)
    if how.cache_s is not None:
        wrapped = _keeping(wrapped, function, what, how.cache_s)
    setattr(getattr(wrapped, "__func__", wrapped), _MARK, what)
    return cast("Callable[P, R]", wrapped)


def _keeping(wrapped: Any, function: Any, what: "Described", cache_s: float) -> Any:
    if what.has_self or isinstance(function, (classmethod, staticmethod)):
        raise TypeError(f"the tool {what.name!r} is a method: it can't have cache_s")
    if kind_of(function) not in {"plain", "coroutine"}:
        raise TypeError(f"the tool {what.name!r} is a generator: it can't have cache_s")

    def again(value: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        with _Run(what, args, kwargs).kept(value):
            return value

    async def again_async(value: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        async with _Run(what, args, kwargs).kept_async(value):
            return value

    return keeping(wrapped, Results(function, cache_s), again, again_async)


def is_tool(function: object) -> bool:
    """Whether `function` is traced as a tool."""
    return described(function) is not None


def described(function: object) -> "Described | None":
    """What a tool is, as it was made; None if `function` is none."""
    found = getattr(getattr(function, "__func__", function), _MARK, None)
    return found if isinstance(found, Described) else None


class _Run:
    """One call of a tool: its span, and what the guard says to it."""

    def __init__(self, what: Described, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self._what, self._all, self._kwargs = what, args, kwargs
        own = args[1:] if what.has_self else args
        span_name = f"{semconv.TOOL_OPERATION} {what.name}"
        of_span = attributes(what, own, kwargs)
        self._tracked = Tracked(span_name, of_span, lambda outer: outer._replace(tool=what.name))
        self._asked = Asked(what.name, own, kwargs, what.options)
        self._content = _content.capturing()
        self._wanting = _content.wanting()
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
    def kept(self, value: Any) -> Iterator[None]:
        """Around a result that is given again: the tool does not run."""
        with self._tracked:
            self._asked.again(value)
            self._note_kept(value)
            yield

    @asynccontextmanager
    async def kept_async(self, value: Any) -> AsyncIterator[None]:
        with self._tracked:
            await self._asked.again_async(value)
            self._note_kept(value)
            yield

    def _note_kept(self, value: Any) -> None:
        self._tracked.span.set_attribute(semconv.TOOL_CACHED, True)
        self._note_arguments()
        if self._wanting:
            _content.note_result(self._tracked.span, value)

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
        if self._wanting and not self._items:
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
        if self._wanting:
            given = self._all, self._kwargs
            _content.note_arguments(self._tracked.span, self._what.function, *given)

    def _note_items(self) -> None:
        if self._items:
            _content.note_result(self._tracked.span, self._items)


class ToolCall(_Run):
    """One call of a tool that is no function of this program; made by `tool_call`."""

    def __init__(self, name: str, arguments: Mapping[str, Any], category: str | None) -> None:
        super().__init__(Described(name, "", category, _by_name, has_self=False), (), arguments)
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
