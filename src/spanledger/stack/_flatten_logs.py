"""OTLP log records as rows of ``otel_logs``, as the Collector's ClickHouse exporter writes
them. Pure."""

from typing import Any

from spanledger.stack._columns import Column, Maps, Numbers, Strings
from spanledger.stack._flatten import Flattened, Table, storable_ns, timestamps
from spanledger.stack._values import Pairs, pairs_of, service_name, text_of


class _Logs:
    """The columns of ``otel_logs``."""

    def __init__(self) -> None:
        self.time = timestamps()
        self.trace, self.span, self.service, self.body = (Strings() for _ in range(4))
        self.flags, self.severity = Numbers("UInt8", "B"), Numbers("UInt8", "B")
        self.severity_text, self.event = Strings(), Strings()
        self.resource, self.scope, self.attributes = Maps(), Maps(), Maps()
        self.resource_url, self.scope_url = Strings(), Strings()
        self.scope_name, self.scope_version = Strings(), Strings()

    def table(self, rows: int) -> Table:
        columns: dict[str, Column] = {
            "Timestamp": self.time,
            "TraceId": self.trace,
            "SpanId": self.span,
            "TraceFlags": self.flags,
            "SeverityText": self.severity_text,
            "SeverityNumber": self.severity,
            "ServiceName": self.service,
            "Body": self.body,
            "ResourceSchemaUrl": self.resource_url,
            "ResourceAttributes": self.resource,
            "ScopeSchemaUrl": self.scope_url,
            "ScopeName": self.scope_name,
            "ScopeVersion": self.scope_version,
            "ScopeAttributes": self.scope,
            "LogAttributes": self.attributes,
            "EventName": self.event,
        }
        return Table("otel_logs", columns, rows)


def flatten_logs(request: Any) -> Flattened:
    """The rows of an ``ExportLogsServiceRequest``."""
    result, columns, rows = Flattened([]), _Logs(), 0
    for group in request.resource_logs:
        resource = pairs_of(group.resource.attributes)
        for scope_group in group.scope_logs:
            scope = pairs_of(scope_group.scope.attributes)
            for record in scope_group.log_records:
                time_ns = record.time_unix_nano or record.observed_time_unix_nano
                if not storable_ns(time_ns):
                    result.reject("log record that is dated after the year 2262")
                    continue
                columns.time.add(time_ns)
                _add_record(columns, record)
                _add_origin(columns, group, resource, scope_group, scope)
                rows += 1
    result.tables.append(columns.table(rows))
    return result


def _add_record(columns: _Logs, record: Any) -> None:
    columns.trace.add(record.trace_id.hex())
    columns.span.add(record.span_id.hex())
    columns.flags.add(record.flags & 0xFF)
    columns.severity_text.add(record.severity_text)
    columns.severity.add(record.severity_number & 0xFF)
    columns.body.add(text_of(record.body))
    columns.attributes.add(pairs_of(record.attributes))
    columns.event.add(record.event_name)


def _add_origin(
    columns: _Logs, group: Any, resource: Pairs, scope_group: Any, scope: Pairs
) -> None:
    columns.service.add(service_name(resource))
    columns.resource_url.add(group.schema_url)
    columns.resource.add(resource)
    columns.scope_url.add(scope_group.schema_url)
    columns.scope_name.add(scope_group.scope.name)
    columns.scope_version.add(scope_group.scope.version)
    columns.scope.add(scope)
