# ruff: noqa: E501, S608 - lines of SQL; what is put into it are constants and expressions of this package
"""Is everything coming in, how late, and what does keeping it take?"""

from grafana.builder import units
from grafana.builder.model import Choice, Dashboard, Row
from grafana.builder.panels import ANY_IS_BAD, Column, lines, stat, table
from grafana.builder.shared import last_event
from grafana.builder.sql import chosen

_SERVICE = Choice(
    "service",
    "Service",
    "SELECT service FROM cost_hourly WHERE hour >= toStartOfHour($__fromTime) AND hour <= $__toTime "
    "AND service != '' GROUP BY service ORDER BY sum(calls) DESC LIMIT 500",
)
_WHO = chosen(service="service")
_NO_BOOKS = "No exporter told of itself: let metrics come in (`OTEL_METRICS_EXPORTER=otlp`)"
_NOTHING = "Nothing came in: is the Collector running? `spanledger doctor`"
#: Exporters' books are kept for a week by the view.
_BOOKS = f"$__timeFilter(minute) AND {_WHO}"


def _books(metric: str) -> str:
    return f"SELECT sum(value) AS value FROM export_health WHERE metric = '{metric}' AND {_BOOKS} HAVING count() > 0"


_HEADLINES = (
    last_event(6),
    stat(
        "Spans dropped",
        _books("dropped"),
        unit=units.COUNT,
        steps=ANY_IS_BAD,
        width=6,
        description="Spans and records that exporters gave up in the time range (of the last week). "
        "Anything above 0 is lost from every report: the table below says why.",
        no_value=_NO_BOOKS,
    ),
    stat(
        "Waiting in the spool",
        f"""SELECT sum(newest) AS waiting
FROM (SELECT service, argMax(value, minute) AS newest FROM export_health WHERE metric = 'spooled' AND {_BOOKS} GROUP BY service)
HAVING count() > 0""",
        unit=units.COUNT,
        width=6,
        description="Spans that are on the disks of services and not delivered yet. It grows while the "
        "Collector is away, and goes back by itself.",
        no_value=_NO_BOOKS,
    ),
    stat(
        "Delivered",
        f"""SELECT sumIf(value, metric = 'delivered') / nullIf(sumIf(value, metric = 'accepted'), 0) AS delivered
FROM export_health WHERE {_BOOKS} HAVING sumIf(value, metric = 'accepted') > 0""",
        unit=units.RATIO,
        width=6,
        steps=((None, "orange"), (0.99, "text")),
        description="Delivered of what exporters accepted in the time range (of the last week). Below "
        "100 % while something waits in a spool; below it for long, look at Spans dropped.",
        no_value=_NO_BOOKS,
    ),
)

_COMING_IN = (
    lines(
        "Spans coming in",
        f"""SELECT $__timeInterval(minute) AS time, if(service = '', '(none)', toString(service)) AS series, toFloat64(sum(spans)) AS received
FROM received_minutes
WHERE $__timeFilter(minute) AND {_WHO}
GROUP BY time, series
ORDER BY time, series""",
        unit=units.COUNT,
        bars=True,
        stacked=True,
        width=12,
        description="Spans by when they came in, by service. A gap with agents "
        "at work is a pipeline that stood still; a tower after it is what was spooled.",
        no_value=_NOTHING,
    ),
    lines(
        "Ingestion delay",
        f"""SELECT $__timeInterval(minute) AS time, if(service = '', '(none)', toString(service)) AS series, toFloat64(max(max_delay_s)) AS slowest
FROM received_minutes
WHERE $__timeFilter(minute) AND {_WHO}
GROUP BY time, series
ORDER BY time, series""",
        unit=units.SECONDS,
        limits=((None, "transparent"), (300, "red")),
        width=12,
        description="From the end of a span to its row: the slowest of each interval. Minutes are a "
        "retry or a spool that is being sent; the red line is where the alert stands.",
        no_value=_NOTHING,
    ),
    lines(
        "Exporters",
        f"""SELECT $__timeInterval(minute) AS time, toString(metric) AS series, toFloat64(sum(value)) AS spans
FROM export_health
WHERE metric IN ('accepted', 'delivered', 'dropped') AND {_BOOKS}
GROUP BY time, series
ORDER BY time, series""",
        unit=units.COUNT,
        width=8,
        description="What services' exporters accepted, delivered and dropped. The first two should lie "
        "on each other.",
        no_value=_NO_BOOKS,
    ),
    lines(
        "Spool",
        f"""SELECT $__timeInterval(minute) AS time, toString(service) AS series, toFloat64(max(value)) AS waiting
FROM export_health
WHERE metric = 'spooled' AND {_BOOKS}
GROUP BY time, series
ORDER BY time, series""",
        unit=units.COUNT,
        width=8,
        description="Spans that wait on disk, by service. A mountain that does not come down is a "
        "Collector that cannot be reached from there.",
        no_value=_NO_BOOKS,
    ),
    table(
        "Why spans were dropped",
        f"""SELECT service AS Service, reason AS Reason, sum(value) AS Dropped, max(minute) AS `Last time`
FROM export_health
WHERE metric = 'dropped' AND value > 0 AND {_BOOKS}
GROUP BY service, reason
ORDER BY Dropped DESC
LIMIT 50""",
        (Column("Dropped", units.COUNT), Column("Last time", units.SINCE)),
        width=8,
        description="By service and reason, as the exporter names it. A full spool wants more room or a "
        "Collector that answers; docs/pipeline.md lists the reasons.",
        no_value="Nothing was dropped",
    ),
)

_COLLECTOR = (
    lines(
        "Collector: spans",
        """SELECT $__timeInterval(ts) AS time, replaceRegexpOne(name, '^otelcol_', '') AS series, toFloat64(sum(added)) AS spans
FROM (
    SELECT ts, name,
        if(is_delta, value, greatest(0, value - lagInFrame(value, 1, value) OVER (PARTITION BY series, name, started_at ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW))) AS added
    FROM pipeline_metrics
    WHERE $__timeFilter(ts) AND match(name, '^otelcol_(receiver_(accepted|refused)|exporter_(sent|send_failed|enqueue_failed))_spans')
)
GROUP BY time, series
ORDER BY time, series""",
        unit=units.COUNT,
        width=12,
        description="What the Collector received and sent on. Refused: it was short of memory, and "
        "senders try again. Failed: ClickHouse did not take it, look at the queue.",
        no_value="The Collector tells nothing of itself: `service.telemetry.metrics` in its configuration",
    ),
    lines(
        "Collector: queue",
        """SELECT $__timeInterval(ts) AS time, if(attributes['exporter'] != '', attributes['exporter'], 'queue') AS series, toFloat64(max(value)) AS batches
FROM pipeline_metrics
WHERE $__timeFilter(ts) AND name = 'otelcol_exporter_queue_size'
GROUP BY time, series
ORDER BY time, series""",
        unit=units.COUNT,
        width=12,
        description="Batches that wait in the Collector, on its disk. It grows while ClickHouse is away "
        "and is worked off afterwards; above 80 % of the queue's size, batches will be refused.",
        no_value="The Collector tells nothing of itself: `service.telemetry.metrics` in its configuration",
    ),
)

_STORE = (
    table(
        "Storage",
        """SELECT table AS Table, sum(rows) AS Rows, sum(bytes_on_disk) AS Bytes, sum(bytes_on_disk) / sum(rows) AS `Bytes a row`
FROM storage
GROUP BY table
HAVING Rows > 0
ORDER BY Bytes DESC
LIMIT 50""",
        (
            Column("Rows", units.COUNT),
            Column("Bytes", units.BYTES, bar=True),
            Column("Bytes a row", units.BYTES, decimals=0),
        ),
        width=14,
        height=10,
        description="What each table takes, compressed, on the node that answers. The landing tables are "
        "the most of it: `spanledger migrate --retain` ends them sooner without touching costs.",
        no_value="No rows yet",
    ),
    stat(
        "Disk",
        "SELECT 1 - sum(free_bytes) / sum(total_bytes) AS used FROM disks HAVING sum(total_bytes) > 0",
        unit=units.RATIO,
        steps=((None, "green"), (0.8, "orange"), (0.9, "red")),
        width=5,
        height=5,
        description="How full ClickHouse's disks are. From 90 % on merges may stop: shorten retention, or "
        "give it more disk.",
        no_value="ClickHouse tells of no disk",
    ),
    stat(
        "Bytes a call",
        """SELECT sum(bytes_on_disk) / (SELECT sum(rows) FROM storage WHERE table = 'llm_calls') AS bytes
FROM storage HAVING bytes > 0 AND isFinite(bytes)""",
        unit=units.BYTES,
        width=5,
        height=5,
        description="All that is stored, divided by model calls: what it takes to keep one call with all "
        "its spans and roll-ups.",
        no_value="No calls yet",
    ),
    stat(
        "Days until the disk is full",
        """SELECT least(3650, sum(free_bytes) / nullIf((SELECT sum(bytes_on_disk) FROM storage) / greatest(1, (SELECT dateDiff('hour', min(hour), now('UTC')) / 24 FROM cost_hourly)), 0)) AS days
FROM disks HAVING days > 0""",
        unit=units.COUNT,
        width=5,
        height=5,
        decimals=0,
        steps=((None, "red"), (7, "orange"), (30, "text")),
        description="At the mean of all days so far, and without what retention will end; 3,650 "
        "stands for ten years and more.",
        no_value="No calls yet",
    ),
    stat(
        "Rows stored",
        "SELECT sum(rows) AS rows FROM storage HAVING rows > 0",
        unit=units.COUNT,
        width=5,
        height=5,
        description="Rows of all tables, on the node that answers.",
        no_value="No rows yet",
    ),
)

PIPELINE = Dashboard(
    "pipeline",
    "Spanledger: pipeline",
    "Whether everything comes in, how late, and what it takes to keep it.",
    (
        Row("", _HEADLINES),
        Row("Coming in", _COMING_IN),
        Row("Collector", _COLLECTOR),
        Row("ClickHouse", _STORE),
    ),
    (_SERVICE,),
    start="now-6h",
)
