# ruff: noqa: E501 - lines of SQL and of sentences
"""Rules about the pipeline itself: who watches the watchman."""

from grafana.builder.alerts._rule import Group, Panel, Rule

# The Collector tells of itself every 15 seconds, also when no agent runs. That is why silence
# means something. What is dated after now (a wrong clock somewhere) must not hide it.
_SILENCE = """\
SELECT toFloat64(dateDiff('second', greatest(max(last), $__fromTime), $__toTime)) AS silent_s
FROM
(
    SELECT max(ts) AS last FROM pipeline_metrics WHERE $__timeFilter(ts)
    UNION ALL
    SELECT max(last_at) AS last FROM received_minutes WHERE $__timeFilter(minute)
)"""

# Counters that grow for ever, one series a process: what one grew by in the time. One that
# began in the time began at 0.
_DROPPED = """\
SELECT service, cause, sum(lost) AS dropped
FROM
(
    SELECT service, if(reason != '', reason, name) AS cause, series, started_at,
        if(max(is_delta), sum(value),
            max(value) - if(started_at >= $__fromTime, 0, min(value))) AS lost
    FROM pipeline_metrics
    WHERE $__timeFilter(ts) AND (name = 'spanledger.export.dropped'
        OR match(name, '^otelcol_exporter_(send|enqueue)_failed_(spans|log_records)'))
    GROUP BY service, cause, name, series, started_at
)
GROUP BY service, cause
ORDER BY service, cause"""

# The median of minutes: one span that waited in a spool since yesterday is no trend.
_DELAY = """\
SELECT service, quantileExact(0.5)(toFloat64(max_delay_s)) AS delay_s
FROM received_minutes
WHERE $__timeFilter(minute)
GROUP BY service
HAVING sum(spans) >= 10
ORDER BY service"""

_DISK = """\
SELECT disk, 1 - free_bytes / total_bytes AS used_part
FROM disks
WHERE total_bytes > 0
ORDER BY disk"""

_PIPELINE = "spanledger-pipeline"

NOTHING_RECEIVED = Rule(
    name="nothing-received",
    title="Nothing received",
    severity="critical",
    sql=_SILENCE,
    lookback_s=86400,
    bound=600,
    for_s=120,
    summary="ClickHouse has received nothing for {{ humanizeDuration $values.B.Value }}: agents are"
    " limited all the same, but nobody sees what they do.",
    panel=Panel(_PIPELINE, "Last event received"),
    # The one rule that must never be quiet because something is broken.
    no_data="Alerting",
    no_data_why="One row always comes; if none does, nothing can be told.",
    error="Alerting",
    error_why="ClickHouse can't be asked: that is what this rule is for.",
)

DROPPED = Rule(
    name="spans-dropped",
    title="Spans are dropped",
    severity="critical",
    sql=_DROPPED,
    lookback_s=900,
    bound=0,
    summary='{{ printf "%.0f" $values.B.Value }} spans or records of {{ $labels.service }} were'
    " dropped in the last 15 minutes ({{ $labels.cause }}): costs in ClickHouse are too low.",
    panel=Panel(_PIPELINE, "Spans dropped"),
    no_data_why="No rows: no process tells of drops; 'Nothing received' covers silence.",
)

DELAY = Rule(
    name="ingestion-delay",
    title="Rows come late",
    severity="warning",
    sql=_DELAY,
    lookback_s=900,
    bound=300,
    for_s=600,
    summary="The latest spans of {{ $labels.service }} reach ClickHouse"
    " {{ humanizeDuration $values.B.Value }} after they end, in half of the last 15 minutes.",
    panel=Panel(_PIPELINE, "Ingestion delay"),
    no_data_why="No rows: fewer than 10 spans came in 15 minutes.",
)

DISK = Rule(
    name="clickhouse-disk",
    title="ClickHouse's disk fills up",
    severity="critical",
    sql=_DISK,
    lookback_s=900,
    bound=0.85,
    for_s=600,
    summary="Disk {{ $labels.disk }} of ClickHouse is {{ humanizePercentage $values.B.Value }} full.",
    panel=Panel(_PIPELINE, "Disk"),
    no_data="KeepLast",
    no_data_why="A server always has a disk; without rows the last answer holds.",
)

GROUP = Group("spanledger pipeline", 60, (NOTHING_RECEIVED, DROPPED, DELAY, DISK))
