"""The landing tables are those of the Collector's ClickHouse exporter."""

import pytest

from spanledger.warehouse import Warehouse

pytestmark = pytest.mark.storage

_MAP = "Map(LowCardinality(String), String)"
_WORD = "LowCardinality(String)"
_TRACES = {
    "Timestamp": "DateTime64(9)", "TraceId": "String", "SpanId": "String",
    "ParentSpanId": "String", "TraceState": "String", "SpanName": _WORD, "SpanKind": _WORD,
    "ServiceName": _WORD, "ResourceAttributes": _MAP, "ScopeName": "String",
    "ScopeVersion": "String", "SpanAttributes": _MAP, "Duration": "UInt64", "StatusCode": _WORD,
    "StatusMessage": "String", "Events.Timestamp": "Array(DateTime64(9))",
    "Events.Name": f"Array({_WORD})", "Events.Attributes": f"Array({_MAP})",
    "Links.TraceId": "Array(String)", "Links.SpanId": "Array(String)",
    "Links.TraceState": "Array(String)", "Links.Attributes": f"Array({_MAP})",
}  # fmt: skip
_LOGS = {
    "Timestamp": "DateTime64(9)", "TimestampTime": "DateTime", "TraceId": "String",
    "SpanId": "String", "TraceFlags": "UInt8", "SeverityText": _WORD, "SeverityNumber": "UInt8",
    "ServiceName": _WORD, "Body": "String", "ResourceSchemaUrl": _WORD,
    "ResourceAttributes": _MAP, "ScopeSchemaUrl": _WORD, "ScopeName": "String",
    "ScopeVersion": _WORD, "ScopeAttributes": _MAP, "LogAttributes": _MAP, "EventName": "String",
}  # fmt: skip
_METRIC = {
    "ResourceAttributes": _MAP, "ResourceSchemaUrl": "String", "ScopeName": "String",
    "ScopeVersion": "String", "ScopeAttributes": _MAP, "ScopeDroppedAttrCount": "UInt32",
    "ScopeSchemaUrl": "String", "ServiceName": _WORD, "MetricName": _WORD,
    "MetricDescription": "String", "MetricUnit": "String", "Attributes": _MAP,
    "StartTimeUnix": "DateTime", "TimeUnix": "DateTime", "Flags": "UInt32",
}  # fmt: skip
_EXEMPLARS = {
    "Exemplars.FilteredAttributes": f"Array({_MAP})", "Exemplars.TimeUnix": "Array(DateTime)",
    "Exemplars.Value": "Array(Float64)", "Exemplars.SpanId": "Array(String)",
    "Exemplars.TraceId": "Array(String)",
}  # fmt: skip
_POINT = {**_METRIC, **_EXEMPLARS, "Value": "Float64"}
_COUNTED = {**_METRIC, "Count": "UInt64", "Sum": "Float64"}
_DISTRIBUTION = {
    **_COUNTED, **_EXEMPLARS, "Min": "Float64", "Max": "Float64", "AggregationTemporality": "Int32",
}  # fmt: skip

EXPORTER = {
    "otel_traces": _TRACES,
    "otel_traces_trace_id_ts": {"TraceId": "String", "Start": "DateTime", "End": "DateTime"},
    "otel_logs": _LOGS,
    "otel_metrics_gauge": _POINT,
    "otel_metrics_sum": {**_POINT, "AggregationTemporality": "Int32", "IsMonotonic": "Bool"},
    "otel_metrics_histogram": {
        **_DISTRIBUTION, "BucketCounts": "Array(UInt64)", "ExplicitBounds": "Array(Float64)",
    },
    "otel_metrics_exponential_histogram": {
        **_DISTRIBUTION, "Scale": "Int32", "ZeroCount": "UInt64", "PositiveOffset": "Int32",
        "PositiveBucketCounts": "Array(UInt64)", "NegativeOffset": "Int32",
        "NegativeBucketCounts": "Array(UInt64)",
    },
    "otel_metrics_summary": {
        **_COUNTED, "ValueAtQuantiles.Quantile": "Array(Float64)",
        "ValueAtQuantiles.Value": "Array(Float64)",
    },
}  # fmt: skip


def test_names_and_types_of_all_landing_columns_are_the_exporters(warehouse: Warehouse) -> None:
    rows = warehouse.query(
        "SELECT table, name, type FROM system.columns WHERE database = {database:String}",
        database=warehouse.database,
    )
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["table"], {})[row["name"]] = row["type"]
    assert {table: found[table] for table in EXPORTER} == EXPORTER


def test_the_time_of_a_trace_can_be_looked_up(warehouse: Warehouse) -> None:
    warehouse.command(
        "INSERT INTO otel_traces (Timestamp, TraceId) VALUES "
        "('2026-03-01 12:00:00.5', 't1'), ('2026-03-01 12:00:07.5', 't1'), (0, '')"
    )
    found = warehouse.query(
        "SELECT TraceId, toUnixTimestamp(max(End)) - toUnixTimestamp(min(Start)) AS seconds "
        "FROM otel_traces_trace_id_ts GROUP BY TraceId"
    )
    assert found == [{"TraceId": "t1", "seconds": 7}]


def test_a_log_can_be_filtered_by_the_column_that_the_exporter_dropped(
    warehouse: Warehouse,
) -> None:
    warehouse.command("INSERT INTO otel_logs (Timestamp, Body) VALUES (now64(9), 'hello')")
    found = warehouse.query("SELECT Body FROM otel_logs WHERE TimestampTime > now() - 60")
    assert found == [{"Body": "hello"}]
