"""Budgets that hold before money is spent: policy, ledger, decisions, refusals."""

from spanledger.guard._current import current, use
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

__all__ = [
    "NOTHING_SPENT",
    "Budget",
    "BudgetExceeded",
    "BudgetState",
    "Call",
    "CeilingReached",
    "CircuitOpen",
    "Decision",
    "Estimate",
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
    "SpanledgerRefusal",
    "Spending",
    "Store",
    "StoreUnavailable",
    "Threshold",
    "current",
    "log_event",
    "open_store",
    "read_policy",
    "show_amount",
    "use",
]
