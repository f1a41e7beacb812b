"""What `fallback` can turn to: another function, the last answer, an answer that always fits."""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

_Args = tuple[Any, ...]


class NotAvailable(LookupError):
    """An alternative has no answer to this question."""


class Alternative(NamedTuple):
    """One way to an answer. Made by `other`, `cached_answer`, `default_answer`."""

    name: str
    call: Callable[..., Any]
    breaker: str = ""
    """The target that is looked at before it is asked: ``openai/gpt-4o``, ``tool:search``."""
    asks_nobody: bool = False
    """It costs nothing and reaches nobody."""
    given: Callable[[_Args, Mapping[str, Any]], Any] | None = None
    """Called with the arguments as they are, instead of `call`."""
    remember: Callable[[_Args, Mapping[str, Any], Any], None] | None = None
    """Told every answer that somebody gave."""


def other(function: Callable[..., Any], *, breaker: str = "", name: str = "") -> Alternative:
    """Another function for the same question: another model, another provider, another tool.

    `breaker` names what it asks (``anthropic/claude-haiku-4-5``, ``tool:search``): it is passed
    over while that is held back.
    """
    return Alternative(name or getattr(function, "__name__", "other"), function, breaker)


def default_answer(value: Any, *, name: str = "default") -> Alternative:
    """An answer that always fits."""
    return Alternative(name, lambda *_args, **_kwargs: value, asks_nobody=True)


def cached_answer(max_age_s: float = 3600.0, *, capacity: int = 256) -> Alternative:
    """The last answer to the same arguments, if it is not older than `max_age_s` seconds.

    At most `capacity` are kept, in memory. Arguments that JSON can't hold are not remembered.
    """
    kept = _Answers(max_age_s, capacity)
    return Alternative("cached", kept.get, asks_nobody=True, given=kept.get, remember=kept.remember)


class _Answers:
    """The last answers by their arguments. Thread-safe."""

    def __init__(
        self, max_age_s: float, capacity: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_age_s, self._capacity, self._clock = max_age_s, capacity, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, Any]] = OrderedDict()

    def remember(self, args: _Args, kwargs: Mapping[str, Any], value: Any) -> None:
        if (key := _key(args, kwargs)) is None:
            return
        with self._lock:
            self._kept[key] = self._clock(), value
            self._kept.move_to_end(key)
            if len(self._kept) > self._capacity:
                self._kept.popitem(last=False)

    def get(self, args: _Args, kwargs: Mapping[str, Any]) -> Any:
        key = _key(args, kwargs)
        with self._lock:
            found = None if key is None else self._kept.get(key)
        if found is None:
            raise NotAvailable("nothing cached")
        if self._clock() - found[0] > self._max_age_s:
            raise NotAvailable("cached answer too old")
        return found[1]


def _key(args: _Args, kwargs: Mapping[str, Any]) -> str | None:
    """A text that is the same for the same arguments; None if they can't be compared so."""
    try:
        return json.dumps([args, kwargs], sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return None


_by_category: dict[str, tuple[Alternative, ...]] = {}


def set_fallbacks(category: str, *alternatives: Alternative) -> None:
    """What all functions of a category (of tools, say) turn to after their own alternatives.

    Called again, it replaces what was set; with no alternative there is none any more.
    """
    _by_category[category] = alternatives


def of_category(category: str | None) -> tuple[Alternative, ...]:
    """What was set for a category."""
    return () if category is None else _by_category.get(category, ())
