"""Time-outs of tools: a coroutine is cancelled, a function is left behind in its thread."""

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable
from typing import Any

from spanledger.track._kinds import kind_of
from spanledger.track._tool_errors import ToolTimeout

_Any = Callable[..., Any]


def within(function: Any, timeout_s: float | None, tool: str) -> Any:
    """`function`, which raises `ToolTimeout` if it takes longer than `timeout_s`.

    A plain one runs in a thread of its own, with the context of its caller. Raises `TypeError`
    for a generator: its caller decides how long it takes.
    """
    if timeout_s is None:
        return function
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(within(function.__func__, timeout_s, tool))
    kind = kind_of(function)
    if kind not in {"plain", "coroutine"}:
        raise TypeError(f"the tool {tool!r} is a generator: it can't have timeout_s")
    make = _coroutine if kind == "coroutine" else _plain
    return functools.wraps(function)(make(function, timeout_s, tool))


def _plain(function: _Any, timeout_s: float, tool: str) -> _Any:
    def limited(*args: Any, **kwargs: Any) -> Any:
        work = _Work(functools.partial(function, *args, **kwargs), tool)
        return work.result(timeout_s)

    return limited


class _Work:
    """One call in a thread that may be left behind: those would fill a pool."""

    def __init__(self, call: Callable[[], Any], tool: str) -> None:
        self._call, self._tool = call, tool
        self._context = contextvars.copy_context()
        self._value: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"tool {tool}", daemon=True)

    def _run(self) -> None:
        try:
            self._value = self._context.run(self._call)
        except BaseException as error:  # noqa: BLE001 - raised where the tool was called
            self._error = error

    def result(self, timeout_s: float) -> Any:
        self._thread.start()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise ToolTimeout(self._tool, timeout_s)
        error, self._error = self._error, None  # else it would be kept by its own traceback
        if error is not None:
            raise error
        return self._value


def _coroutine(function: _Any, timeout_s: float, tool: str) -> _Any:
    async def limited(*args: Any, **kwargs: Any) -> Any:
        try:
            async with asyncio.timeout(timeout_s) as limit:
                return await function(*args, **kwargs)
        except TimeoutError:
            if not limit.expired():
                raise  # an error of the tool itself
            raise ToolTimeout(tool, timeout_s) from None

    return limited
