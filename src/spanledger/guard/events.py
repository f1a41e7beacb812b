"""What the guard tells its listeners."""

import logging
from dataclasses import dataclass
from typing import Literal, Protocol

from spanledger.guard.decision import Call, Refusal

EventKind = Literal["refused", "waited", "cut", "overrun", "lease_charged"]

_log = logging.getLogger("spanledger.guard")


@dataclass(frozen=True, slots=True)
class GuardEvent:
    """One decision other than a plain admission. `id` is stable, for idempotent storage."""

    id: str
    kind: EventKind
    at: float
    """Wall-clock seconds since the epoch."""
    call: Call
    reason: str
    refusal: Refusal | None = None
    waited_s: float = 0.0

    @property
    def message(self) -> str:
        """The event in one sentence."""
        if self.refusal is not None:
            return self.refusal.sentence()
        return f"A call to {self.call.model} waited {self.waited_s:.3f} s for calls in flight."


class Listener(Protocol):
    """Gets every event, on the thread that caused it; must return at once and not raise."""

    def __call__(self, event: GuardEvent, /) -> None: ...


def log_event(event: GuardEvent) -> None:
    """The listener that is always there: one line in the log ``spanledger.guard``."""
    level = logging.WARNING if event.refusal is not None else logging.INFO
    _log.log(level, "%s", event.message)


def tell(listeners: tuple[Listener, ...], event: GuardEvent) -> None:
    """Call each listener; one that raises is logged and does not stop the others."""
    for listener in listeners:
        try:
            listener(event)
        except Exception:  # noqa: BLE001 - a listener is foreign code; the call must go on
            _log.exception("a guard listener failed")
