"""Budgets that hold before money is spent: policy, ledger, decisions, refusals."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spanledger.guard._current import (
    current,
    ready,
    ready_async,
    ready_now,
    ready_soon,
    reload,
    use,
)
from spanledger.guard._guard import BudgetState, Guard
from spanledger.guard.decision import (
    NOTHING_SPENT,
    Call,
    Decision,
    Estimate,
    Refusal,
    Reservation,
    Spending,
    show_amount,
)
from spanledger.guard.errors import (
    BudgetExceeded,
    CeilingReached,
    CircuitOpen,
    GuardUnavailable,
    LoopDetected,
    PriceUnknown,
    RateLimited,
    SpanledgerRefusal,
)
from spanledger.guard.events import GuardEvent, Listener, Threshold, log_event
from spanledger.guard.policy import Policy, read_policy
from spanledger.guard.rules import Budget, RateLimit
from spanledger.guard.stores import MemoryStore, Store, StoreUnavailable
from spanledger.guard.stores.opening import open_store

if TYPE_CHECKING:
    from spanledger.guard._admin import Admin, AdminError, BreakerBoard, admin
    from spanledger.guard.explain import Explanation, RuleVerdict
    from spanledger.guard.standing import CounterUse, RuleUse

__all__ = [
    "NOTHING_SPENT",
    "Admin",
    "AdminError",
    "BreakerBoard",
    "Budget",
    "BudgetExceeded",
    "BudgetState",
    "Call",
    "CeilingReached",
    "CircuitOpen",
    "CounterUse",
    "Decision",
    "Estimate",
    "Explanation",
    "Guard",
    "GuardEvent",
    "GuardUnavailable",
    "Listener",
    "LoopDetected",
    "MemoryStore",
    "Policy",
    "PriceUnknown",
    "RateLimit",
    "RateLimited",
    "Refusal",
    "Reservation",
    "RuleUse",
    "RuleVerdict",
    "SpanledgerRefusal",
    "Spending",
    "Store",
    "StoreUnavailable",
    "Threshold",
    "admin",
    "current",
    "log_event",
    "open_store",
    "read_policy",
    "ready",
    "ready_async",
    "ready_now",
    "ready_soon",
    "reload",
    "show_amount",
    "use",
]

#: Loaded with the first use: an agent that nobody asks needs none of it at its start.
_LATER = {
    "Admin": "_admin",
    "AdminError": "_admin",
    "BreakerBoard": "_admin",
    "CounterUse": "standing",
    "Explanation": "explain",
    "RuleUse": "standing",
    "RuleVerdict": "explain",
    "admin": "_admin",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
