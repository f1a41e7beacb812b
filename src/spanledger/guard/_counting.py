"""Budgets or rate limits, as people list, change, reset and delete them."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Generic, cast

from spanledger.config import ConfigError, Document
from spanledger.guard._finding import SAID, AdminError, rule_named, source_of, where
from spanledger.guard._tables import budget_table, rate_limit_table
from spanledger.guard.ledger import Counter, Key
from spanledger.guard.policy import Policy
from spanledger.guard.rulebook import define, merged, read_definition
from spanledger.guard.rules import Budget, RateLimit
from spanledger.guard.standing import CounterUse, R, RuleUse, budget_uses, rate_uses
from spanledger.guard.stores import Store
from spanledger.lean import dataclass


@dataclass(frozen=True, slots=True)
class Books:
    """A ledger, and the rules that hold for it beside those made at run time.

    `clock` gives seconds since the epoch; `changed` is called after each change of a rule.
    """

    store: Store
    policy: Policy
    document: Document
    clock: Callable[[], float]
    changed: Callable[[], object]

    def keep(self, name: str, definition: str | None) -> None:
        """Put a rule into the store, or take it out (None)."""
        self.store.put_rule(name, definition)
        self.changed()

    def holding(self) -> Policy:
        """The rules that hold: those of run time win. Raises `ConfigError` for a broken one."""
        return merged(self.policy, self.store.rules())


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """One kind of rules that count."""

    table: str
    written: Callable[[R], dict[str, object]]
    uses: Callable[[R, Iterable[tuple[Key, Counter]], float], tuple[CounterUse, ...]]


BUDGETS: Kind[Budget] = Kind("budgets", budget_table, budget_uses)
RATE_LIMITS: Kind[RateLimit] = Kind("rate_limits", rate_limit_table, rate_uses)


@dataclass(frozen=True, slots=True)
class Counting(Generic[R]):
    """The verbs of one kind of rules."""

    kind: Kind[R]
    books: Books

    def all(self) -> list[RuleUse[R]]:
        """Every rule with its counters."""
        holding = self.books.holding()
        return [self._use(rule, holding) for rule in self._rules(holding)]

    def one(self, name: str) -> RuleUse[R]:
        """One rule with its counters. Raises `AdminError` if there is none of this name."""
        holding = self.books.holding()
        return self._use(self._named(holding, name), holding)

    def put(self, name: str, changes: Mapping[str, object]) -> R:
        """Make a rule, or change keys of one. Raises `ConfigError` for values of no use."""
        holding = self.books.holding()
        before = self._named(holding, name) if name in holding.names() else None
        given = {key: value for key, value in changes.items() if value is not None}
        _refuse_other_metric(self._said(name), before, given)
        written = {} if before is None else self.kind.written(before)
        text = define(self.kind.table, {**written, **given, "name": name})
        rule = cast("R", read_definition(name, text))
        # With every key, so that it stays what it is when defaults or the file change.
        self.books.keep(name, define(self.kind.table, self.kind.written(rule)))
        return rule

    def reset(self, name: str, value: str | None) -> int:
        """Set what is spent back to 0; how many counters that were."""
        use = self.one(name)
        number = self.books.store.reset(name, value)
        if value is not None and not number:
            known = ", ".join(repr(counter.value) for counter in use.counters[:5]) or "none yet"
            raise AdminError(f"{self._said(name)} has no counter for {value!r}; it has {known}")
        return number

    def delete(self, name: str) -> R | None:
        """Take out a rule that was made at run time; the one of this name that holds again."""
        made, policy = self.books.store.rules(), self.books.policy
        if name not in made:
            self.one(name)
            place = where(self.kind.table, name, policy, self.books.document)
            raise AdminError(f"{self._said(name)} was not made at run time; {place}")
        # One that can't be read is taken out all the same: this is how it is got rid of.
        with suppress(ConfigError):
            rule_named(merged(Policy(), {name: made[name]}), self.kind.table, name)
        self.books.keep(name, None)
        left = next((rule for rule in self._rules(policy) if rule.name == name), None)
        if left is None:
            # A rule that may come under this name must not inherit sums of another metric.
            self.books.store.reset(name)
        return left

    def _use(self, rule: R, holding: Policy) -> RuleUse[R]:
        books = self.books
        source = source_of(rule.name, holding, books.document)
        counters = books.store.counters(rule.name)
        uses = self.kind.uses(rule, counters, books.clock())
        return RuleUse(rule, source, self.kind.written(rule), uses)

    def _rules(self, policy: Policy) -> tuple[R, ...]:
        rules: tuple[R, ...] = getattr(policy, self.kind.table)
        return rules

    def _named(self, policy: Policy, name: str) -> R:
        return cast("R", rule_named(policy, self.kind.table, name))

    def _said(self, name: str) -> str:
        return f"{SAID[self.kind.table]} {name!r}"


def _refuse_other_metric(
    said: str, before: Budget | RateLimit | None, given: Mapping[str, object]
) -> None:
    # It would begin at 0, and what it has counted would limit nothing.
    if before is not None and given.get("metric", before.metric) != before.metric:
        raise AdminError(
            f"{said} counts {before.metric}, which can't be turned into {given['metric']}; "
            "give the new rule a name of its own"
        )
