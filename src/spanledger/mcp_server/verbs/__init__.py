"""The verbs by their names, a group in each file."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spanledger.mcp_server.answers import Answer
from spanledger.mcp_server.place import Place
from spanledger.mcp_server.verbs.budgets import Budgets
from spanledger.mcp_server.verbs.contexts import Contexts
from spanledger.mcp_server.verbs.forecasts import Forecasts
from spanledger.mcp_server.verbs.guards import Guards
from spanledger.mcp_server.verbs.histories import Histories
from spanledger.mcp_server.verbs.rate_limits import RateLimits
from spanledger.mcp_server.verbs.traces import Traces
from spanledger.mcp_server.verbs.usages import Usages

__all__ = ["VERBS", "Verb"]


@dataclass(frozen=True, slots=True)
class Verb:
    """A method of a group, under its own name."""

    group: Callable[[Place], Any]
    name: str
    writes: bool = False
    destroys: bool = False

    def of(self, place: Place) -> Callable[..., Answer]:
        found: Callable[..., Answer] = getattr(self.group(place), self.name)
        return found


VERBS = (
    Verb(Usages, "usage_track_call", writes=True),
    Verb(Usages, "usage_get_stats"),
    Verb(Usages, "usage_get_report"),
    Verb(Usages, "usage_export"),
    Verb(Usages, "usage_reset", writes=True, destroys=True),
    Verb(Budgets, "budget_create", writes=True),
    Verb(Budgets, "budget_update", writes=True),
    Verb(Budgets, "budget_get"),
    Verb(Budgets, "budget_list"),
    Verb(Budgets, "budget_delete", writes=True, destroys=True),
    Verb(RateLimits, "rate_limit_set", writes=True),
    Verb(RateLimits, "rate_limit_check"),
    Verb(Contexts, "context_analyze"),
    Verb(Contexts, "context_optimize"),
    Verb(Contexts, "context_summarize"),
    Verb(Contexts, "context_truncate"),
    Verb(Contexts, "context_estimate_tokens"),
    Verb(Histories, "last_action"),
    Verb(Histories, "explain"),
    Verb(Histories, "find_related"),
    Verb(Traces, "trace_get"),
    Verb(Traces, "errors_recent"),
    Verb(Forecasts, "forecast"),
    Verb(Forecasts, "anomalies"),
    Verb(Guards, "guard_explain"),
)
