"""What recovery leaves behind: a span around each new try, an event at the end, a counter."""

from typing import Any, Literal

from opentelemetry import metrics, trace

from spanledger import semconv
from spanledger.recovery.failures import Kind
from spanledger.track import Tracked

Act = Literal["retry", "fallback", "adapt"]

_counter: Any = None


def act(what: Act, name: str, failure: Kind, *, choice: str = "", **more: Any) -> Tracked:
    """The span of one act, for a ``with`` statement around the try that it leads to."""
    _counted(what, failure)
    attributes = {
        semconv.SPAN_KIND: "recovery",
        semconv.RECOVERY_ACT: what,
        semconv.RECOVERY_NAME: name,
        semconv.RECOVERY_FAILURE: failure,
        **more,
    }
    if choice:
        attributes[semconv.RECOVERY_CHOICE] = choice
    return Tracked(f"{what} {name}", attributes)


def ended(what: Act, name: str, **facts: Any) -> None:
    """Note on the span that is current how it came out."""
    attributes = {semconv.RECOVERY_ACT: what, semconv.RECOVERY_NAME: name, **facts}
    trace.get_current_span().add_event(semconv.RECOVERY_EVENT_NAME, attributes)


def _counted(what: Act, failure: Kind) -> None:
    global _counter
    if _counter is None:
        _counter = metrics.get_meter("spanledger.recovery").create_counter(
            semconv.METRIC_RECOVERY_ACTS, "{act}", "Retries, fallbacks and adapted prompts."
        )
    _counter.add(1, {semconv.RECOVERY_ACT: what, semconv.RECOVERY_FAILURE: failure})
