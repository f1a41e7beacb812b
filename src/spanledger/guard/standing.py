"""What stands on the counters of a rule in its present window. Pure."""

from collections.abc import Iterable, Mapping
from typing import Generic, Literal, TypeVar

from spanledger.guard.ledger import Counter, Key
from spanledger.guard.rules import Budget, RateLimit
from spanledger.guard.windows import bounds
from spanledger.lean import dataclass

Source = Literal["file", "environment", "run time", "code"]
R = TypeVar("R", Budget, RateLimit)

_NONE = Counter()
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class CounterUse:
    """One counter, in the metric's unit (nano-USD, tokens, calls)."""

    value: str
    """Whom it counts: a session, an agent, …; empty if the rule counts all together."""
    spent: int
    """Of a rate limit: all that the sliding window still holds."""
    reserved: int
    limit: int
    resets_at: int | None = None
    """When the window ends, in seconds since the epoch; None: it slides, or never ends."""
    tripped_at: int | None = None
    """When the budget tripped for it, in seconds since the epoch: it refuses every call."""

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.spent - self.reserved)

    @property
    def used_part(self) -> float:
        """Spent and reserved as a part of the limit; above 1 where more was used than held."""
        used = self.spent + self.reserved
        return used / self.limit if self.limit else float(used > 0)


@dataclass(frozen=True, slots=True)
class RuleUse(Generic[R]):
    """A rule, where it comes from, and its counters: the one that is used most comes first."""

    rule: R
    source: Source
    definition: Mapping[str, object]
    """All of its keys, as in the policy file."""
    counters: tuple[CounterUse, ...]


def budget_uses(
    budget: Budget, counters: Iterable[tuple[Key, Counter]], now: float
) -> tuple[CounterUse, ...]:
    """The counters of a budget in the window that holds `now` (seconds since the epoch)."""
    start, end = bounds(now, budget.window, budget.zone)
    return _sorted(
        CounterUse(
            key.value,
            counter.spent,
            counter.reserved,
            budget.limit,
            end,
            _tripped_at(budget, counter),
        )
        for key, counter in counters
        if key.window_start == start and key.metric == budget.metric
    )


def _tripped_at(budget: Budget, counter: Counter) -> int | None:
    return counter.tripped.at if budget.trip and counter.tripped else None


def rate_uses(
    rate: RateLimit, counters: Iterable[tuple[Key, Counter]], now: float
) -> tuple[CounterUse, ...]:
    """The counters of a rate limit; what has left its sliding window is left out."""
    start, earlier, part = rate.bucket(now)
    found = {
        (key.value, key.window_start): counter
        for key, counter in counters
        if key.metric == rate.metric
    }
    values = {value for value, begin in found if begin in {start, earlier}}
    uses = (_rate_use(rate, value, found, (start, earlier, part)) for value in values)
    return _sorted(use for use in uses if use.spent or use.reserved)


def _rate_use(
    rate: RateLimit,
    value: str,
    counters: Mapping[tuple[str, int], Counter],
    bucket: tuple[int, int, int],
) -> CounterUse:
    start, earlier, part = bucket
    present = counters.get((value, start), _NONE)
    if rate.per is None:
        return CounterUse(value, 0, present.reserved, rate.limit)
    before = counters.get((value, earlier), _NONE)
    # As the ledger counts it: the bucket before by the part that is still covered, rounded up.
    carried = -(-(before.spent + before.reserved) * part // _MILLION)
    return CounterUse(value, present.spent + carried, present.reserved, rate.limit)


def _sorted(uses: Iterable[CounterUse]) -> tuple[CounterUse, ...]:
    return tuple(sorted(uses, key=lambda use: (-use.spent - use.reserved, use.value)))
