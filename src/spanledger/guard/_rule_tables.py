"""One kind of rule after the other, from the tables in which they are written. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from spanledger.config import ConfigError, Document
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.guard.ceilings import Ceilings
from spanledger.guard.decision import METRICS, Metric
from spanledger.guard.rules import (
    ATTRIBUTE,
    DEFAULT_THRESHOLDS,
    ENFORCE,
    PERS,
    SCOPES,
    Budget,
    Match,
    RateLimit,
)
from spanledger.guard.windows import WINDOWS
from spanledger.lean import dataclass

if TYPE_CHECKING:
    from spanledger.guard.drift import DriftRule
    from spanledger.guard.loops import LoopRule

Rule: TypeAlias = "Budget | RateLimit | BreakerRule | LoopRule | Ceilings | DriftRule"

NANO = 1_000_000_000
#: What a signed 64-bit counter holds; a limit above it could not be kept in a database.
_MOST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One table of a kind of rules, with what an error must name.

    `index` is its place in the document; None for a rule that stands in none.
    """

    kind: str
    table: Mapping[str, Any]
    document: Document
    index: int | None = None

    @property
    def label(self) -> str:
        return self.kind if self.index is None else f"{self.kind}[{self.index}]"

    def fail(self, problem: str, key: str, allowed: str = "") -> ConfigError:
        return ConfigError(
            problem,
            key=f"{self.label}.{key}",
            found=self.table.get(key),
            allowed=allowed,
            source=self.document.source,
            line=self.document.line_of(self.kind, key, self.index or 0),
        )

    def only(self, keys: Sequence[str]) -> None:
        """Refuse keys that mean nothing here."""
        for key in self.table:
            if key not in keys:
                raise self.fail("no such key", key, ", ".join(keys))


# --- the kinds of rules ---------------------------------------------------------------------

_BUDGET_KEYS = (
    "name", "metric", "limit", "window", "scope", "time_zone", "thresholds", "enforce", "each",
    "match", "trip",
)  # fmt: skip
_RATE_KEYS = ("name", "metric", "limit", "per", "scope", "each", "match")
_RATE_METRICS: tuple[Metric, ...] = ("calls", "tokens", "concurrency")


def _budget(entry: Entry) -> Budget:
    entry.only(_BUDGET_KEYS)
    metric = _choice(entry, "metric", METRICS)
    enforce, trip = _choice(entry, "enforce", ENFORCE, default="hard"), _flag(entry, "trip")
    if trip and enforce == "soft":
        raise entry.fail("a soft budget refuses nothing, so it can't trip", "trip", "false")
    return Budget(
        name=_name(entry),
        metric=metric,
        limit=_limit(entry, metric),
        window=_choice(entry, "window", WINDOWS),
        scope=_scope(entry),
        zone=_zone(entry),
        thresholds=_thresholds(entry),
        enforce=enforce,
        each=_flag(entry, "each", default=True),
        match=_match(entry),
        trip=trip,
    )


def _rate_limit(entry: Entry) -> RateLimit:
    entry.only(_RATE_KEYS)
    metric = _choice(entry, "metric", _RATE_METRICS)
    if metric == "concurrency" and "per" in entry.table:
        raise entry.fail("concurrency is at one time, not per time", "per", "no such key here")
    return RateLimit(
        name=_name(entry),
        metric=metric,
        limit=_limit(entry, metric),
        per=None if metric == "concurrency" else _choice(entry, "per", PERS),
        scope=_scope(entry),
        each=_flag(entry, "each", default=True),
        match=_match(entry),
    )


def _breaker(entry: Entry) -> BreakerRule:
    return _from_fields(entry, BreakerRule)  # type: ignore[no-any-return]  # made by its class


def _loop(entry: Entry) -> "LoopRule":
    from spanledger.guard.loops import LoopRule  # most policies have none

    return _from_fields(entry, LoopRule, polling=frozenset)  # type: ignore[no-any-return]  # as above


def _ceilings(entry: Entry) -> Ceilings:
    return _from_fields(entry, Ceilings)  # type: ignore[no-any-return]  # as above


#: Money is written in US dollars and kept in nano-USD.
_FLOOR, _FLOOR_FIELD = "turn_floor_usd", "turn_floor_nano_usd"


def _drift(entry: Entry) -> "DriftRule":
    from spanledger.guard.drift import DriftRule  # most policies have none

    entry.only([_FLOOR if f.name == _FLOOR_FIELD else f.name for f in fields(DriftRule)])
    rest = {key: value for key, value in entry.table.items() if key != _FLOOR}
    rule: DriftRule = _from_fields(replace(entry, table=rest), DriftRule)
    if _FLOOR not in entry.table:
        return rule
    return replace(rule, turn_floor_nano_usd=_limit(entry, "cost", _FLOOR))


def _from_fields(entry: Entry, cls: type[Any], **convert: Callable[[Any], Any]) -> Any:
    """A rule whose keys are the fields of its class, which checks its own values."""
    specs = {spec.name: spec for spec in fields(cls)}
    entry.only(list(specs))
    values = {"name": _name(entry)}
    for key, value in entry.table.items():
        if key in convert and not _texts(value):
            raise entry.fail("can't be used", key, "texts in a list")
        if isinstance(specs[key].default, float) and not _is_number(value):
            raise entry.fail("can't be used", key, "a number")
        values[key] = convert[key](value) if key in convert else value
    try:
        return cls(**values)
    except ValueError as error:
        _blame(entry, list(specs), error)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _blame(entry: Entry, keys: Sequence[str], error: ValueError) -> NoReturn:
    """Turn a class's complaint ("breaker 'a': open_s is 0; …") into one that names the place."""
    key = next((key for key in keys if f": {key} is " in str(error)), "name")
    raise entry.fail(str(error), key) from None


# --- single values --------------------------------------------------------------------------


def _name(entry: Entry) -> str:
    name = entry.table.get("name")
    if not isinstance(name, str) or not name.strip():
        kind = entry.kind.removesuffix("s").replace("_", " ")
        raise entry.fail(f"every {kind} needs a name", "name", "a text")
    return name


def _choice(entry: Entry, key: str, allowed: Sequence[Any], default: Any = None) -> Any:
    value = entry.table.get(key, default)
    if value is None:
        raise entry.fail("is missing", key, ", ".join(allowed))
    if value not in allowed:
        raise entry.fail("no such value", key, ", ".join(allowed))
    return value


def _flag(entry: Entry, key: str, *, default: bool = False) -> bool:
    value = entry.table.get(key, default)
    if not isinstance(value, bool):
        raise entry.fail("can't be used", key, "true, false")
    return value


_SCOPES_SAID = ", ".join(SCOPES) + f", {ATTRIBUTE}NAME"


def _is_scope(value: object) -> bool:
    own = isinstance(value, str) and value.startswith(ATTRIBUTE) and len(value) > len(ATTRIBUTE)
    return own or value in SCOPES


def _scope(entry: Entry) -> str:
    value: Any = entry.table.get("scope", "global")
    if not _is_scope(value):
        raise entry.fail("no such value", "scope", _SCOPES_SAID)
    return str(value)


def _match(entry: Entry) -> Match:
    table = entry.table.get("match", {})
    if not isinstance(table, dict) or not all(isinstance(v, str) and v for v in table.values()):
        raise entry.fail("can't be used", "match", 'patterns by scope, such as { model = "gpt-*" }')
    for scope in table:
        if scope == "global" or not _is_scope(scope):
            raise entry.fail(f"{scope!r} is no scope", "match", _SCOPES_SAID)
    return tuple(table.items())


def _thresholds(entry: Entry) -> tuple[float, ...]:
    value = entry.table.get("thresholds", list(DEFAULT_THRESHOLDS))
    allowed = "parts of the limit above 0 and up to 1, ascending, such as [0.8, 0.95]"
    if not isinstance(value, list) or any(isinstance(v, bool) for v in value):
        raise entry.fail("can't be used", "thresholds", allowed)
    if not all(isinstance(v, (int, float)) and 0 < v <= 1 for v in value):
        raise entry.fail("can't be used", "thresholds", allowed)
    if sorted(set(value)) != value:
        raise entry.fail("must ascend", "thresholds", allowed)
    return tuple(map(float, value))


def _limit(entry: Entry, metric: Metric, key: str = "limit") -> int:
    if key not in entry.table:
        raise entry.fail("is missing", key, limit_form(metric))
    try:
        return parse_limit(metric, entry.table[key])
    except ValueError:
        raise entry.fail("can't be used", key, limit_form(metric)) from None


def limit_form(metric: Metric) -> str:
    """How a limit of this metric is written."""
    if metric == "cost":
        return 'US dollars of at least 0, such as 5 or "0.25"'
    counted = "calls" if metric == "concurrency" else metric
    return f"a whole number of {counted} of at least 0"


def parse_limit(metric: Metric, value: Any) -> int:
    """A limit in the metric's unit. Raises `ValueError` if it is no number of 0 … 2⁶³ − 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(value)
    from decimal import Decimal, InvalidOperation  # a policy may have no limits

    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(value) from None
    unit = NANO if metric == "cost" else 1
    if not amount.is_finite() or not 0 <= amount <= _MOST // unit:
        raise ValueError(value)
    scaled = amount * unit
    if metric != "cost" and scaled != int(scaled):
        raise ValueError(value)
    return int(scaled)


def _zone(entry: Entry) -> tzinfo:
    name = entry.table.get("time_zone", "UTC")
    if name == "UTC":
        return UTC
    # It asks the system where time zones are: more than a millisecond.
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise entry.fail("no such time zone", "time_zone", "a name such as Europe/Berlin") from None


#: The kinds of rules, by the name of their tables, in the order in which they are read.
READERS: Mapping[str, Callable[[Entry], Rule]] = {
    "budgets": _budget,
    "rate_limits": _rate_limit,
    "breakers": _breaker,
    "loops": _loop,
    "ceilings": _ceilings,
    "drifts": _drift,
}
