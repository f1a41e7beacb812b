"""OTLP spans as rows of ``otel_traces``, field by field as the Collector's ClickHouse exporter
writes them. Pure."""

from typing import Any, Final

from spanledger.stack._columns import (
    Column,
    MapArrays,
    Maps,
    NumberArrays,
    Numbers,
    StringArrays,
    Strings,
)
from spanledger.stack._flatten import Flattened, Table, clamp_ns, storable_ns, timestamps
from spanledger.stack._values import Pairs, pairs_of, service_name

_KINDS: Final = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_STATUSES: Final = ("Unset", "Ok", "Error")
_NO_TRACE: Final = bytes(16)
_NO_SPAN: Final = bytes(8)


class _Spans:
    """The columns of ``otel_traces``."""

    def __init__(self) -> None:
        self.start, self.duration = timestamps(), Numbers("UInt64", "Q")
        self.trace, self.span, self.parent = Strings(), Strings(), Strings()
        self.state, self.name, self.kind, self.service = (Strings() for _ in range(4))
        self.scope_name, self.scope_version = Strings(), Strings()
        self.resource, self.attributes = Maps(), Maps()
        self.status, self.message = Strings(), Strings()
        self.event_times, self.event_names = NumberArrays("DateTime64(9)", "q"), StringArrays()
        self.event_attributes, self.link_attributes = MapArrays(), MapArrays()
        self.link_traces, self.link_spans, self.link_states = (StringArrays() for _ in range(3))

    def table(self, rows: int) -> Table:
        columns: dict[str, Column] = {
            "Timestamp": self.start,
            "TraceId": self.trace,
            "SpanId": self.span,
            "ParentSpanId": self.parent,
            "TraceState": self.state,
            "SpanName": self.name,
            "SpanKind": self.kind,
            "ServiceName": self.service,
            "ResourceAttributes": self.resource,
            "ScopeName": self.scope_name,
            "ScopeVersion": self.scope_version,
            "SpanAttributes": self.attributes,
            "Duration": self.duration,
            "StatusCode": self.status,
            "StatusMessage": self.message,
            "Events.Timestamp": self.event_times,
            "Events.Name": self.event_names,
            "Events.Attributes": self.event_attributes,
            "Links.TraceId": self.link_traces,
            "Links.SpanId": self.link_spans,
            "Links.TraceState": self.link_states,
            "Links.Attributes": self.link_attributes,
        }
        return Table("otel_traces", columns, rows)


def flatten_traces(request: Any) -> Flattened:
    """The rows of an ``ExportTraceServiceRequest``."""
    result, columns, rows = Flattened([]), _Spans(), 0
    for group in request.resource_spans:
        resource = pairs_of(group.resource.attributes)
        service = service_name(resource)
        for scope_group in group.scope_spans:
            for span in scope_group.spans:
                reason = _unstorable(span)
                if reason:
                    result.reject(reason)
                    continue
                _add(columns, span, resource, service, scope_group.scope)
                rows += 1
    result.tables.append(columns.table(rows))
    return result


def _unstorable(span: Any) -> str | None:
    if len(span.trace_id) != 16 or span.trace_id == _NO_TRACE:
        return "span without a valid trace id (16 bytes, not all zero)"
    if len(span.span_id) != 8 or span.span_id == _NO_SPAN:
        return "span without a valid span id (8 bytes, not all zero)"
    if not storable_ns(span.start_time_unix_nano):
        return "span that starts after the year 2262"
    return None


def _add(columns: _Spans, span: Any, resource: Pairs, service: str, scope: Any) -> None:
    start = span.start_time_unix_nano
    columns.start.add(start)
    # A span that ends before it starts has no duration; the difference would wrap around.
    columns.duration.add(max(0, span.end_time_unix_nano - start))
    columns.trace.add(span.trace_id.hex())
    columns.span.add(span.span_id.hex())
    columns.parent.add(span.parent_span_id.hex())
    columns.state.add(span.trace_state)
    columns.name.add(span.name)
    columns.kind.add(_KINDS[span.kind] if 0 <= span.kind < len(_KINDS) else "")
    columns.service.add(service)
    columns.resource.add(resource)
    columns.scope_name.add(scope.name)
    columns.scope_version.add(scope.version)
    columns.attributes.add(pairs_of(span.attributes))
    code = span.status.code
    columns.status.add(_STATUSES[code] if 0 <= code < len(_STATUSES) else "")
    columns.message.add(span.status.message)
    _add_events(columns, span.events)
    _add_links(columns, span.links)


def _add_events(columns: _Spans, events: Any) -> None:
    columns.event_times.add([clamp_ns(event.time_unix_nano) for event in events])
    columns.event_names.add([event.name for event in events])
    columns.event_attributes.add([pairs_of(event.attributes) for event in events])


def _add_links(columns: _Spans, links: Any) -> None:
    columns.link_traces.add([link.trace_id.hex() for link in links])
    columns.link_spans.add([link.span_id.hex() for link in links])
    columns.link_states.add([link.trace_state for link in links])
    columns.link_attributes.add([pairs_of(link.attributes) for link in links])
