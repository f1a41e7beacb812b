"""The gate of `litellm`: every call of it to any provider is one of ours.

Its public functions are decorated: the decorator looks into caches, retries and falls back, and
calls the function below it for each request. So that is where the gate is: in the closure of the
decorator, where also those find it who imported the public function before. Asynchronous calls
come by the same functions in a thread, and get a coroutine from them.

The clients that LiteLLM uses for some providers have gates of their own. These stand aside for its
calls, and tell only of their retries.
"""

import asyncio
import functools
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from types import CellType
from typing import Any

import wrapt

from spanledger.guard import SpanledgerRefusal
from spanledger.instrumentation import _litellm_dialect as dialect
from spanledger.instrumentation._clients import Watched
from spanledger.instrumentation._exchange import Exchange
from spanledger.instrumentation._facts import Request
from spanledger.instrumentation._funnel import Attempts, active, call_for, lending, observe
from spanledger.instrumentation._options import options
from spanledger.instrumentation._streams import ObservedAsyncStream, ObservedStream

_CLIENT = "litellm"
_CELL = "original_function"
#: Under which name a function with the gate around it holds the one without.
_GATED = "_spanledger_gated"


def gate(client: Watched, funnel: Any) -> list[str]:
    """Put the gate below the decorators; the names of what was wrapped, for `doctor`.

    Raises `AttributeError` if the library does not have the functions that we know.
    """
    # All or nothing: a library that lacks one of these is not half gated.
    cells = {name: _cell(getattr(funnel, name)) for name in _wrapped()}
    for name, cell in cells.items():
        if not hasattr(cell.cell_contents, _GATED):
            answers = dialect.FUNCTIONS.get(name)
            function = cell.cell_contents
            outer = _asking(function) if answers is None else _gated(funnel, answers, function)
            setattr(outer, _GATED, function)
            cell.cell_contents = outer
    active.add(client.name)
    return [f"{funnel.__name__}.{name}" for name in cells]


def _wrapped() -> list[str]:
    return [name for plain in dialect.FUNCTIONS for name in (plain, f"a{plain}")]


def ungate(client: Watched, funnel: Any) -> None:
    """Put the library's own functions back."""
    active.discard(client.name)
    for name in _wrapped():
        cell = _cell(getattr(funnel, name))
        cell.cell_contents = getattr(cell.cell_contents, _GATED, cell.cell_contents)


def _cell(function: Any) -> CellType:
    """Where a decorated function of the library holds what it decorates."""
    while (code := getattr(function, "__code__", None)) is None or _CELL not in code.co_freevars:
        function = function.__wrapped__
    found: CellType = function.__closure__[code.co_freevars.index(_CELL)]
    return found


# --- the whole call ---------------------------------------------------------------------------


def _gated(funnel: Any, answers: dialect.Completion, function: Any) -> Any:
    """The function with the gate around it; a plain one, for the library copies it."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount]

    @functools.wraps(function)
    def call_once(*args: Any, **kwargs: Any) -> Any:
        body = {**dict(zip(names, args, strict=False)), **kwargs}
        call, kwargs = _begin(funnel.litellm, answers, body, kwargs)
        if call is None:
            return function(*args, **kwargs)
        with call, lending(call):
            try:
                call.first()
                result = function(*args, **kwargs)
            except Exception as error:
                _raise_refusal_in(error)
                raise
        if asyncio.iscoroutine(result):
            return _awaited(_Held(call), result)
        return _look(call, result)

    return call_once


def _asking(function: Any) -> Any:
    """An asynchronous function, which calls the one that is gated, with the refusal as it was."""

    @functools.wraps(function)
    async def ask(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except Exception as error:
            _raise_refusal_in(error)
            raise

    return ask


async def _awaited(held: "_Held", coroutine: Any) -> Any:
    call = held.call
    with call, lending(call):
        try:
            result = await coroutine
        except Exception as error:
            _raise_refusal_in(error)
            raise
    observed = _look(call, result)
    held.awaited = True
    return observed


class _Held:
    """Goes with a coroutine: one that nobody awaits to its end is forgotten when that is."""

    __slots__ = ("awaited", "call")

    def __init__(self, call: Attempts) -> None:
        self.call = call
        self.awaited = False

    def __del__(self) -> None:
        if not self.awaited:
            self.call.exchange.abandoned()


def _begin(
    litellm: Any, answers: dialect.Completion, body: dict[str, Any], kwargs: dict[str, Any]
) -> tuple[Attempts | None, dict[str, Any]]:
    """The call, and the arguments to make it with."""
    if not dialect.is_sent(body) or litellm.model_fallbacks:
        return None, kwargs
    added: dict[str, Any] = {}

    def read() -> tuple[Request, dialect.Completion] | None:
        if (target := _target(litellm, body)) is None:
            return None
        if (limit := options.default_max_output_tokens) is not None:
            added.update(answers.with_output_limit(body, limit))
        return _read(answers, {**body, **added}, *target), answers

    call = call_for(_CLIENT, body, read)
    if call is not None and options.include_usage and (asked := answers.with_usage(body)):
        added.update(asked)
        # For some providers the library looks only here, where its decorator has put it.
        if (log := kwargs.get("litellm_logging_obj")) is not None:
            log.stream_options = asked["stream_options"]
        call.exchange.hides_usage_chunk = True
    return call, {**kwargs, **added}


def _target(litellm: Any, body: Mapping[str, Any]) -> tuple[str, str] | None:
    """Model and provider; None for what the library does not know and will refuse itself."""
    try:
        model, provider, *_ = litellm.get_llm_provider(
            model=body.get("model"),
            custom_llm_provider=body.get("custom_llm_provider"),
            api_base=body.get("api_base") or body.get("base_url"),
        )
    except Exception:  # noqa: BLE001 - it raises the same when it is called
        return None
    return model, dialect.provider_of(provider)


def _read(
    answers: dialect.Completion, body: Mapping[str, Any], model: str, provider: str
) -> Request:
    choices = body.get("n")
    return Request(
        answers.operation,
        provider,
        model,
        body,
        bool(body.get("stream")),
        answers.max_output_tokens(body),
        choices if isinstance(choices, int) and choices > 0 else 1,
    )


def _raise_refusal_in(error: BaseException) -> None:
    """Raise the refusal of a further attempt, which the library wraps into an error of its own."""
    seen: BaseException | None = error
    for _step in range(20):
        if isinstance(seen, SpanledgerRefusal):
            raise seen from None
        seen = None if seen is None else seen.__cause__ or seen.__context__


def _look(call: Attempts, result: Any) -> Any:
    exchange = call.exchange
    exchange.answered = True
    if not hasattr(result, "completion_stream"):
        observe(exchange, lambda: exchange.replied(result))
        return result
    answers = exchange.dialect
    if isinstance(answers, dialect.Completion):
        exchange.streams(dialect.Stream(answers, result.chunks))
    exchange.returned = True
    return _watched(exchange, ObservedWrapper(result, call))


def _watched(exchange: Exchange, observed: Any) -> Any:
    # Weak: what is observed holds the exchange.
    weak = weakref.ref(observed)
    exchange.is_readable = lambda: weak() is not None
    return observed


# --- streams ----------------------------------------------------------------------------------


class ObservedWrapper(wrapt.ObjectProxy):  # type: ignore[type-arg]  # wrapt 1.17 can't be subscripted at run time
    """A ``CustomStreamWrapper`` under observation; a proxy, so that it is still one."""

    def __init__(self, stream: Any, call: Attempts) -> None:
        super().__init__(stream)
        self._self_exchange = call.exchange
        self._self_plain = ObservedStream(_Chunks(stream, call), call.exchange)
        self._self_async = ObservedAsyncStream(_AsyncChunks(stream, call), call.exchange)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._self_plain)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return await anext(self._self_async)

    async def aclose(self) -> None:
        """Close as before; what was used is settled."""
        await self._self_async.aclose()

    def __del__(self) -> None:
        self._self_exchange.abandoned()


class _Chunks:
    """The chunks of a stream; the library may send the request with the first."""

    def __init__(self, stream: Any, call: Attempts) -> None:
        self._stream = stream
        self._call = call

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with lending(self._call):
            return next(self._stream)


class _AsyncChunks(_Chunks):
    """The same for coroutines."""

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        with lending(self._call):
            return await anext(self._stream)

    async def aclose(self) -> None:
        if (close := getattr(self._stream, "aclose", None)) is not None:
            await close()
