"""`operation_timer`: how long a block or a function takes, and where."""

import functools
import inspect
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, cast

from spanledger import semconv
from spanledger.health._operations import record_operation
from spanledger.track import event

if TYPE_CHECKING:
    import cProfile

P = ParamSpec("P")
R = TypeVar("R")

_MOST_FUNCTIONS = 10

#: One profile at a time in a process: Python has one hook for them.
_profiling = threading.Lock()


class operation_timer:
    """Time a block, a function or a coroutine, and count it under a name.

    >>> with operation_timer("parse", slow_s=0.5):
    ...     parts = "a b c".split()
    >>> @operation_timer("answer")
    ... def answer(question: str) -> str:
    ...     return question.upper()

    A run that raises is a failure; one that takes longer than `slow_s` seconds is slow. Both
    count for the health of the process (`report`) and for the metric
    ``spanledger.health.operation.duration``. `profile`: also note, as an event on the span that is
    open, the functions that took the most time. That is slow; one profile runs at a time, the
    others are left out, and it sees everything that runs in the thread meanwhile.

    Make a new one for each block. Raises `TypeError` for generators: a call of one returns before
    it begins.
    """

    def __init__(self, name: str = "", *, slow_s: float = 30.0, profile: bool = False) -> None:
        if not isinstance(name, str):
            raise TypeError("operation_timer takes a name; write @operation_timer() with brackets")
        self._name, self._slow_s, self._profile = name, slow_s, profile
        self._profiler: cProfile.Profile | None = None
        self.duration_s = 0.0
        """Seconds, once the block is over."""

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"operation_timer is for functions and coroutines, not {function!r}")
        name = self._name or getattr(function, "__qualname__", type(function).__name__)
        make = functools.partial(operation_timer, name, slow_s=self._slow_s, profile=self._profile)
        wrapped = _coroutine if inspect.iscoroutinefunction(function) else _plain
        return cast("Callable[P, R]", functools.wraps(function)(wrapped(make, function)))

    def __enter__(self) -> Self:
        self._profiler = _started() if self._profile else None
        self._began_s = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.duration_s = time.perf_counter() - self._began_s
        name = self._name or "block"
        record_operation(
            name, self.duration_s, failed=isinstance(error, Exception), slow_s=self._slow_s
        )
        if self._profiler is not None:
            event(semconv.HEALTH_PROFILE, operation=name, functions=_ended(self._profiler))
            self._profiler = None


def _started() -> "cProfile.Profile | None":
    import cProfile

    if not _profiling.acquire(blocking=False):
        return None
    profiler = cProfile.Profile()
    try:
        profiler.enable()
    except ValueError:  # another profiler of the program's is at work
        _profiling.release()
        return None
    return profiler


def _ended(profiler: "cProfile.Profile") -> list[dict[str, Any]]:
    """The functions with the most time of their own."""
    profiler.disable()
    _profiling.release()
    import pstats

    stats: Any = pstats.Stats(profiler)
    rows = sorted(stats.stats.items(), key=lambda row: -row[1][2])[:_MOST_FUNCTIONS]
    return [
        {"function": _shown(where), "calls": calls, "own_s": round(own, 6), "all_s": round(all_, 6)}
        for where, (_, calls, own, all_, _) in rows
    ]


def _shown(where: tuple[str, int, str]) -> str:
    file, line, name = where
    return name if file == "~" else f"{name} ({file.rpartition('/')[2]}:{line})"


_Any = Callable[..., Any]


def _plain(make: Callable[[], operation_timer], function: _Any) -> _Any:
    def timed(*args: Any, **kwargs: Any) -> Any:
        with make():
            return function(*args, **kwargs)

    return timed


def _coroutine(make: Callable[[], operation_timer], function: _Any) -> _Any:
    async def timed(*args: Any, **kwargs: Any) -> Any:
        with make():
            return await function(*args, **kwargs)

    return timed
