"""What a user wrote, as rules. Pure: text and tables in, frozen rules or a `ConfigError` out."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from spanledger.config import BudgetShortcut, ConfigError, Document
from spanledger.guard._rule_tables import READERS, Entry, Rule, limit_form, parse_limit
from spanledger.guard.decision import Metric
from spanledger.guard.rules import UNATTRIBUTED, Budget, RateLimit
from spanledger.guard.windows import WINDOWS, Window
from spanledger.lean import dataclass

if TYPE_CHECKING:
    from spanledger.guard.breaker_rule import BreakerRule
    from spanledger.guard.ceilings import Ceilings
    from spanledger.guard.drift import DriftRule
    from spanledger.guard.loops import LoopRule

__all__ = [
    "KINDS",
    "UNATTRIBUTED",
    "Budget",
    "Policy",
    "RateLimit",
    "Rule",
    "parse_limit",
    "read_policy",
]

#: The kinds of rules: the names of their tables, and of the fields of a `Policy`.
KINDS = tuple(READERS)


@dataclass(frozen=True, slots=True)
class Policy:
    """All rules of a process."""

    budgets: tuple[Budget, ...] = ()
    source: str = ""
    rate_limits: tuple[RateLimit, ...] = ()
    breakers: "tuple[BreakerRule, ...]" = ()
    loops: "tuple[LoopRule, ...]" = ()
    ceilings: "tuple[Ceilings, ...]" = ()
    drifts: "tuple[DriftRule, ...]" = ()
    runtime: frozenset[str] = frozenset()
    """Names of the rules that were made at run time and stand in the store, not in the file."""

    def __bool__(self) -> bool:
        """Whether there is anything to hold. Drift rules only tell."""
        return any((self.budgets, self.rate_limits, self.breakers, self.loops, self.ceilings))

    def rules(self) -> Iterator[tuple[str, Rule]]:
        """All rules with their kinds, in the order of the tables."""
        for kind in KINDS:
            for rule in getattr(self, kind):
                yield kind, rule

    def names(self) -> Iterator[str]:
        """The names of all rules, in the order of the tables."""
        return (rule.name for _kind, rule in self.rules())


def read_policy(document: Document, shortcut: BudgetShortcut | None = None) -> Policy:
    """The rules of a configuration file and of the environment's one-budget shortcut.

    Raises `ConfigError` for the first rule that can't be used.
    """
    tables: dict[str, Any] = {kind: tuple(_rules(kind, document)) for kind in KINDS}
    if shortcut is not None:
        tables["budgets"] += tuple(_shortcut_budgets(shortcut, document))
    policy = Policy(source=document.source, **tables)
    _refuse_same_names(policy, document)
    return policy


def _rules(kind: str, document: Document) -> list[Rule]:
    tables = document.data.get(kind, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(
            f"{kind} are written as [[{kind}]]",
            key=kind,
            source=document.source,
            line=document.line_of(kind),
        )
    read = READERS[kind]
    return [read(Entry(kind, table, document, i)) for i, table in enumerate(tables)]


# --- the environment's shortcut -------------------------------------------------------------


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
        name, allowed = ("usd" if metric == "cost" else metric), limit_form(metric)
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


def _refuse_same_names(policy: Policy, document: Document) -> None:
    seen: set[str] = set()
    for kind in KINDS:
        for index, rule in enumerate(getattr(policy, kind)):
            if rule.name in seen:
                raise ConfigError(
                    "two rules of one name",
                    key=f"{kind}[{index}].name",
                    found=rule.name,
                    allowed="a name of its own",
                    source=document.source,
                    line=document.line_of(kind, "name", index),
                )
            seen.add(rule.name)
