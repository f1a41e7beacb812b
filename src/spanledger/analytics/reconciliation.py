"""Recorded against billed: by day and model, each difference with its class. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, get_args

from spanledger.analytics.bills import BilledLine
from spanledger.analytics.recorded_days import RecordedDay

DifferenceClass = Literal[
    "none",
    "rounding",
    "missing",
    "extra",
    "double",
    "cached",
    "tier",
    "unpriced",
    "tokens",
    "price",
]
DIFFERENCE_CLASSES: tuple[DifferenceClass, ...] = get_args(DifferenceClass)

MEANINGS: dict[DifferenceClass, str] = {
    "none": "the same",
    "rounding": "less than a cent, or than half a percent",
    "missing": "billed, but not (all) recorded: calls that passed our gate by",
    "extra": "recorded, but not billed: free or refunded calls, or another account's",
    "double": "recorded twice or more: several instrumentations of one library",
    "cached": "the same input, but other parts of it came from or went into the cache",
    "tier": "the same tokens, at the price of another service tier",
    "unpriced": "the same tokens, but calls of ours have no price",
    "tokens": "other numbers of tokens, for no reason that the numbers show",
    "price": "the same tokens at another price: a discount, or our price is old",
}
_CENT = Decimal("0.01")
_SMALL = Decimal("0.005")
_PLAIN_TIERS = frozenset({"", "default", "standard", "auto"})


@dataclass(frozen=True, slots=True)
class Amounts:
    """One side of a line. None: this side does not tell."""

    calls: int | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cost_usd: Decimal | None
    tiers: Sequence[str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One day and model, on both sides."""

    day: date
    provider: str
    model: str
    recorded: Amounts | None
    """None: nothing is recorded."""
    billed: Amounts | None
    """None: nothing is billed."""
    unpriced_calls: int
    kind: DifferenceClass

    @property
    def cost_difference_usd(self) -> Decimal | None:
        """Billed less recorded; None: the bill tells no cost."""
        if self.billed is None or self.billed.cost_usd is None:
            return None
        recorded = self.recorded.cost_usd if self.recorded else None
        return self.billed.cost_usd - (recorded or Decimal(0))


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """All lines, by day, provider and model."""

    lines: Sequence[Difference]
    recorded_usd: Decimal
    """Of calls that have a price."""
    billed_usd: Decimal | None
    """None: the export tells usage only."""

    @property
    def explained(self) -> bool:
        """Whether no line differs by more than rounding."""
        return all(line.kind in ("none", "rounding") for line in self.lines)


def reconcile(recorded: Iterable[RecordedDay], billed: Iterable[BilledLine]) -> Reconciliation:
    """Compare what is recorded with what is billed, by day and model.

    Bills that are not broken down by model are compared by day.
    """
    bills = list(billed)
    whole = not any(line.model for line in bills)
    ours: dict[_Key, list[RecordedDay]] = defaultdict(list)
    for row in recorded:
        ours[_key(row.day, row.provider, "" if whole else row.model)].append(row)
    theirs: dict[_Key, list[BilledLine]] = defaultdict(list)
    for line in bills:
        theirs[_key(line.day, line.provider, line.model)].append(line)
    lines = [_difference(key, ours.get(key, []), theirs.get(key, []))
             for key in sorted({*ours, *theirs})]  # fmt: skip
    return Reconciliation(
        lines,
        sum((row.cost_usd or Decimal(0) for rows in ours.values() for row in rows), Decimal(0)),
        _added([line.cost_usd for line in bills]),
    )


_Key = tuple[date, str, str]


def _key(day: date, provider: str, model: str) -> _Key:
    """``azure.ai.openai`` and ``openai`` are billed apart; spelling is not told apart."""
    return day, provider.lower(), model.lower()


def _difference(key: _Key, ours: Sequence[RecordedDay], theirs: Sequence[BilledLine]) -> Difference:
    unpriced = sum(row.unpriced_calls for row in ours)
    recorded = _recorded(ours) if ours else None
    billed = _billed(theirs) if theirs else None
    return Difference(*key, recorded, billed, unpriced, classify(recorded, billed, unpriced))


def _recorded(rows: Sequence[RecordedDay]) -> Amounts:
    return Amounts(
        calls=sum(row.calls for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        cache_read_tokens=sum(row.cache_read_tokens for row in rows),
        cache_write_tokens=sum(row.cache_write_tokens for row in rows),
        cost_usd=_added([row.cost_usd for row in rows]),
        tiers=_tiers(row.service_tier for row in rows),
    )


def _billed(lines: Sequence[BilledLine]) -> Amounts:
    def total(number: Callable[[BilledLine], int | None]) -> int | None:
        told = [value for line in lines if (value := number(line)) is not None]
        return sum(told) if told else None

    return Amounts(
        calls=total(lambda line: line.calls),
        input_tokens=total(lambda line: line.input_tokens),
        output_tokens=total(lambda line: line.output_tokens),
        cache_read_tokens=total(lambda line: line.cache_read_tokens),
        cache_write_tokens=total(lambda line: line.cache_write_tokens),
        cost_usd=_added([line.cost_usd for line in lines]),
        tiers=_tiers(line.service_tier for line in lines),
    )


def _added(costs: Iterable[Decimal | None]) -> Decimal | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if known else None


def _tiers(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({"" if name in _PLAIN_TIERS else name for name in names}))


def classify(recorded: Amounts | None, billed: Amounts | None, unpriced: int) -> DifferenceClass:
    """What kind of difference it is, the first that fits."""
    if recorded is None or billed is None:
        return "missing" if recorded is None else "extra"
    if billed.input_tokens is None:
        return _by_cost(recorded, billed, unpriced)
    if (kind := _by_tokens(recorded, billed)) is not None:
        return kind
    if recorded.cost_usd is None and billed.cost_usd is None:
        return "none"
    return _by_cost(recorded, billed, unpriced)


def _by_tokens(recorded: Amounts, billed: Amounts) -> DifferenceClass | None:
    ours = (recorded.input_tokens or 0, recorded.output_tokens or 0)
    theirs = (billed.input_tokens or 0, billed.output_tokens or 0)
    if ours == theirs:
        cached = (recorded.cache_read_tokens, recorded.cache_write_tokens)
        # OpenAI's exports know no writes.
        told = (billed.cache_read_tokens, billed.cache_write_tokens or recorded.cache_write_tokens)
        return "cached" if cached != told else None
    if _times(ours, theirs) >= 2:
        return "double"
    if all(own <= told for own, told in zip(ours, theirs, strict=True)):
        return "missing"
    if all(own >= told for own, told in zip(ours, theirs, strict=True)):
        return "extra"
    return "tokens"


def _times(ours: tuple[int, int], theirs: tuple[int, int]) -> int:
    """How many times over everything is recorded; 0: not a whole number of times."""
    factors = {own / told for own, told in zip(ours, theirs, strict=True) if told}
    factor = factors.pop() if len(factors) == 1 else 0.0
    return int(factor) if factor.is_integer() else 0


def _by_cost(recorded: Amounts, billed: Amounts, unpriced: int) -> DifferenceClass:
    if billed.cost_usd is None:
        return "none"
    off = abs(billed.cost_usd - (recorded.cost_usd or 0))
    if off == 0:
        return "none"
    if unpriced:
        return "unpriced"
    if off < _CENT or off <= _SMALL * billed.cost_usd:
        return "rounding"
    if billed.input_tokens is not None and recorded.tiers != billed.tiers:
        return "tier"
    return "price"
