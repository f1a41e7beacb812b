"""The rules that count: budgets and rate limits, and whom they count. Pure."""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, tzinfo
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import Any, Literal, get_args

from spanledger.guard.breaker_rule import Target, model_target, tool_target
from spanledger.guard.decision import Call, Metric
from spanledger.guard.windows import Window
from spanledger.lean import dataclass

ScopeName = Literal["global", "session", "agent", "user", "model", "provider", "tool"]
SCOPES: tuple[ScopeName, ...] = get_args(ScopeName)
#: A scope of the user's own: any attribute of the work at hand, ``attribute:team``.
ATTRIBUTE = "attribute:"

Enforce = Literal["hard", "soft"]
ENFORCE: tuple[Enforce, ...] = get_args(Enforce)

Per = Literal["second", "minute", "hour"]
PERS: tuple[Per, ...] = get_args(Per)
SECONDS: dict[str, int] = {"second": 1, "minute": 60, "hour": 3600}

#: The counter of calls that have no session, agent, …, under a rule that counts each of them.
UNATTRIBUTED = "(none)"
_NOBODY = (UNATTRIBUTED,)
_ALL = ("",)

#: The attribute that stands in for a session where there is none: the id of the trace.
TRACE_ID = "trace_id"

_MILLION = 1_000_000

DEFAULT_THRESHOLDS = (0.8, 0.9, 0.95)

Match = tuple[tuple[str, str], ...]
"""Scope and pattern (``*``, ``?``, ``[…]``): a rule counts the calls that fit all of them."""


def values_of(scope: str, call: Call) -> tuple[str, ...]:
    """What a call is in one scope. Several for agents: a call counts for each around it."""
    if scope == "global":
        return ("",)
    if scope == "agent":
        # An agent that calls itself again is still one agent.
        return tuple(dict.fromkeys(call.agents)) or (UNATTRIBUTED,)
    if scope.startswith(ATTRIBUTE):
        found: Any = call.attributes.get(scope.removeprefix(ATTRIBUTE))
    else:
        found = getattr(call, scope)
    return (str(found) if found else UNATTRIBUTED,)


def run_of(call: Call) -> str:
    """Whose calls follow on each other: the session, else the trace, else all that have neither."""
    return call.session or call.attributes.get(TRACE_ID) or UNATTRIBUTED


def matches(match: Match, call: Call) -> bool:
    """Whether a call fits every pattern of a rule."""
    return all(_fits(values_of(scope, call), pattern) for scope, pattern in match)


def _fits(values: Iterable[str], pattern: str) -> bool:
    return any(value != UNATTRIBUTED and fnmatchcase(value, pattern) for value in values)


def counted(scope: str, each: bool, match: Match, call: Call) -> tuple[str, ...]:
    """The counters, by value, on which a rule counts a call; none if it does not fit."""
    if match and not matches(match, call):
        return ()
    if not each or scope == "global":
        return ("",)
    patterns = [pattern for name, pattern in match if name == scope]
    values = values_of(scope, call)
    return tuple(v for v in values if _fits((v,), patterns[0])) if patterns else values


def values_by(rule: "Budget") -> Callable[[Call], tuple[str, ...]]:
    """`rule.values`, ready for the hot path: most rules have no pattern and one scope."""
    if always(rule) is not None or rule.match or rule.scope.startswith(ATTRIBUTE):
        return rule.values
    if rule.scope == "agent":
        return lambda call: tuple(dict.fromkeys(call.agents)) if call.agents else _NOBODY
    read: Callable[[Call], str | None] = attrgetter(rule.scope)
    return lambda call: (str(found),) if (found := read(call)) else _NOBODY


def always(rule: "Budget") -> tuple[str, ...] | None:
    """`rule.values`, if that is the same for every call; None if it is not."""
    return _ALL if not rule.match and (not rule.each or rule.scope == "global") else None


TOOL_CALL = "execute_tool"


def target_of(call: Call) -> Target:
    """What the breakers of a call protect: its tool, or its model."""
    if call.operation == TOOL_CALL and call.tool is not None:
        return tool_target(call.tool)
    return model_target(call.provider, call.model)


def concerns(rule: "Budget | RateLimit", call: Call) -> bool:
    """Whether a rule looks at a call at all.

    Tool calls count as calls of rules on tools, and for nothing else. A model call counts for
    a rule on tools by what it uses, if it is made inside of one: that is what the tool costs.
    """
    if call.operation == TOOL_CALL:
        return on_tools(rule) and rule.metric in {"calls", "concurrency"}
    return not on_tools(rule) or (rule.metric in {"cost", "tokens"} and call.tool is not None)


def on_tools(rule: "Budget | RateLimit") -> bool:
    """Whether a rule is about tools."""
    return rule.scope == "tool" or any(scope == "tool" for scope, _ in rule.match)


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` of `metric` for each value of `scope` in each `window`."""

    name: str
    metric: Metric
    limit: int
    """In the metric's unit: nano-USD, tokens or calls."""
    window: Window = "total"
    scope: str = "global"
    zone: tzinfo = UTC
    thresholds: tuple[float, ...] = DEFAULT_THRESHOLDS
    """Parts of the limit whose crossing is told once in each window."""
    enforce: Enforce = "hard"
    """``soft``: told, never refused."""
    each: bool = True
    """One counter for each value of the scope; else one for all that `match`."""
    match: Match = ()
    trip: bool = False
    """Once a call is refused for want of room, refuse all that follow, also those that fit."""

    def values(self, call: Call) -> tuple[str, ...]:
        """Whom the call counts for under this rule: one counter for each."""
        return counted(self.scope, self.each, self.match, call)

    def marks(self) -> tuple[int, ...]:
        """The amounts that are told; of a soft budget also the limit itself."""
        from fractions import Fraction  # a policy may have no budgets

        parts = (*self.thresholds, *((1.0,) if self.enforce == "soft" else ()))
        # As written, not as the float that is next to it: 100 × 0.55 would be told at 56.
        return tuple(sorted({math.ceil(self.limit * Fraction(str(part))) for part in parts} - {0}))


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `limit` of `metric` in a time as long as `per`; or so many calls at once.

    A sliding window over two buckets, which begin at whole seconds, minutes or hours: what lies
    in the one before counts by the part of it that the window still covers, rounded up. That
    is exact where calls come evenly. In no bucket is more admitted than `limit`; a time that
    spans two may see more, if all of the first came at its very end: up to what the first one
    held times the part of the second that has passed, and so never twice the limit.
    """

    name: str
    metric: Metric
    """``calls`` or ``tokens`` per time, or ``concurrency``."""
    limit: int
    per: Per | None = None
    """None for ``concurrency``."""
    scope: str = "global"
    each: bool = True
    match: Match = ()

    def values(self, call: Call) -> tuple[str, ...]:
        """Whom the call counts for under this rule."""
        return counted(self.scope, self.each, self.match, call)

    def bucket(self, now: float) -> tuple[int, int, int]:
        """Start of the bucket, of the one before, and its part that counts, in millionths."""
        if self.per is None:
            return 0, 0, 0
        length = SECONDS[self.per]
        start = math.floor(now / length) * length
        part = math.ceil((length - (now - start)) / length * _MILLION)
        return start, start - length, part

    def retry_after_s(self, now: float, used: int, asked: int) -> float | None:
        """Seconds until `asked` more may fit, if what is used now ran evenly; None: unknown."""
        if self.per is None or asked > self.limit:
            return None
        length = SECONDS[self.per]
        start = math.floor(now / length) * length
        # At the latest when the present bucket has become the one before and has faded enough.
        # One millionth more than enough: times of day are not exact.
        part = max(0, (self.limit - asked) * _MILLION // used - 1) if used else _MILLION
        fade = length * max(0.0, 1 - part / _MILLION)
        return max(0.0, start + length + fade - now)
