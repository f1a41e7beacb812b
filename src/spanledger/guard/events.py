"""What the guard tells its listeners."""

import logging
from collections.abc import Callable
from typing import Literal, Protocol

from spanledger.guard.breaker import Transition
from spanledger.guard.decision import Call, Refusal, show_amount
from spanledger.lean import dataclass

EventKind = Literal[
    "refused", "waited", "cut", "threshold", "tripped", "breaker", "loop", "drift", "policy"
]

#: Reasons of events about the rules themselves.
RULES_CHANGED = "rules_changed"
RULES_UNREADABLE = "rules_unreadable"

_log = logging.getLogger("spanledger.guard")


@dataclass(frozen=True, slots=True)
class Threshold:
    """What is spent under a rule has reached a part of its limit for the first time."""

    rule: str
    scope: str
    metric: str
    window: str
    limit: int
    mark: int
    """The amount that was reached, in the metric's unit. Of a trip: what was spent."""
    spent: int

    @property
    def part(self) -> float:
        """The part of the limit, such as 0.8."""
        return self.mark / self.limit if self.limit else 1.0

    def sentence(self) -> str:
        """What was reached, for a person."""
        spent, limit = show_amount(self.metric, self.spent), show_amount(self.metric, self.limit)
        return (
            f"{self.part:.0%} of budget {self.rule!r} is used "
            f"(scope {self.scope}, window {self.window}): {spent} of {limit}."
        )


@dataclass(frozen=True, slots=True)
class GuardEvent:
    """One decision other than a plain admission. `id` is stable, for idempotent storage."""

    id: str
    kind: EventKind
    at: float
    """Wall-clock seconds since the epoch."""
    call: Call | None
    """The call that was decided about, if the event is about one."""
    reason: str
    refusal: Refusal | None = None
    waited_s: float = 0.0
    threshold: Threshold | None = None
    detail: str = ""
    breaker: Transition | None = None
    """How a breaker changed, if the event is about one."""

    @property
    def message(self) -> str:
        """The event in one sentence."""
        if self.refusal is not None:
            return self.refusal.sentence()
        if self.threshold is not None and not self.detail:
            return self.threshold.sentence()
        if self.detail or self.call is None:
            return self.detail
        return f"A call to {self.call.model} waited {self.waited_s:.3f} s for calls in flight."

    @property
    def is_warning(self) -> bool:
        """Whether somebody should look at it: waits and new rules are everyday life."""
        return self.kind != "waited" and self.reason != RULES_CHANGED


class Listener(Protocol):
    """Gets every event, on the thread that caused it; must return at once and not raise."""

    def __call__(self, event: GuardEvent, /) -> None: ...


def log_event(event: GuardEvent, /, *, clean: Callable[[str], str] = str) -> None:
    """The listener that is always there: one line in the log ``spanledger.guard``.

    `clean` takes secrets out of it.
    """
    level = logging.WARNING if event.is_warning else logging.INFO
    _log.log(level, "%s", clean(event.message))


def tell(listeners: tuple[Listener, ...], event: GuardEvent) -> None:
    """Call each listener; one that raises is logged and does not stop the others."""
    for listener in listeners:
        try:
            listener(event)
        except Exception:  # noqa: BLE001 - a listener is foreign code; the call must go on
            _log.exception("a guard listener failed")
