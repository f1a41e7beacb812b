-- What dashboards, alerts and people read beside calls and roll-ups: failures, the health of the
-- pipeline, budgets, disks. Whoever may read views only (`spanledger migrate --reader`) finds the
-- landing tables here as well, as `spans`, `logs` and `spans_trace_id_ts`.

-- Failed spans. A failure passes through several spans: all have its error_id, and the innermost
-- of them has its fingerprint. Few rows, and the only typed table with a text in it, because a
-- failure without its sentence helps nobody; our exporter has redacted it.
CREATE TABLE IF NOT EXISTS ${database}.span_errors ${on_cluster} (
    ts DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    duration_us UInt64 CODEC(T64, ZSTD(1)),
    trace_id FixedString(16) CODEC(ZSTD(1)),
    span_id FixedString(8) CODEC(ZSTD(1)),
    span_name LowCardinality(String) CODEC(ZSTD(1)),
    kind LowCardinality(String) COMMENT 'call, tool, agent, other' CODEC(ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    agent LowCardinality(String) CODEC(ZSTD(1)),
    session_id String CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    provider LowCardinality(String) CODEC(ZSTD(1)),
    model LowCardinality(String) CODEC(ZSTD(1)),
    tool LowCardinality(String) CODEC(ZSTD(1)),
    error_type LowCardinality(String) CODEC(ZSTD(1)),
    error_fingerprint LowCardinality(String) COMMENT 'of the innermost span only' CODEC(ZSTD(1)),
    error_id String CODEC(ZSTD(1)),
    message String CODEC(ZSTD(1)),
    received_at DateTime('UTC') DEFAULT now() COMMENT 'when the row came in' CODEC(ZSTD(1)),
    INDEX idx_trace_id lower(hex(trace_id)) TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = ${engine:ReplacingMergeTree}
PARTITION BY toDate(toStartOfHour(ts))
ORDER BY (toStartOfHour(ts), trace_id, span_id)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.span_errors_mv ${on_cluster}
TO ${database}.span_errors AS
WITH
    ((id, bytes) -> if(length(id) = 2 * bytes, unhex(id), substring(MD5(id), 1, if(id = '', 0, bytes)))) AS id_bytes,
    SpanAttributes['gen_ai.operation.name'] AS operation
SELECT
    toDateTime64(Timestamp, 6, 'UTC') AS ts,
    intDiv(Duration, 1000) AS duration_us,
    toFixedString(id_bytes(TraceId, 16), 16) AS trace_id,
    toFixedString(id_bytes(SpanId, 8), 8) AS span_id,
    SpanName AS span_name,
    multiIf(
        SpanAttributes['spanledger.billing'] IN ('shadow', 'container'), 'other',
        operation IN ('chat', 'generate_content', 'text_completion', 'embeddings', 'rerank'), 'call',
        operation = 'execute_tool', 'tool',
        operation = 'invoke_agent', 'agent', 'other') AS kind,
    ServiceName AS service,
    SpanAttributes['gen_ai.agent.name'] AS agent,
    if(SpanAttributes['gen_ai.conversation.id'] != '', SpanAttributes['gen_ai.conversation.id'], SpanAttributes['session.id']) AS session_id,
    SpanAttributes['user.id'] AS user_id,
    SpanAttributes['gen_ai.provider.name'] AS provider,
    if(SpanAttributes['gen_ai.request.model'] != '', SpanAttributes['gen_ai.request.model'], SpanAttributes['gen_ai.response.model']) AS model,
    SpanAttributes['gen_ai.tool.name'] AS tool,
    if(SpanAttributes['error.type'] != '', SpanAttributes['error.type'], arrayFirst(value -> value != '', arrayMap(event -> event['exception.type'], event_attributes))) AS error_type,
    SpanAttributes['spanledger.error.fingerprint'] AS error_fingerprint,
    SpanAttributes['spanledger.error.id'] AS error_id,
    substringUTF8(if(StatusMessage != '', StatusMessage, arrayFirst(value -> value != '', arrayMap(event -> event['exception.message'], event_attributes))), 1, 1000) AS message
FROM ${database}.marked_spans
WHERE StatusCode = 'Error';

${distributed:span_errors cityHash64(trace_id)};

CREATE VIEW IF NOT EXISTS ${database}.errors ${on_cluster} AS
SELECT
    e.ts AS ts,
    e.duration_us / 1000000 AS duration_s,
    lower(hex(e.trace_id)) AS trace_id,
    lower(hex(e.span_id)) AS span_id,
    e.* EXCEPT (ts, trace_id, span_id)
FROM ${database}.span_errors${all} AS e FINAL;

-- One row for each kind of failure: those with the same way through the code, or of other
-- producers with the same type at the same span. Failures that only passed through are left out.
CREATE VIEW IF NOT EXISTS ${database}.error_groups ${on_cluster} AS
SELECT
    if(e.error_fingerprint != '', e.error_fingerprint, lower(hex(sipHash64(e.service, e.span_name, e.error_type)))) AS error_group,
    min(e.ts) AS first_seen,
    max(e.ts) AS last_seen,
    count() AS failures,
    uniqExactIf(e.session_id, e.session_id != '') AS sessions,
    argMax(e.kind, e.ts) AS kind,
    argMax(e.service, e.ts) AS service,
    argMax(e.agent, e.ts) AS agent,
    argMax(e.span_name, e.ts) AS span_name,
    argMax(e.error_type, e.ts) AS error_type,
    argMax(e.message, e.ts) AS message,
    argMax(e.trace_id, e.ts) AS last_trace_id
FROM ${database}.errors AS e
WHERE e.error_fingerprint != '' OR e.error_id = ''
GROUP BY error_group;

${distributed:otel_metrics_sum rand()};
${distributed:otel_metrics_gauge rand()};

-- The pipeline: what came in when, and how long after its span had ended (a row that was sent
-- again counts again until merges remove it). Clocks of hosts differ: a delay is never below 0.
CREATE VIEW IF NOT EXISTS ${database}.arrivals ${on_cluster} AS
SELECT received_at, service, greatest(0, toUnixTimestamp(received_at) - intDiv(toUnixTimestamp64Micro(ts) + toInt64(duration_us), 1000000)) AS delay_s
FROM ${database}.llm_calls${all} WHERE revision = 0
UNION ALL
SELECT received_at, service, greatest(0, toUnixTimestamp(received_at) - intDiv(toUnixTimestamp64Micro(ts) + toInt64(duration_us), 1000000)) AS delay_s
FROM ${database}.agent_steps${all};

CREATE VIEW IF NOT EXISTS ${database}.ingestion ${on_cluster} AS
SELECT
    toStartOfHour(a.received_at) AS hour,
    a.service AS service,
    count() AS rows,
    quantile(0.5)(a.delay_s) AS delay_p50_s,
    quantile(0.95)(a.delay_s) AS delay_p95_s,
    max(a.delay_s) AS max_delay_s,
    max(a.received_at) AS last_received_at
FROM ${database}.arrivals AS a
GROUP BY hour, service;

CREATE VIEW IF NOT EXISTS ${database}.ingestion_minutes ${on_cluster} AS
SELECT
    toStartOfMinute(a.received_at) AS minute,
    a.service AS service,
    count() AS rows,
    quantile(0.95)(a.delay_s) AS delay_p95_s,
    max(a.delay_s) AS max_delay_s
FROM ${database}.arrivals AS a
WHERE a.received_at >= now('UTC') - INTERVAL 2 DAY
GROUP BY minute, service;

-- What exporters and Collectors count themselves, as they tell it.
CREATE VIEW IF NOT EXISTS ${database}.pipeline_metrics ${on_cluster} AS
SELECT
    m.TimeUnix AS ts, m.StartTimeUnix AS started_at, m.ServiceName AS service, m.MetricName AS name,
    m.Attributes['reason'] AS reason, m.Attributes AS attributes,
    cityHash64(toString(m.ResourceAttributes), m.ScopeName, toString(m.Attributes)) AS series,
    m.AggregationTemporality = 1 AS is_delta, m.Value AS value
FROM ${database}.otel_metrics_sum${all} AS m
WHERE startsWith(m.MetricName, 'spanledger.export.') OR startsWith(m.MetricName, 'otelcol_')
UNION ALL
SELECT
    m.TimeUnix AS ts, m.StartTimeUnix AS started_at, m.ServiceName AS service, m.MetricName AS name,
    m.Attributes['reason'] AS reason, m.Attributes AS attributes,
    cityHash64(toString(m.ResourceAttributes), m.ScopeName, toString(m.Attributes)) AS series,
    false AS is_delta, m.Value AS value
FROM ${database}.otel_metrics_gauge${all} AS m
WHERE startsWith(m.MetricName, 'spanledger.export.') OR startsWith(m.MetricName, 'otelcol_');

-- Our exporters' books of the last week by the minute: accepted, delivered and dropped are what
-- was added in it (counters start anew with their process), spooled is what waits.
CREATE VIEW IF NOT EXISTS ${database}.export_health ${on_cluster} AS
SELECT
    toStartOfMinute(s.ts) AS minute,
    s.service AS service,
    replaceOne(s.name, 'spanledger.export.', '') AS metric,
    s.reason AS reason,
    sum(s.added) AS value
FROM
(
    SELECT
        p.ts AS ts, p.service AS service, p.name AS name, p.reason AS reason,
        if(p.is_delta, p.value, greatest(0, p.value - lagInFrame(p.value, 1, 0) OVER (
            PARTITION BY p.series, p.name, p.started_at ORDER BY p.ts, p.value ROWS BETWEEN 1 PRECEDING AND CURRENT ROW))) AS added
    FROM ${database}.pipeline_metrics AS p
    WHERE startsWith(p.name, 'spanledger.export.') AND p.name != 'spanledger.export.spooled' AND p.ts >= now('UTC') - INTERVAL 8 DAY
    UNION ALL
    SELECT p.ts AS ts, p.service AS service, p.name AS name, p.reason AS reason, p.value AS added
    FROM ${database}.pipeline_metrics AS p
    WHERE p.name = 'spanledger.export.spooled' AND p.ts >= now('UTC') - INTERVAL 8 DAY
    ORDER BY p.ts DESC
    LIMIT 1 BY p.series, toStartOfMinute(p.ts)
) AS s
WHERE s.ts >= now('UTC') - INTERVAL 7 DAY
GROUP BY minute, service, metric, reason;

-- Budgets as the guard's processes tell them, each time that they do, and as they stood last.
-- Costs are in USD, tokens and calls in their own unit. Processes that share a ledger tell the same:
-- its newest word counts. What stands in ledgers apart (of processes, of hosts) adds up, and so
-- does what each of them allows, as far as their window was still open at the newest word of all.
CREATE VIEW IF NOT EXISTS ${database}.budget_states ${on_cluster} AS
SELECT
    m.TimeUnix AS ts,
    m.ServiceName AS service,
    m.Attributes['spanledger.guard.rule'] AS rule,
    m.Attributes['spanledger.guard.scope'] AS scope,
    m.Attributes['spanledger.guard.metric'] AS metric,
    m.Attributes['spanledger.guard.window'] AS budget_window,
    m.Attributes['spanledger.guard.ledger'] AS ledger,
    maxIf(m.Value, m.MetricName = 'spanledger.budget.limit') AS limit_amount,
    maxIf(m.Value, m.MetricName = 'spanledger.budget.spent') AS spent_amount,
    maxIf(m.Value, m.MetricName = 'spanledger.budget.reserved') AS reserved_amount,
    maxOrNullIf(m.Value, m.MetricName = 'spanledger.budget.resets_in') AS resets_in_s
FROM ${database}.otel_metrics_gauge${all} AS m
WHERE m.MetricName IN ('spanledger.budget.limit', 'spanledger.budget.spent', 'spanledger.budget.reserved', 'spanledger.budget.resets_in')
GROUP BY ts, service, rule, scope, metric, budget_window, ledger
HAVING limit_amount > 0;

CREATE VIEW IF NOT EXISTS ${database}.budgets ${on_cluster} AS
SELECT
    l.rule AS rule, l.scope AS scope, l.metric AS metric, l.budget_window AS budget_window,
    sum(l.limit_amount) AS limit_amount,
    sum(l.spent_amount) AS spent_amount,
    sum(l.reserved_amount) AS reserved_amount,
    argMax(l.resets_in_s, l.told_at) AS resets_in_s,
    max(l.told_at) AS at,
    count() AS ledgers
FROM
(
    SELECT
        b.rule AS rule, b.scope AS scope, b.metric AS metric, b.budget_window AS budget_window, b.ledger AS ledger,
        argMax(b.limit_amount, b.ts) AS limit_amount,
        argMax(b.spent_amount, b.ts) AS spent_amount,
        argMax(b.reserved_amount, b.ts) AS reserved_amount,
        -- A window without an end tells nothing, which argMax would pass over.
        argMax(tuple(b.resets_in_s), b.ts).1 AS resets_in_s,
        max(b.ts) AS told_at,
        max(told_at) OVER (PARTITION BY rule, scope, metric, budget_window) AS newest_at
    FROM ${database}.budget_states AS b
    GROUP BY rule, scope, metric, budget_window, ledger
) AS l
WHERE isNull(l.resets_in_s) OR toUnixTimestamp(l.told_at) + l.resets_in_s > toUnixTimestamp(l.newest_at)
GROUP BY rule, scope, metric, budget_window;

-- What is stored, on the node that is asked.
CREATE VIEW IF NOT EXISTS ${database}.disks ${on_cluster} AS
SELECT d.name AS disk, d.free_space AS free_bytes, d.total_space AS total_bytes FROM system.disks AS d;

CREATE VIEW IF NOT EXISTS ${database}.storage ${on_cluster} AS
SELECT
    p.table AS table, p.disk AS disk, p.rows AS rows, p.bytes_on_disk AS bytes_on_disk,
    d.free_bytes AS disk_free_bytes, d.total_bytes AS disk_total_bytes
FROM
(
    SELECT table, disk_name AS disk, sum(rows) AS rows, sum(bytes_on_disk) AS bytes_on_disk
    FROM system.parts
    WHERE active AND database = ${database_text}
    GROUP BY table, disk
) AS p
LEFT JOIN ${database}.disks AS d ON p.disk = d.disk;

-- The landing tables as they are.
CREATE VIEW IF NOT EXISTS ${database}.spans ${on_cluster} AS
SELECT s.* FROM ${database}.otel_traces${all} AS s;

CREATE VIEW IF NOT EXISTS ${database}.spans_trace_id_ts ${on_cluster} AS
SELECT t.* FROM ${database}.otel_traces_trace_id_ts${all} AS t;

CREATE VIEW IF NOT EXISTS ${database}.logs ${on_cluster} AS
SELECT l.*, l.TimestampTime AS TimestampTime FROM ${database}.otel_logs${all} AS l;
