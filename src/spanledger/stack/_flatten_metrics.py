"""OTLP metrics as rows of the five ``otel_metrics_*`` tables, as the Collector's ClickHouse
exporter writes them. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a metric comes from."""

    resource: Pairs
    resource_url: str
    scope: Any
    scope_pairs: Pairs
    scope_url: str


class _Points:
    """The columns that every metrics table has."""

    def __init__(self) -> None:
        self.rows = 0
        self.resource, self.scope, self.attributes = Maps(), Maps(), Maps()
        self.resource_url, self.scope_url, self.scope_name, self.scope_version = (
            Strings() for _ in range(4)
        )
        self.scope_dropped = Numbers("UInt32", "I")
        self.service, self.name, self.description, self.unit = (Strings() for _ in range(4))
        self.start, self.time, self.flags = timestamps(), timestamps(), Numbers("UInt32", "I")

    def add(self, origin: _Origin, metric: Any, point: Any) -> None:
        """Append what every point has."""
        self.rows += 1
        self.resource.add(origin.resource)
        self.resource_url.add(origin.resource_url)
        self.scope_name.add(origin.scope.name)
        self.scope_version.add(origin.scope.version)
        self.scope.add(origin.scope_pairs)
        self.scope_dropped.add(origin.scope.dropped_attributes_count)
        self.scope_url.add(origin.scope_url)
        self.service.add(service_name(origin.resource))
        self.name.add(metric.name)
        self.description.add(metric.description)
        self.unit.add(metric.unit)
        self.attributes.add(pairs_of(point.attributes))
        self.start.add(clamp_ns(point.start_time_unix_nano))
        self.time.add(point.time_unix_nano)
        self.flags.add(point.flags)

    def columns(self) -> dict[str, Column]:
        return {
            "ResourceAttributes": self.resource,
            "ResourceSchemaUrl": self.resource_url,
            "ScopeName": self.scope_name,
            "ScopeVersion": self.scope_version,
            "ScopeAttributes": self.scope,
            "ScopeDroppedAttrCount": self.scope_dropped,
            "ScopeSchemaUrl": self.scope_url,
            "ServiceName": self.service,
            "MetricName": self.name,
            "MetricDescription": self.description,
            "MetricUnit": self.unit,
            "Attributes": self.attributes,
            "StartTimeUnix": self.start,
            "TimeUnix": self.time,
            "Flags": self.flags,
        }


class _Exemplars:
    """The nested exemplar columns."""

    def __init__(self) -> None:
        self.attributes, self.times = MapArrays(), NumberArrays("DateTime64(9)", "q")
        self.values = NumberArrays("Float64", "d")
        self.spans, self.traces = StringArrays(), StringArrays()

    def add(self, exemplars: Any) -> None:
        self.attributes.add([pairs_of(item.filtered_attributes) for item in exemplars])
        self.times.add([clamp_ns(item.time_unix_nano) for item in exemplars])
        self.values.add([_number(item) for item in exemplars])
        self.spans.add([item.span_id.hex() for item in exemplars])
        self.traces.add([item.trace_id.hex() for item in exemplars])

    def columns(self) -> dict[str, Column]:
        return {
            "Exemplars.FilteredAttributes": self.attributes,
            "Exemplars.TimeUnix": self.times,
            "Exemplars.Value": self.values,
            "Exemplars.SpanId": self.spans,
            "Exemplars.TraceId": self.traces,
        }


class _Family:
    """The table of one metric type; subclasses add its own columns."""

    table: str

    def __init__(self) -> None:
        self.points = _Points()
        self.own: dict[str, Any] = self.own_columns()

    def own_columns(self) -> dict[str, Any]:
        raise NotImplementedError

    def add(self, data: Any, point: Any) -> None:
        raise NotImplementedError

    def extra_columns(self) -> dict[str, Column]:
        return {}

    def finish(self) -> Table:
        columns = {**self.points.columns(), **self.own, **self.extra_columns()}
        return Table(self.table, columns, self.points.rows)


class _WithExemplars(_Family):
    def __init__(self) -> None:
        super().__init__()
        self.exemplars = _Exemplars()

    def extra_columns(self) -> dict[str, Column]:
        return self.exemplars.columns()


class _Gauge(_WithExemplars):
    table = "otel_metrics_gauge"

    def own_columns(self) -> dict[str, Any]:
        return {"Value": Numbers("Float64", "d")}

    def add(self, data: Any, point: Any) -> None:
        self.own["Value"].add(_number(point))
        self.exemplars.add(point.exemplars)


class _Sum(_Gauge):
    table = "otel_metrics_sum"

    def own_columns(self) -> dict[str, Any]:
        return {
            **super().own_columns(),
            "AggregationTemporality": Numbers("Int32", "i"),
            "IsMonotonic": Numbers("Bool", "B"),
        }

    def add(self, data: Any, point: Any) -> None:
        super().add(data, point)
        self.own["AggregationTemporality"].add(data.aggregation_temporality)
        self.own["IsMonotonic"].add(int(data.is_monotonic))


class _Histogram(_WithExemplars):
    table = "otel_metrics_histogram"

    def own_columns(self) -> dict[str, Any]:
        return {
            "Count": Numbers("UInt64", "Q"),
            "Sum": Numbers("Float64", "d"),
            "BucketCounts": NumberArrays("UInt64", "Q"),
            "ExplicitBounds": NumberArrays("Float64", "d"),
            "Min": Numbers("Float64", "d"),
            "Max": Numbers("Float64", "d"),
            "AggregationTemporality": Numbers("Int32", "i"),
        }

    def add(self, data: Any, point: Any) -> None:
        self.own["BucketCounts"].add(point.bucket_counts)
        self.own["ExplicitBounds"].add(point.explicit_bounds)
        _add_totals(self.own, data, point)
        self.exemplars.add(point.exemplars)


class _ExponentialHistogram(_WithExemplars):
    table = "otel_metrics_exponential_histogram"

    def own_columns(self) -> dict[str, Any]:
        return {
            "Count": Numbers("UInt64", "Q"),
            "Sum": Numbers("Float64", "d"),
            "Scale": Numbers("Int32", "i"),
            "ZeroCount": Numbers("UInt64", "Q"),
            "PositiveOffset": Numbers("Int32", "i"),
            "PositiveBucketCounts": NumberArrays("UInt64", "Q"),
            "NegativeOffset": Numbers("Int32", "i"),
            "NegativeBucketCounts": NumberArrays("UInt64", "Q"),
            "Min": Numbers("Float64", "d"),
            "Max": Numbers("Float64", "d"),
            "AggregationTemporality": Numbers("Int32", "i"),
        }

    def add(self, data: Any, point: Any) -> None:
        self.own["Scale"].add(point.scale)
        self.own["ZeroCount"].add(point.zero_count)
        self.own["PositiveOffset"].add(point.positive.offset)
        self.own["PositiveBucketCounts"].add(point.positive.bucket_counts)
        self.own["NegativeOffset"].add(point.negative.offset)
        self.own["NegativeBucketCounts"].add(point.negative.bucket_counts)
        _add_totals(self.own, data, point)
        self.exemplars.add(point.exemplars)


class _Summary(_Family):
    table = "otel_metrics_summary"

    def own_columns(self) -> dict[str, Any]:
        return {
            "Count": Numbers("UInt64", "Q"),
            "Sum": Numbers("Float64", "d"),
            "ValueAtQuantiles.Quantile": NumberArrays("Float64", "d"),
            "ValueAtQuantiles.Value": NumberArrays("Float64", "d"),
        }

    def add(self, data: Any, point: Any) -> None:
        self.own["Count"].add(point.count)
        self.own["Sum"].add(point.sum)
        self.own["ValueAtQuantiles.Quantile"].add([q.quantile for q in point.quantile_values])
        self.own["ValueAtQuantiles.Value"].add([q.value for q in point.quantile_values])


_FAMILIES: Final[dict[str, Callable[[], _Family]]] = {
    "gauge": _Gauge,
    "sum": _Sum,
    "histogram": _Histogram,
    "exponential_histogram": _ExponentialHistogram,
    "summary": _Summary,
}


def flatten_metrics(request: Any) -> Flattened:
    """The rows of an ``ExportMetricsServiceRequest``, one table for each type that occurs."""
    families: dict[str, _Family] = {}
    result = Flattened([])
    for group in request.resource_metrics:
        resource = pairs_of(group.resource.attributes)
        for scope_group in group.scope_metrics:
            scope = scope_group.scope
            origin = _Origin(
                resource,
                group.schema_url,
                scope,
                pairs_of(scope.attributes),
                scope_group.schema_url,
            )
            for metric in scope_group.metrics:
                _add_metric(families, result, origin, metric)
    result.tables.extend(family.finish() for family in families.values())
    return result


def _add_metric(
    families: dict[str, _Family], result: Flattened, origin: _Origin, metric: Any
) -> None:
    kind = metric.WhichOneof("data")
    if kind is None:
        result.reject("metric without data")
        return
    family = (
        families.setdefault(kind, _FAMILIES[kind]()) if kind not in families else families[kind]
    )
    data = getattr(metric, kind)
    for point in data.data_points:
        if not storable_ns(point.time_unix_nano):
            result.reject("metric point that is dated after the year 2262")
            continue
        family.points.add(origin, metric, point)
        family.add(data, point)


def _add_totals(own: dict[str, Any], data: Any, point: Any) -> None:
    own["Count"].add(point.count)
    own["Sum"].add(point.sum)
    own["Min"].add(point.min)
    own["Max"].add(point.max)
    own["AggregationTemporality"].add(data.aggregation_temporality)


def _number(point: Any) -> float:
    """The value of a point or exemplar. The tables hold doubles, so integers lose precision
    beyond 2**53: metrics are never used for money."""
    kind = point.WhichOneof("value")
    return float(getattr(point, kind)) if kind else 0.0
