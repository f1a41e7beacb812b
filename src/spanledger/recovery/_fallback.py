"""`fallback`: when one way does not answer, the next one is asked, in order."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ParamSpec, TypeVar, cast

from spanledger.guard import SpanledgerRefusal
from spanledger.recovery import _acts
from spanledger.recovery._alternatives import Alternative, NotAvailable, of_category
from spanledger.recovery._breaker import blocked, refusal_of
from spanledger.recovery._kinds import kind_of, name_of
from spanledger.recovery._timing import Timing
from spanledger.recovery.failures import Kind, classify
from spanledger.semconv import RECOVERY_TRAIL

P = ParamSpec("P")
R = TypeVar("R")

#: Failures after which somebody else may be able to answer. Errors of the program are none.
ELSEWHERE: frozenset[Kind] = frozenset(
    {
        "rate_limited",
        "server",
        "connection",
        "timeout",
        "conflict",
        "quota",
        "context_too_long",
        "content_filter",
        "invalid_answer",
        "authentication",
        "refused",
    }
)
#: Refusals that say "stop", not "not this way": only what asks nobody may answer after them.
_FINAL = frozenset(
    {"loop_detected", "ceiling_reached", "policy_unreadable", "ledger_unavailable", "gate_failed"}
)


def fallback(
    *alternatives: Alternative,
    name: str = "",
    category: str | None = None,
    breaker: str = "",
    on: Iterable[Kind] = ELSEWHERE,
    timing: Timing | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Ask the alternatives, in order, when a function fails or its breaker is open.

    >>> @fallback(default_answer("I can't say."), breaker="openai/gpt-4.1")
    ... def ask(question: str) -> str:
    ...     return question.upper()

    Each alternative is given what the function was given. One whose `breaker` is open is passed
    over before anything is reserved for it. A gated client's call is priced and reserved anew,
    for the model that is asked now, so a cheaper one may have room in a budget that has none for
    the first. After a loop, a ceiling or unreadable limits only answers that ask nobody are
    given (cached and default ones). `category`: then come those of `set_fallbacks` for it.

    Each try is a span; an event on the span around them holds the trail. If nothing answers,
    the first error is raised, with the trail in a note. For functions and coroutines; raises
    `TypeError` for generators.
    """
    kinds, clock = frozenset(on), timing or Timing()

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        kind = kind_of(function)
        if kind not in {"plain", "coroutine"}:
            raise TypeError(f"fallback is for functions and coroutines; {function!r} is neither")
        first = Alternative(name_of(function), function, breaker)
        title = name or name_of(function)

        def start(args: Any, kwargs: Any) -> "_Search":
            others = (*alternatives, *of_category(category))
            return _Search(title, (first, *others), args, kwargs, kinds, clock)

        wrapped = _coroutine(start) if kind == "coroutine" else _plain(start)
        return cast("Callable[P, R]", functools.wraps(function)(wrapped))

    return decorate


class _Search:
    """One call: which alternatives are left, and what became of those before."""

    def __init__(
        self,
        name: str,
        ways: tuple[Alternative, ...],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        kinds: frozenset[Kind],
        timing: Timing,
    ) -> None:
        self.name, self.ways, self.args, self.kwargs = name, ways, args, kwargs
        self.kinds, self.timing = kinds, timing
        self.trail: list[str] = []
        self.first_error: Exception | None = None
        self._failure: Kind = "other"
        self._final = False

    def open_ways(self) -> Iterator[Alternative]:
        """What may be asked, looked up when its turn comes: a breaker may open meanwhile."""
        for way in self.ways:
            if self._final and not way.asks_nobody:
                self.trail.append(f"{way.name}: not asked")
            elif way.breaker and (held := blocked(way.breaker)) is not None:
                self._left(way, refusal_of(held).error(), held.reason)
            else:
                yield way

    def call(self, way: Alternative) -> Any:
        """Ask one; what it gives, or something to await."""
        if way.given is not None:
            return way.given(self.args, self.kwargs)
        return way.call(*self.args, **self.kwargs)

    def span(self, way: Alternative) -> AbstractContextManager[object]:
        """What one is asked in: a span of its own, but for the way that is always taken."""
        if way is self.ways[0]:
            return nullcontext()
        return _acts.act("fallback", self.name, self._failure, choice=way.name)

    def failed(self, way: Alternative, error: Exception) -> bool:
        """Note a failure; whether the next way may be asked."""
        if isinstance(error, NotAvailable):
            self.trail.append(f"{way.name}: {error}")
            return True
        failure = classify(error, self.timing.wall())
        reason = error.reason if isinstance(error, SpanledgerRefusal) else failure.kind
        self._left(way, error, reason)
        self._failure = failure.kind
        self._final = self._final or reason in _FINAL
        return failure.kind in self.kinds

    def _left(self, way: Alternative, error: Exception, reason: str) -> None:
        self.trail.append(f"{way.name}: {reason}")
        self.first_error = self.first_error or error
        if isinstance(error, SpanledgerRefusal):
            self._failure = "refused"

    def answered(self, way: Alternative, value: Any) -> Any:
        """Note the answer and who gave it."""
        if way is not self.ways[0] or self.trail:
            self.trail.append(f"{way.name}: ok")
            self._note()
        if not way.asks_nobody:
            for other in self.ways:
                if other.remember is not None:
                    other.remember(self.args, self.kwargs, value)
        return value

    def nothing(self) -> Exception:
        """Nobody answered: the error to raise."""
        self._note()
        error = self.first_error
        if error is None:
            return NotAvailable(f"fallback {self.name!r} had no way that could be asked")
        if len(self.trail) > 1:
            error.add_note(f"fallback {self.name!r} tried: {'; '.join(self.trail)}.")
        return error

    def _note(self) -> None:
        if len(self.trail) > 1:
            _acts.ended("fallback", self.name, **{RECOVERY_TRAIL: self.trail})


_Start = Callable[[Any, Any], _Search]


def _plain(start: _Start) -> Callable[..., Any]:
    def asked(*args: Any, **kwargs: Any) -> Any:
        search = start(args, kwargs)
        for way in search.open_ways():
            try:
                with search.span(way):
                    value = search.call(way)
            except Exception as error:
                if not search.failed(way, error):
                    raise
            else:
                return search.answered(way, value)
        raise search.nothing()

    return asked


def _coroutine(start: _Start) -> Callable[..., Any]:
    async def asked(*args: Any, **kwargs: Any) -> Any:
        search = start(args, kwargs)
        for way in search.open_ways():
            try:
                with search.span(way):
                    value = search.call(way)
                    if inspect.isawaitable(value):
                        value = await value
            except Exception as error:
                if not search.failed(way, error):
                    raise
            else:
                return search.answered(way, value)
        raise search.nothing()

    return asked
