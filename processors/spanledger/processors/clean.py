"""Copies of spans that hold only what may leave the process."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, TraceState

from spanledger import semconv
from spanledger.processors.cost_alias import cost_alias
from spanledger.processors.redact.stream import redact_pieces
from spanledger.processors.redact.values import Redactor, redact_named
from spanledger.processors.redaction import AllowList, Names

_CUT_TEXT = 2000
#: Kept answers about names, scopes and resources: programs may make them up without end.
_MOST_NAMES, _MOST_PARTS = 4096, 64
_NOTHING = Names()


def _aliases(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """The cost under the names other tools read; added here, where no caller waits for it."""
    nano_usd = attributes.get(semconv.COST_NANO_USD)
    if not isinstance(nano_usd, int):
        return {}
    return cost_alias(nano_usd, str(attributes.get(semconv.COST_PROVENANCE, "")))


class Cleaner:
    """Applies the allow-list and the redaction to whole spans. Spans themselves are not touched."""

    def __init__(
        self,
        allow: AllowList,
        redact: Redactor,
        process: Callable[[], Mapping[str, Any]] = dict,
        keep: Names = _NOTHING,
    ) -> None:
        """`process`: facts of this process, added to every resource that does not say them.

        `keep`: attributes whose values leave as they are.
        """
        self._allow, self._keep = allow, keep
        self._redact = redact
        self._process = process
        self._names: dict[str, str] = {}
        self._resources: dict[tuple[int, int], tuple[Resource, Resource]] = {}
        self._scopes: dict[InstrumentationScope, InstrumentationScope] = {}

    def span(self, span: ReadableSpan) -> ReadableSpan:
        """What of `span` may leave. Spans that were not sampled go without any content."""
        content_free = not (span.context and span.context.trace_flags.sampled)
        attributes = self.attributes(span.attributes, content_free=content_free)
        attributes.update(_aliases(attributes))
        return ReadableSpan(
            name=self._redact(span.name),
            context=self._context(span.context),
            parent=span.parent,
            resource=self._resource(span.resource),
            attributes=attributes,
            events=self._events(span.events, content_free),
            links=[self._link(link, content_free) for link in span.links],
            kind=span.kind,
            status=self._status(span.status),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=self._scope(span.instrumentation_scope),
        )

    def attributes(
        self, attributes: Mapping[str, Any] | None, *, content_free: bool
    ) -> dict[str, Any]:
        """The attributes that may leave, without secrets."""
        return {
            self._name(name): value
            if name in self._keep
            else redact_named(name, value, self._redact)
            for name, value in (attributes or {}).items()
            if self._allow.passes(name, content_free=content_free)
        }

    def text(self, text: str) -> str:
        """A text without secrets, cut to a bearable length."""
        return self._redact(text)[:_CUT_TEXT]

    def _name(self, name: str) -> str:
        """Names come from code, and again and again."""
        known = self._names.get(name)
        if known is None:
            known = self._redact(name)
            if len(self._names) < _MOST_NAMES:
                self._names[name] = known
        return known

    def _events(self, events: Sequence[Event], content_free: bool) -> list[Event]:
        texts = [dict(event.attributes or {}) for event in events]
        if len(events) > 1:
            self._cut_out_of_chunks(texts)
        return [
            Event(
                self._redact(event.name),
                self.attributes(attributes, content_free=content_free),
                event.timestamp,
            )
            for event, attributes in zip(events, texts, strict=True)
        ]

    def _cut_out_of_chunks(self, chunks: Sequence[dict[str, Any]]) -> None:
        """Chunks of a stream are events that follow each other: a secret may be split over them."""
        for name in {name for chunk in chunks for name in chunk}:
            holders = [chunk for chunk in chunks if isinstance(chunk.get(name), str)]
            if len(holders) > 1 and name not in self._keep:
                pieces = redact_pieces([chunk[name] for chunk in holders], self._redact.find)
                for chunk, piece in zip(holders, pieces, strict=True):
                    chunk[name] = piece

    def _link(self, link: Link, content_free: bool) -> Link:
        attributes = self.attributes(link.attributes, content_free=content_free)
        return Link(self._context(link.context) or link.context, attributes)

    def _context(self, context: SpanContext | None) -> SpanContext | None:
        """Vendors put what they like into the trace state: an entry with a secret is left out."""
        if context is None or not context.trace_state:
            return context
        entries = context.trace_state.items()
        clean = [(k, v) for k, v in entries if self._redact(f"{k}={v}") == f"{k}={v}"]
        if len(clean) == len(context.trace_state):
            return context
        return SpanContext(
            context.trace_id,
            context.span_id,
            context.is_remote,
            context.trace_flags,
            TraceState(clean),
        )

    def _scope(self, scope: InstrumentationScope | None) -> InstrumentationScope | None:
        """Scopes are few and shared by all spans: each is cleaned once."""
        if scope is None:
            return None
        known = self._scopes.get(scope)
        if known is None:
            known = InstrumentationScope(
                self._redact(scope.name),
                self._redact(scope.version) if scope.version else scope.version,
                self._redact(scope.schema_url) if scope.schema_url else scope.schema_url,
                self.attributes(scope.attributes, content_free=True),
            )
            if len(self._scopes) > _MOST_PARTS:
                self._scopes.clear()
            self._scopes[scope] = known
        return known

    def _status(self, status: Status) -> Status:
        if status.description is None:
            return status
        return Status(status.status_code, self.text(status.description))

    def _resource(self, resource: Resource) -> Resource:
        """Resources are few and shared by all spans: each is cleaned once."""
        # A forked child is another process with the same resource.
        key = (id(resource), os.getpid())
        known = self._resources.get(key)
        if known is None or known[0] is not resource:
            facts = {**self._process(), **resource.attributes}
            clean = Resource(self.attributes(facts, content_free=False))
            known = (resource, clean)
            if len(self._resources) > _MOST_PARTS:
                self._resources.clear()
            self._resources[key] = known
        return known[1]
