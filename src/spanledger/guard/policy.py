"""What a user wrote, as rules. Pure: text and tables in, frozen rules or a `ConfigError` out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from spanledger.config import BudgetShortcut, ConfigError, Document
from spanledger.guard.decision import METRICS, Call, Metric
from spanledger.guard.windows import WINDOWS, Window

ScopeName = Literal["global", "session", "agent"]
SCOPES: tuple[ScopeName, ...] = get_args(ScopeName)

NANO = 1_000_000_000
#: What a signed 64-bit counter holds; a limit above it could not be kept in a database.
_MOST = 2**63 - 1
#: The counter of calls that have no session or agent, under a rule that counts each of them.
UNATTRIBUTED = "(none)"


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget: at most `limit` of `metric` for each value of `scope` in each `window`."""

    name: str
    metric: Metric
    limit: int
    """In the metric's unit: nano-USD, tokens or calls."""
    window: Window = "total"
    scope: ScopeName = "global"
    zone: tzinfo = UTC

    def values(self, call: Call) -> tuple[str, ...]:
        """Whom the call counts for under this rule: one counter for each."""
        if self.scope == "global":
            return ("",)
        if self.scope == "session":
            return (call.session or UNATTRIBUTED,)
        # An agent that calls itself again is still one agent.
        return tuple(dict.fromkeys(call.agents)) or (UNATTRIBUTED,)


@dataclass(frozen=True, slots=True)
class Policy:
    """All rules of a process."""

    budgets: tuple[Budget, ...] = ()
    source: str = ""

    def __bool__(self) -> bool:
        return bool(self.budgets)


_BUDGET_KEYS = ("name", "metric", "limit", "window", "scope", "time_zone")


@dataclass(slots=True)
class _Entry:
    """One ``[[budgets]]`` table with what an error must name."""

    table: Mapping[str, Any]
    document: Document
    index: int
    label: str = field(init=False)

    def __post_init__(self) -> None:
        self.label = f"budgets[{self.index}]"

    def fail(self, problem: str, key: str, allowed: str = "") -> ConfigError:
        return ConfigError(
            problem,
            key=f"{self.label}.{key}",
            found=self.table.get(key),
            allowed=allowed,
            source=self.document.source,
            line=self.document.line_of("budgets", key, self.index),
        )


def read_policy(document: Document, shortcut: BudgetShortcut | None = None) -> Policy:
    """The rules of a configuration file and of the environment's one-budget shortcut.

    Raises `ConfigError` for the first rule that can't be used.
    """
    tables = document.data.get("budgets", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(
            "budgets are written as [[budgets]]",
            key="budgets",
            source=document.source,
            line=document.line_of("budgets"),
        )
    budgets = [_budget(_Entry(table, document, i)) for i, table in enumerate(tables)]
    if shortcut is not None:
        budgets += _shortcut_budgets(shortcut, document)
    _refuse_same_names(budgets, document)
    return Policy(tuple(budgets), document.source)


def _budget(entry: _Entry) -> Budget:
    for key in entry.table:
        if key not in _BUDGET_KEYS:
            raise entry.fail("no such key", key, ", ".join(_BUDGET_KEYS))
    metric = _choice(entry, "metric", METRICS)
    return Budget(
        name=_name(entry),
        metric=metric,
        limit=_limit(entry, metric),
        window=_choice(entry, "window", WINDOWS),
        scope=_choice(entry, "scope", SCOPES, default="global"),
        zone=_zone(entry),
    )


def _name(entry: _Entry) -> str:
    name = entry.table.get("name")
    if not isinstance(name, str) or not name.strip():
        raise entry.fail("every budget needs a name", "name", "a text")
    return name


def _choice(entry: _Entry, key: str, allowed: Sequence[Any], default: Any = None) -> Any:
    value = entry.table.get(key, default)
    if value is None:
        raise entry.fail("is missing", key, ", ".join(allowed))
    if value not in allowed:
        raise entry.fail("no such value", key, ", ".join(allowed))
    return value


def _limit(entry: _Entry, metric: Metric) -> int:
    if "limit" not in entry.table:
        raise entry.fail("is missing", "limit", _limit_form(metric))
    try:
        return parse_limit(metric, entry.table["limit"])
    except ValueError:
        raise entry.fail("can't be used", "limit", _limit_form(metric)) from None


def _limit_form(metric: Metric) -> str:
    if metric == "cost":
        return 'US dollars of at least 0, such as 5 or "0.25"'
    return f"a whole number of {metric} of at least 0"


def parse_limit(metric: Metric, value: Any) -> int:
    """A limit in the metric's unit. Raises `ValueError` if it is no number of 0 … 2⁶³ − 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(value)
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


def _zone(entry: _Entry) -> tzinfo:
    name = entry.table.get("time_zone", "UTC")
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise entry.fail("no such time zone", "time_zone", "a name such as Europe/Berlin") from None


def _shortcut_budgets(shortcut: BudgetShortcut, document: Document) -> list[Budget]:
    limits: dict[Metric, Any] = {
        "cost": shortcut.usd,
        "tokens": shortcut.tokens,
        "calls": shortcut.calls,
    }
    if shortcut.window not in WINDOWS:
        raise _shortcut_error(document, "window", "no such value", shortcut.window, WINDOWS)
    return [
        _shortcut_budget(metric, limit, shortcut.window, document)
        for metric, limit in limits.items()
        if limit is not None
    ]


def _shortcut_budget(metric: Metric, limit: Any, window: Window, document: Document) -> Budget:
    try:
        return Budget(f"environment-{metric}", metric, parse_limit(metric, limit), window)
    except ValueError:
        name, allowed = ("usd" if metric == "cost" else metric), _limit_form(metric)
        raise _shortcut_error(document, name, "can't be used", limit, (allowed,)) from None


def _shortcut_error(
    document: Document, name: str, problem: str, found: object, allowed: Sequence[str]
) -> ConfigError:
    """Settings don't say where they come from; the file is named if it holds this very value."""
    in_file = str(document.data.get("budget", {}).get(name)) == str(found)
    return ConfigError(
        problem,
        key=f"budget.{name}" if in_file else f"SPANLEDGER_BUDGET_{name.upper()}",
        found=found,
        allowed=", ".join(allowed),
        source=document.source if in_file else "environment",
        line=document.line_of("budget", name) if in_file else None,
    )


def _refuse_same_names(budgets: Sequence[Budget], document: Document) -> None:
    seen: set[str] = set()
    for index, budget in enumerate(budgets):
        if budget.name in seen:
            raise ConfigError(
                "two rules of one name",
                key=f"budgets[{index}].name",
                found=budget.name,
                allowed="a name of its own",
                source=document.source,
                line=document.line_of("budgets", "name", index),
            )
        seen.add(budget.name)
