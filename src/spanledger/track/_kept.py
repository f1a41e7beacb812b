"""Results of tools that are kept for a while: for the same arguments and the same user."""

import copy
import functools
import inspect
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple
from weakref import WeakSet

from spanledger.track._scope import current_scope

#: Results of one tool; the one that was asked for the longest ago goes first.
_MOST = 256
_PLAIN = (str, int, float, bool, bytes, type(None), Enum)


class Kept(NamedTuple):
    """A result that was found."""

    value: Any


class Results:
    """The results of one tool. Thread-safe; what it gives and takes is copied.

    What can't be compared (objects among the arguments) or copied is not kept. `clock` gives
    monotonic seconds.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        cache_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._signature = inspect.signature(function)
        self._cache_s, self._clock = cache_s, clock
        self.forget()
        _all.add(self)

    def forget(self) -> None:
        """Empty it; in a forked child also what another thread may have been changing."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()

    def key(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Hashable | None:
        """The same for the same arguments, however they are given; None: not to be kept."""
        try:
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return current_scope().user, _frozen(bound.arguments)
        except (TypeError, ValueError, RecursionError):
            return None

    def get(self, key: Hashable | None) -> Kept | None:
        """What was put there, unless it is too old."""
        if key is None:
            return None
        with self._lock:
            until_s, value = self._kept.get(key, (0.0, None))
            if self._clock() >= until_s:
                self._kept.pop(key, None)
                return None
            self._kept.move_to_end(key)
        return Kept(copy.deepcopy(value))

    def put(self, key: Hashable | None, value: Any) -> None:
        """Keep a result."""
        if key is None:
            return
        try:
            value = copy.deepcopy(value)
        except Exception:  # noqa: BLE001 - whatever its class does there: the tool has done its work
            return
        with self._lock:
            self._kept[key] = self._clock() + self._cache_s, value
            self._kept.move_to_end(key)
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)


def _frozen(value: Any) -> Hashable:
    if isinstance(value, _PLAIN):
        return type(value), value
    if isinstance(value, (list, tuple)):
        return type(value), tuple(map(_frozen, value))
    if isinstance(value, (set, frozenset)):
        return type(value), frozenset(map(_frozen, value))
    if isinstance(value, Mapping):
        return dict, frozenset((_frozen(name), _frozen(one)) for name, one in value.items())
    raise TypeError(f"{type(value).__qualname__} can't be compared by its value")


def keeping(
    traced: Any, results: Results, again: Callable[..., Any], again_async: Callable[..., Any]
) -> Any:
    """`traced`, a tool, which is not called for what is kept: then `again` is, with the value."""

    def plain(*args: Any, **kwargs: Any) -> Any:
        key = results.key(args, kwargs)
        if (found := results.get(key)) is not None:
            return again(found.value, args, kwargs)
        value = traced(*args, **kwargs)
        results.put(key, value)
        return value

    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        key = results.key(args, kwargs)
        if (found := results.get(key)) is not None:
            return await again_async(found.value, args, kwargs)
        value = await traced(*args, **kwargs)
        results.put(key, value)
        return value

    return functools.wraps(traced)(coroutine if inspect.iscoroutinefunction(traced) else plain)


_all: WeakSet[Results] = WeakSet()


def _after_fork_in_child() -> None:
    for results in _all:
        results.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
