"""Copies of spans that hold only what may leave the process."""

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, Status

from spanledger import semconv
from spanledger.processors.cost_alias import cost_alias
from spanledger.processors.redaction import AllowList, redact_value

_CUT_TEXT = 2000


def _aliases(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """The cost under the names other tools read; added here, where no caller waits for it."""
    nano_usd = attributes.get(semconv.COST_NANO_USD)
    if not isinstance(nano_usd, int):
        return {}
    return cost_alias(nano_usd, str(attributes.get(semconv.COST_PROVENANCE, "")))


class Cleaner:
    """Applies the allow-list and the redaction to whole spans. Spans themselves are not touched."""

    def __init__(self, allow: AllowList, redact: Callable[[str], str]) -> None:
        self._allow = allow
        self._redact = redact
        self._resources: dict[int, tuple[Resource, Resource]] = {}

    def span(self, span: ReadableSpan) -> ReadableSpan:
        """What of `span` may leave. Spans that were not sampled go without any content."""
        content_free = not (span.context and span.context.trace_flags.sampled)
        attributes = self.attributes(span.attributes, content_free=content_free)
        attributes.update(_aliases(attributes))
        return ReadableSpan(
            name=self._redact(span.name),
            context=span.context,
            parent=span.parent,
            resource=self._resource(span.resource),
            attributes=attributes,
            events=[self._event(event, content_free) for event in span.events],
            links=[
                Link(link.context, self.attributes(link.attributes, content_free=content_free))
                for link in span.links
            ],
            kind=span.kind,
            status=self._status(span.status),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    def attributes(
        self, attributes: Mapping[str, Any] | None, *, content_free: bool
    ) -> dict[str, Any]:
        """The attributes that may leave, without secrets."""
        return {
            name: redact_value(value, self._redact)
            for name, value in (attributes or {}).items()
            if self._allow.passes(name, content_free=content_free)
        }

    def text(self, text: str) -> str:
        """A text without secrets, cut to a bearable length."""
        return self._redact(text)[:_CUT_TEXT]

    def _event(self, event: Event, content_free: bool) -> Event:
        attributes = self.attributes(event.attributes, content_free=content_free)
        return Event(self._redact(event.name), attributes, event.timestamp)

    def _status(self, status: Status) -> Status:
        if status.description is None:
            return status
        return Status(status.status_code, self.text(status.description))

    def _resource(self, resource: Resource) -> Resource:
        """Resources are few and shared by all spans: each is cleaned once."""
        known = self._resources.get(id(resource))
        if known is None or known[0] is not resource:
            clean = Resource(self.attributes(resource.attributes, content_free=False))
            known = (resource, clean)
            if len(self._resources) > 64:
                self._resources.clear()
            self._resources[id(resource)] = known
        return known[1]
