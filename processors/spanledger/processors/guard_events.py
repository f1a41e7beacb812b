"""The guard's decisions as log records, tied to the span in which they were made."""

from typing import Any

from opentelemetry import trace

from spanledger import semconv
from spanledger.guard import Call, GuardEvent, Refusal, Threshold
from spanledger.guard.breaker import Transition
from spanledger.processors.export import Exporter
from spanledger.processors.records import Record


class GuardEventRecorder:
    """A guard listener that hands each event to the exporter."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter

    def __call__(self, event: GuardEvent, /) -> None:
        span = trace.get_current_span().get_span_context()
        self._exporter.put(
            Record(
                time_ns=int(event.at * 1e9),
                event_name=semconv.GUARD_EVENT_NAME,
                body=event.message,
                warning=event.is_warning,
                attributes=event_attributes(event),
                trace_id=span.trace_id,
                span_id=span.span_id,
            )
        )


def event_attributes(event: GuardEvent) -> dict[str, Any]:
    """The columns of one ``guard_events`` row. What is not known is left out."""
    refusal, threshold = event.refusal, event.threshold
    attributes: dict[str, Any] = {
        semconv.GUARD_DECISION_ID: event.id,
        semconv.GUARD_EVENT_KIND: event.kind,
        semconv.GUARD_DECISION: "allowed" if refusal is None else "refused",
        semconv.GUARD_REASON: event.reason,
        semconv.GUARD_WAITED_S: event.waited_s,
        **_call_attributes(event.call),
    }
    if refusal is not None:
        attributes |= _refusal_attributes(refusal)
    if threshold is not None:
        attributes |= _threshold_attributes(threshold)
    if event.breaker is not None:
        attributes |= _breaker_attributes(event.breaker)
    return {name: value for name, value in attributes.items() if value is not None}


def _call_attributes(call: Call | None) -> dict[str, Any]:
    if call is None:
        return {}
    return {
        semconv.GUARD_ESTIMATE: call.estimate.method,
        semconv.CALL_ID: call.call_id,
        semconv.OPERATION_NAME: call.operation,
        semconv.CALL_ATTEMPT: call.attempt,
        semconv.PROVIDER_NAME: call.provider,
        semconv.REQUEST_MODEL: call.model,
        semconv.TOOL_NAME: call.tool,
        semconv.CONVERSATION_ID: call.session,
        semconv.AGENT_NAME: call.agents[-1] if call.agents else None,
        semconv.USER_ID: call.user,
    }


def _refusal_attributes(refusal: Refusal) -> dict[str, Any]:
    return {
        semconv.GUARD_RULE: refusal.rule,
        semconv.GUARD_SCOPE: refusal.scope,
        semconv.GUARD_METRIC: refusal.metric,
        semconv.GUARD_WINDOW: refusal.window,
        semconv.GUARD_LIMIT: refusal.limit,
        semconv.GUARD_SPENT: refusal.spent,
        semconv.GUARD_RESERVED: refusal.reserved,
        semconv.GUARD_ASKED: refusal.asked,
        semconv.GUARD_RETRY_AFTER_S: refusal.retry_after_s,
    }


def _threshold_attributes(threshold: Threshold) -> dict[str, Any]:
    return {
        semconv.GUARD_RULE: threshold.rule,
        semconv.GUARD_SCOPE: threshold.scope,
        semconv.GUARD_METRIC: threshold.metric,
        semconv.GUARD_WINDOW: threshold.window,
        semconv.GUARD_LIMIT: threshold.limit,
        semconv.GUARD_SPENT: threshold.spent,
    }


def _breaker_attributes(change: Transition) -> dict[str, Any]:
    return {semconv.GUARD_RULE: change.rule, semconv.GUARD_SCOPE: change.target.name}
