"""The only exceptions of ours that reach a host application: a limit that holds.

    SpanledgerRefusal
    ├── BudgetExceeded     a budget has no room for this call
    ├── RateLimited        too many calls or tokens in too short a time
    ├── CircuitOpen        the provider is failing; calls are held back
    ├── LoopDetected       the agent repeats itself
    ├── CeilingReached     a session ran into a hard ceiling
    ├── PriceUnknown       a cost budget can't be held: the model has no price
    └── GuardUnavailable   the limits can't be read, so nothing is let through

Each is raised before any byte is sent, or cuts a stream that would overrun its budget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spanledger.guard.decision import Refusal


class SpanledgerRefusal(Exception):
    """A call that a limit did not let through. Not raised itself; its subclasses say why.

    The attributes repeat the refusal: `rule`, `scope`, `metric`, `limit`, `spent`, `reserved`,
    `asked` (integers in the metric's unit: nano-USD, tokens or calls), `reason` (the same text
    as on span, log and metric) and `retry_after_s` (seconds until it may pass, if known).
    """

    def __init__(self, refusal: Refusal, *, partial: Any = None) -> None:
        self.refusal = refusal
        self.partial = partial
        super().__init__(refusal.sentence())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.refusal,)

    @property
    def reason(self) -> str:
        return self.refusal.reason

    @property
    def rule(self) -> str:
        return self.refusal.rule

    @property
    def scope(self) -> str:
        return self.refusal.scope

    @property
    def metric(self) -> str:
        return self.refusal.metric

    @property
    def limit(self) -> int | None:
        return self.refusal.limit

    @property
    def spent(self) -> int | None:
        return self.refusal.spent

    @property
    def reserved(self) -> int | None:
        return self.refusal.reserved

    @property
    def asked(self) -> int | None:
        return self.refusal.asked

    @property
    def retry_after_s(self) -> float | None:
        return self.refusal.retry_after_s


class BudgetExceeded(SpanledgerRefusal):
    """A budget has no room for this call, or a stream used up what was reserved for it."""


class RateLimited(SpanledgerRefusal):
    """Too many calls or tokens in too short a time."""


class CircuitOpen(SpanledgerRefusal):
    """The provider is failing; calls are held back until it recovers."""


class LoopDetected(SpanledgerRefusal):
    """The agent repeats itself."""


class CeilingReached(SpanledgerRefusal):
    """A session ran into a hard ceiling."""


class PriceUnknown(SpanledgerRefusal):
    """A cost budget applies and the model has no price, so the budget could not be held."""


class GuardUnavailable(SpanledgerRefusal):
    """The limits can't be read or kept, so nothing is let through."""
