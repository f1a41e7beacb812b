"""Budgets: what agents may spend."""

from typing import Annotated, Literal

from pydantic import Field

from spanledger.guard import AdminError
from spanledger.mcp_server.answers import Answer, page
from spanledger.mcp_server.arguments import Limit, Offset, RuleName
from spanledger.mcp_server.place import Place
from spanledger.mcp_server.verbs._rules import Amount, Match, ScopeOf, Value, facts, line

Metric = Literal["cost", "tokens", "calls"]
Window = Literal["minute", "hour", "day", "week", "month", "total"]
Enforce = Annotated[
    Literal["hard", "soft"], Field(description="hard refuses calls, soft only tells.")
]


class Budgets:
    """The verbs."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def budget_create(
        self,
        name: RuleName,
        limit: Amount,
        metric: Metric = "cost",
        window: Window = "total",
        scope: ScopeOf = "global",
        enforce: Enforce = "hard",
        match: Match | None = None,
    ) -> Answer:
        """Make a budget that every agent sharing this ledger obeys within seconds."""
        self._place.require_writes()
        if name in {use.rule.name for use in self._place.admin.budgets()}:
            raise AdminError(f"there is a budget {name!r} already; change it with budget_update")
        return self._put(name, limit, metric, window, scope, enforce, match)

    def budget_update(
        self,
        name: RuleName,
        limit: Amount | None = None,
        metric: Metric | None = None,
        window: Window | None = None,
        scope: ScopeOf | None = None,
        enforce: Enforce | None = None,
        match: Match | None = None,
    ) -> Answer:
        """Change a budget; what is not given stays. What is spent stays spent: a limit below it
        refuses at once. Another window or scope begins to count anew."""
        self._place.require_writes()
        self._place.admin.budget(name)
        return self._put(name, limit, metric, window, scope, enforce, match)

    def budget_get(
        self, name: RuleName, value: Value = "", limit: Limit = 20, offset: Offset = 0
    ) -> Answer:
        """One budget with its counters in the present window, the one that is used most first."""
        return facts(self._place.admin.budget(name), value, limit, offset)

    def budget_list(self, limit: Limit = 50, offset: Offset = 0) -> Answer:
        """All budgets, each with the counter that is used most."""
        return page([line(use) for use in self._place.admin.budgets()], limit, offset)

    def budget_delete(self, name: RuleName) -> Answer:
        """Take out a budget that was made at run time, with what it counted. A budget of the
        policy file that it overrode holds again."""
        self._place.require_writes()
        again = self._place.admin.delete_budget(name)
        return {"deleted": name, "file_budget_holds_again": again is not None}

    def _put(
        self,
        name: str,
        limit: str | None,
        metric: str | None,
        window: str | None,
        scope: str | None,
        enforce: str | None,
        match: dict[str, str] | None,
    ) -> Answer:
        admin = self._place.admin
        admin.set_budget(
            name,
            limit=limit,
            metric=metric,
            window=window,
            scope=scope,
            enforce=enforce,
            match=match,
        )
        return line(admin.budget(name))
