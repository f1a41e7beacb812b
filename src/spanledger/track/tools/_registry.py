"""The registry: tools by name, for a model to choose from and for a program to call."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ParamSpec, Self, TypeVar

from spanledger import semconv
from spanledger.track import tokens
from spanledger.track._described import attributes
from spanledger.track._permissions import LEVELS, Permission
from spanledger.track._spans import Tracked
from spanledger.track._tool import described, tool
from spanledger.track._tool_errors import InvalidArguments, UnknownTool
from spanledger.track.tools._chains import Step, chain_span, steps_of
from spanledger.track.tools._results import ChainResult, ToolResult
from spanledger.track.tools._schema import Schema
from spanledger.track.tools._spec import Form, ToolSpec

P = ParamSpec("P")
R = TypeVar("R")


class Registry:
    """Tools by name. For any number of threads.

    What is registered stays a function that can be called as before; by the registry it is called
    with what a model gave, and what comes of it is a `ToolResult`.

    >>> desk = Registry()
    >>> @desk.tool(category="search")
    ... def look_up(word: str) -> str:
    ...     '''Look a word up.'''
    ...     return word.upper()
    >>> desk.call("look_up", '{"word": "ledger"}').value
    'LEDGER'
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._specs: dict[str, ToolSpec] = {}

    # --- making it ----------------------------------------------------------------------------

    def tool(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        schema: Mapping[str, Any] | None = None,
        category: str | None = None,
        tags: tuple[str, ...] = (),
        permission: Permission | None = None,
        timeout_s: float | None = None,
        rate: str | None = None,
        cache_s: float | None = None,
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """`spanledger.track.tool`, which also registers the function: a decorator.

        `description` is the first paragraph of the docstring, if not given. `schema` is the JSON
        schema of the arguments; else it is made of the type hints, and described by
        ``Annotated[str, "…"]`` or by the section ``Args`` of the docstring. Arguments are checked
        by the hints; against a schema that was given they are not.

        Raises `TypeError` for what has no schema, and `ValueError` for a name that is taken.
        """
        how: dict[str, Any] = {
            "tags": tags, "permission": permission, "timeout_s": timeout_s, "rate": rate,
            "cache_s": cache_s,
        }  # fmt: skip

        def register(function: Callable[P, R]) -> Callable[P, R]:
            made = tool(name=name, category=category, **how)(function)
            self._add(made, description, schema)
            return made

        return register

    def add(
        self,
        *functions: Callable[..., Any],
        description: str | None = None,
        schema: Mapping[str, Any] | None = None,
    ) -> Self:
        """Register tools, and functions, which become tools. As for `tool`; returns itself."""
        for function in functions:
            self._add(tool(function), description, schema)
        return self

    def _add(
        self, made: Callable[..., Any], words: str | None, schema: Mapping[str, Any] | None
    ) -> None:
        what = described(made)
        assert what is not None  # noqa: S101 - it was made by `tool`
        spec = ToolSpec.of(made, what, words, schema)
        with self._lock:
            if spec.name in self._specs:
                raise ValueError(f"there is a tool {spec.name!r} already; give another `name=`")
            self._specs[spec.name] = spec

    def remove(self, name: str) -> None:
        """Take a tool out. Raises `UnknownTool`."""
        self.get(name)
        with self._lock:
            self._specs.pop(name, None)

    # --- looking into it ----------------------------------------------------------------------

    def get(self, name: str) -> ToolSpec:
        """The tool of that name. Raises `UnknownTool`."""
        with self._lock:
            found = self._specs.get(name)
            if found is None:
                raise UnknownTool(name, tuple(self._specs))
            return found

    def select(
        self,
        *,
        category: str | None = None,
        tag: str | None = None,
        permission: Permission | None = None,
    ) -> list[ToolSpec]:
        """The tools that fit all that is given; `permission` is the highest that they may need."""
        with self._lock:
            specs = list(self._specs.values())
        return [
            spec
            for spec in specs
            if (category is None or spec.category == category)
            and (tag is None or tag in spec.options.tags)
            and (permission is None or _needs_no_more(spec, permission))
        ]

    def schemas(
        self,
        form: Form = "openai",
        *,
        category: str | None = None,
        tag: str | None = None,
        permission: Permission | None = None,
    ) -> list[Schema]:
        """The list of tools for a request to a model: ``openai``, ``openai-responses``,
        ``anthropic``. Selected as by `select`."""
        chosen = self.select(category=category, tag=tag, permission=permission)
        return [spec.schema(form) for spec in chosen]

    # --- calling ------------------------------------------------------------------------------

    def call(self, name: str, arguments: Mapping[str, Any] | str | None = None) -> ToolResult:
        """Call a tool with what a model gave: a table, or JSON text.

        Raises nothing that the tool, its arguments or the guard are the cause of: it is in the
        result, whose `error` is for the model and whose `unwrap` raises it. Coroutine functions
        are for `acall`.
        """
        done = _Done(name)
        with done.watching():
            spec = self.get(name)
            if spec.is_async:
                raise TypeError(f"the tool {name!r} is a coroutine function: await `acall`")
            done.value = spec.function(**_read(spec, arguments))
        return done.result()

    async def acall(
        self, name: str, arguments: Mapping[str, Any] | str | None = None
    ) -> ToolResult:
        """`call` for coroutines. A plain function runs in a thread, so that it blocks nobody."""
        done = _Done(name)
        with done.watching():
            spec = self.get(name)
            given = _read(spec, arguments)
            if spec.is_async:
                done.value = await spec.function(**given)
            else:
                done.value = await asyncio.to_thread(spec.function, **given)
        return done.result()

    def chain(
        self, steps: Sequence[Step], arguments: Mapping[str, Any] | None = None
    ) -> ChainResult:
        """Call tools one after the other, each with what the one before gave.

        A step is a name, or a name and arguments of its own; the value goes to its first
        parameter that these leave open. The first step is given `arguments`. It ends at the first
        that fails. All of them are spans below one of the chain.

        Raises `UnknownTool` before anything is called, and `ValueError` for no step at all.

        >>> def number(text: str) -> int:
        ...     return int(text)
        >>> def times(value: int, factor: int = 2) -> int:
        ...     return value * factor
        >>> desk = Registry().add(number, times)
        >>> desk.chain(["number", ("times", {"factor": 3})], {"text": "14"}).value
        42
        """
        plan, started = steps_of(steps, self.get), time.perf_counter()
        results: list[ToolResult] = []
        with chain_span(plan) as span:
            for step in plan:
                results.append(self.call(step.spec.name, step.given(results, arguments)))
                if not results[-1].success:
                    break
            span.ended(results[-1])
        return ChainResult.of(results, time.perf_counter() - started)

    async def achain(
        self, steps: Sequence[Step], arguments: Mapping[str, Any] | None = None
    ) -> ChainResult:
        """`chain` for coroutines."""
        plan, started = steps_of(steps, self.get), time.perf_counter()
        results: list[ToolResult] = []
        with chain_span(plan) as span:
            for step in plan:
                results.append(await self.acall(step.spec.name, step.given(results, arguments)))
                if not results[-1].success:
                    break
            span.ended(results[-1])
        return ChainResult.of(results, time.perf_counter() - started)


class _Done:
    """What one call comes to."""

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._error: Exception | None = None
        self._duration_s, self._tokens = 0.0, 0
        self.value: Any = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        started = time.perf_counter()
        with tokens.track_context() as used:
            try:
                yield
            except Exception as error:  # noqa: BLE001 - it is the result
                self._error = error
            self._duration_s, self._tokens = time.perf_counter() - started, used.total_tokens

    def result(self) -> ToolResult:
        text = "" if self._error is None else f"{type(self._error).__name__}: {self._error}"
        return ToolResult(
            self._tool,
            self._error is None,
            self.value,
            text,
            self._duration_s,
            self._tokens,
            self._error,
        )


def _read(spec: ToolSpec, arguments: Mapping[str, Any] | str | None) -> dict[str, Any]:
    """The arguments. What the tool refuses is a span too, though the tool is not asked."""
    try:
        return spec.read(arguments)
    except InvalidArguments as error:
        what = described(spec.function)
        assert what is not None  # noqa: S101 - only tools are registered
        with Tracked(f"{semconv.TOOL_OPERATION} {spec.name}", attributes(what, (arguments,), {})):
            raise error from None


def _needs_no_more(spec: ToolSpec, permission: Permission) -> bool:
    needed = spec.options.permission
    return needed is None or LEVELS.index(needed) <= LEVELS.index(permission)
