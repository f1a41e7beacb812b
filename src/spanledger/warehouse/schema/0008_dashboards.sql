-- What dashboards ask for beyond calls and their roll-ups: which release of a service ran when, and
-- coding agents that tell about themselves in log records.

-- Releases: what a service's spans say about its version, a row an hour.
CREATE TABLE IF NOT EXISTS ${database}.service_versions ${on_cluster} (
    hour DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    version LowCardinality(String) CODEC(ZSTD(1)),
    first_ts SimpleAggregateFunction(min, DateTime('UTC')) CODEC(ZSTD(1)),
    last_ts SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1))
) ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYYYYMM(hour)
ORDER BY (service, version, hour)
SETTINGS index_granularity = 8192, ${deduplication};

${distributed:service_versions rand()};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.service_versions_mv ${on_cluster}
TO ${database}.service_versions AS
SELECT
    toDateTime(toStartOfHour(Timestamp), 'UTC') AS hour,
    ServiceName AS service,
    ResourceAttributes['service.version'] AS version,
    min(toDateTime(Timestamp, 'UTC')) AS first_ts,
    max(toDateTime(Timestamp, 'UTC')) AS last_ts
FROM ${database}.otel_traces
WHERE version != ''
GROUP BY hour, service, version;

-- A release is a version that the service did not run before.
CREATE VIEW IF NOT EXISTS ${database}.deployments ${on_cluster} AS
SELECT v.service AS service, v.version AS version, min(v.first_ts) AS ts, max(v.last_ts) AS last_seen_at
FROM ${database}.service_versions${all} AS v
GROUP BY service, version;

-- Claude Code, Codex CLI and Gemini CLI tell what they do in log records, by the names that their
-- documentation gives. A record that is sent twice is one row: its identity is all that it says.
CREATE TABLE IF NOT EXISTS ${database}.coding_agent_records ${on_cluster} (
    ts DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    record_id FixedString(16) CODEC(ZSTD(1)),
    product LowCardinality(String) COMMENT 'claude_code, codex, gemini_cli' CODEC(ZSTD(1)),
    event LowCardinality(String) COMMENT 'call, call_failed, tool, tool_decision, prompt' CODEC(ZSTD(1)),
    session_id String CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    version LowCardinality(String) CODEC(ZSTD(1)),
    model LowCardinality(String) CODEC(ZSTD(1)),
    tool LowCardinality(String) CODEC(ZSTD(1)),
    success Nullable(UInt8) CODEC(ZSTD(1)),
    decision LowCardinality(String) COMMENT 'accept, reject and so on, as the product spells it' CODEC(ZSTD(1)),
    duration_ms Nullable(Float64) CODEC(ZSTD(1)),
    error String CODEC(ZSTD(1)),
    received_at DateTime('UTC') DEFAULT now() CODEC(ZSTD(1)),
    INDEX idx_session_id session_id TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = ${engine:ReplacingMergeTree}
PARTITION BY toDate(toStartOfHour(ts))
ORDER BY (toStartOfHour(ts), product, session_id, record_id)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, ${deduplication};

${distributed:coding_agent_records cityHash64(record_id)};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.coding_agent_records_mv ${on_cluster}
TO ${database}.coding_agent_records AS
WITH
    -- Claude Code puts the whole name into the body, the others into an attribute; newer SDKs
    -- have a field for it.
    arrayFirst(name -> match(name, '^(claude_code|codex|gemini_cli)[.]'), [EventName, LogAttributes['event.name'], Body]) AS name,
    multiIf(
        name IN ('claude_code.api_request', 'gemini_cli.api_response'), 'call',
        name = 'codex.sse_event' AND LogAttributes['event.kind'] = 'response.completed', 'call',
        name IN ('claude_code.api_error', 'gemini_cli.api_error'), 'call_failed',
        name = 'codex.api_request' AND (LogAttributes['error.message'] != '' OR toUInt16OrZero(LogAttributes['http.response.status_code']) >= 400), 'call_failed',
        name IN ('claude_code.tool_result', 'codex.tool_result', 'gemini_cli.tool_call'), 'tool',
        name IN ('claude_code.tool_decision', 'codex.tool_decision'), 'tool_decision',
        name IN ('claude_code.user_prompt', 'codex.user_prompt', 'gemini_cli.user_prompt'), 'prompt',
        '') AS kind,
    (names -> LogAttributes[arrayFirst(name -> LogAttributes[name] != '', names)]) AS told
SELECT
    toDateTime64(Timestamp, 6, 'UTC') AS ts,
    MD5(toString((Timestamp, TraceId, SpanId, Body, LogAttributes))) AS record_id,
    splitByChar('.', name)[1] AS product,
    kind AS event,
    told(['session.id', 'conversation.id']) AS session_id,
    told(['user.email', 'user.account_uuid', 'user.account_id', 'user.id']) AS user_id,
    if(LogAttributes['app.version'] != '', LogAttributes['app.version'], ResourceAttributes['service.version']) AS version,
    LogAttributes['model'] AS model,
    told(['tool_name', 'function_name']) AS tool,
    multiIf(lower(LogAttributes['success']) IN ('true', '1'), 1, lower(LogAttributes['success']) IN ('false', '0'), 0, NULL) AS success,
    told(['decision', 'decision_type']) AS decision,
    toFloat64OrNull(LogAttributes['duration_ms']) AS duration_ms,
    substring(told(['error', 'error.message', 'error_message', 'error_type', 'status_code', 'http.response.status_code']), 1, 500) AS error
FROM ${database}.otel_logs
WHERE (match(EventName, '^(claude_code|codex|gemini_cli)[.]') OR match(Body, '^claude_code[.]')
    OR match(LogAttributes['event.name'], '^(codex|gemini_cli)[.]'))
    AND kind != '';

CREATE VIEW IF NOT EXISTS ${database}.coding_agent_events ${on_cluster} AS
SELECT r.* EXCEPT (record_id), lower(hex(r.record_id)) AS record_id
FROM ${database}.coding_agent_records${all} AS r FINAL;

-- Their model calls are call records like any other, and priced by the same steps (0003). Usage is
-- brought into the form of the conventions first: input with the cache, output with reasoning.
-- What the product itself says a call has cost is an estimate of that product.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.coding_agent_calls_mv ${on_cluster}
TO ${database}.foreign_spans AS
WITH
    arrayFirst(name -> match(name, '^(claude_code|codex|gemini_cli)[.]'), [EventName, LogAttributes['event.name'], Body]) AS name,
    splitByChar('.', name)[1] AS product,
    MD5(toString((Timestamp, TraceId, SpanId, Body, LogAttributes))) AS identity,
    (name -> greatest(0, toInt64OrZero(LogAttributes[name]))) AS tokens,
    product = 'claude_code' ? tokens('cache_read_tokens') : tokens('cached_token_count') + tokens('cached_content_token_count') AS cache_read,
    tokens('cache_creation_tokens') AS cache_write,
    product = 'claude_code' ? tokens('input_tokens') + cache_read + cache_write : tokens('input_token_count') AS input,
    tokens('reasoning_token_count') + tokens('thoughts_token_count') AS reasoning,
    multiIf(product = 'claude_code', tokens('output_tokens'), product = 'gemini_cli', tokens('output_token_count') + reasoning, tokens('output_token_count')) AS output,
    toFloat64OrNull(LogAttributes['cost_usd']) AS told_usd,
    toFloat64OrZero(LogAttributes['duration_ms']) AS duration_ms,
    [
        (toUInt16(1), multiIf(product = 'claude_code', 'anthropic', product = 'codex', 'openai', 'google')),
        (2, LogAttributes['model']),
        (4, LogAttributes['session.id'] != '' ? LogAttributes['session.id'] : LogAttributes['conversation.id']),
        (5, LogAttributes['user.email'] != '' ? LogAttributes['user.email'] : LogAttributes['user.id']),
        (6, toString(input)), (7, toString(output)), (8, toString(cache_read)), (9, toString(cache_write)), (11, toString(reasoning))
    ] AS told
SELECT
    Timestamp,
    toUInt64(isFinite(duration_ms) AND duration_ms BETWEEN 0 AND 1e9 ? duration_ms * 1000000 : 0) AS Duration,
    TraceId != '' ? TraceId : lower(hex(MD5(concat(product, told[3].2)))) AS TraceId,
    lower(hex(substring(identity, 1, 8))) AS SpanId,
    SpanId AS ParentSpanId,
    concat('chat ', LogAttributes['model']) AS SpanName,
    ServiceName,
    product AS ScopeName,
    'Unset' AS StatusCode,
    replaceAll(product, '_', '-') AS agent,
    isFinite(told_usd) AND told_usd BETWEEN 0 AND 1e6 ? toString(toInt64(round(told_usd * 1000000000))) : '' AS told_nano_usd,
    'estimated' AS told_provenance,
    '' AS error_type,
    '' AS error_id,
    '' AS error_fingerprint,
    '' AS first_chunk_s,
    '' AS finish_reasons_json,
    'chat' AS operation,
    arrayMap(pair -> toUInt16(pair.1 * 32), told) AS slots,
    arrayMap(pair -> pair.2, told) AS values,
    arrayMap(pair -> toUInt16(pair.1), told) AS fields,
    arrayMap(pair -> ifNull(pair.1 >= 6 ? toInt64OrNull(pair.2) : NULL, -1), told) AS numbers
FROM ${database}.otel_logs
WHERE (EventName IN ('claude_code.api_request', 'gemini_cli.api_response', 'codex.sse_event') OR Body = 'claude_code.api_request'
    OR LogAttributes['event.name'] IN ('gemini_cli.api_response', 'codex.sse_event'))
    AND (product != 'codex' OR LogAttributes['event.kind'] = 'response.completed');

-- What only their metrics tell: lines, commits, active time. A cumulative counter counts by its
-- highest value since it began, so that sessions that share a series are not counted as resets.
CREATE VIEW IF NOT EXISTS ${database}.coding_agent_metrics ${on_cluster} AS
SELECT
    max(m.TimeUnix) AS ts,
    splitByChar('.', toString(m.MetricName))[1] AS product,
    m.MetricName AS metric,
    m.Attributes['type'] AS type,
    m.Attributes['session.id'] AS session_id,
    m.Attributes['user.email'] != '' ? m.Attributes['user.email'] : m.Attributes['user.id'] AS user_id,
    max(m.Value) AS value
FROM ${database}.otel_metrics_sum${all} AS m
WHERE match(m.MetricName, '^(claude_code|codex|gemini_cli)[.]')
GROUP BY m.ServiceName, m.MetricName, m.StartTimeUnix, cityHash64(toString(m.Attributes), toString(m.ResourceAttributes)), m.Attributes,
    if(m.AggregationTemporality = 1, m.TimeUnix, toDateTime(0));

-- Today's base prices of the models that were used, in US dollars a token. The price of a name is
-- found as 0003 finds that of a call, which takes longer than a panel may.
CREATE TABLE IF NOT EXISTS ${database}.model_price_builds ${on_cluster} (
    provider LowCardinality(String) CODEC(ZSTD(1)),
    model LowCardinality(String) CODEC(ZSTD(1)),
    input_usd Nullable(Float64) CODEC(ZSTD(1)),
    cache_read_usd Nullable(Float64) CODEC(ZSTD(1)),
    output_usd Nullable(Float64) CODEC(ZSTD(1)),
    built_at DateTime('UTC') CODEC(ZSTD(1))
) ENGINE = ReplacingMergeTree(built_at)
ORDER BY (provider, model)
SETTINGS index_granularity = 8192;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.model_price_builds_mv ${on_cluster}
REFRESH EVERY 10 MINUTE APPEND TO ${database}.model_price_builds AS
SELECT
    s.provider AS provider,
    s.model AS model,
    if(bitTest(s.segment[8], 0), NULL, s.segment[10] / 1e12) AS input_usd,
    if(bitTest(s.segment[8], 1), NULL, s.segment[11] / 1e12) AS cache_read_usd,
    if(bitTest(s.segment[8], 8), NULL, s.segment[18] / 1e12) AS output_usd,
    now('UTC') AS built_at
FROM
(
    SELECT c.provider AS provider, c.model AS model,
        arrayFirst(segment -> segment[1] <= toUnixTimestamp(now()) AND segment[2] > toUnixTimestamp(now()) AND segment[5] < 0,
            joinGet(${database}.price_list, 'segments', toUInt32(bitAnd(c.code, 4294967295)), '')) AS segment
    FROM
    (
        SELECT o.provider AS provider, o.model AS model,
            arrayMin(arrayPushBack(arrayMap((text, kind, tail, code) -> if(
                multiIf(kind = 1, startsWith(o.name, text), kind = 2, endsWith(o.name, text), position(o.name, text) > 0)
                    AND multiIf(
                        tail = 0, 1,
                        tail = 1, match(substring(o.name, length(text) + 1), '^[0-9]{8}$'),
                        tail = 2, match(substring(o.name, length(text) + 1), '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
                        tail = 3, match(substring(o.name, length(text) + 1), '^[0-9]'),
                        tail = 4, NOT match(o.name, '-tts($|-)'),
                        position(o.name, '/') < 2), code, 18446744073709551615),
                joinGet(${database}.price_rules, 'texts', o.owner), joinGet(${database}.price_rules, 'kinds', o.owner),
                joinGet(${database}.price_rules, 'tails', o.owner), joinGet(${database}.price_rules, 'codes', o.owner)),
                if(o.exact = 0, 18446744073709551615, o.exact))) AS code
        FROM
        (
            SELECT n.provider AS provider, n.model AS model, n.name AS name, n.owner AS owner,
                joinGet(${database}.price_names, 'code', n.owner, n.name) AS exact
            FROM
            (
                SELECT u.provider AS provider, u.model AS model, lower(u.model) AS name,
                    if(joinGet(${database}.price_providers, 'provider', toString(u.provider)) != '', joinGet(${database}.price_providers, 'provider', toString(u.provider)), toString(u.provider)) AS owner
                FROM (SELECT DISTINCT toString(h.provider) AS provider, toString(h.model) AS model FROM ${database}.cost_hourly AS h) AS u
            ) AS n
        ) AS o
    ) AS c
    WHERE c.code != 18446744073709551615
) AS s
WHERE length(s.segment) >= 18;

CREATE VIEW IF NOT EXISTS ${database}.model_prices ${on_cluster} AS
SELECT p.* EXCEPT (built_at) FROM ${database}.model_price_builds AS p FINAL;

-- Tool calls by the hour, built as 0004 builds calls: service, agent, tool.
CREATE TABLE IF NOT EXISTS ${database}.tools_hourly ${on_cluster} (
    hour DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    agent LowCardinality(String) CODEC(ZSTD(1)),
    tool LowCardinality(String) CODEC(ZSTD(1)),
    calls UInt64 CODEC(T64, ZSTD(1)),
    failed_calls UInt64 CODEC(T64, ZSTD(1)),
    duration_us UInt64 CODEC(T64, ZSTD(1)),
    duration_histogram Map(Int16, UInt64) CODEC(ZSTD(1)),
    built_at DateTime('UTC') CODEC(Delta(4), ZSTD(1))
) ENGINE = ${engine:ReplacingMergeTree(built_at)}
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, service, agent, tool)
SETTINGS index_granularity = 8192, ${deduplication};

${distributed:tools_hourly rand()};

${stale_hours: stale_tool_hours | tools_hourly | agent_steps | calls | kind = 'tool'};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.tools_hourly_mv ${on_cluster}
REFRESH EVERY 1 MINUTE APPEND TO ${database}.tools_hourly AS
SELECT
    p.hour AS hour, p.service AS service, p.agent AS agent, p.tool AS tool,
    sum(p.calls) AS calls,
    sum(p.failed_calls) AS failed_calls,
    sum(p.duration_us) AS duration_us,
    sumMap(p.duration_histogram) AS duration_histogram,
    now('UTC') AS built_at
FROM
(
    SELECT
        toStartOfHour(c.ts) AS hour,
        c.service AS service,
        c.agent AS agent,
        c.tool AS tool,
        count() AS calls,
        countIf(c.status = 'Error') AS failed_calls,
        sum(c.duration_us) AS duration_us,
        sumMap(map(toInt16(floor(log2(greatest(c.duration_us, 1)) * 8)), toUInt64(1))) AS duration_histogram
    FROM ${database}.agent_steps AS c FINAL
    WHERE c.kind = 'tool' AND toStartOfHour(c.ts) IN (SELECT hour FROM ${database}.stale_tool_hours)
    GROUP BY hour, service, agent, tool
    UNION ALL
    SELECT o.hour AS hour, o.service AS service, o.agent AS agent, o.tool AS tool,
        toUInt64(0) AS calls,
        toUInt64(0) AS failed_calls,
        toUInt64(0) AS duration_us,
        CAST(map(), 'Map(Int16, UInt64)') AS duration_histogram
    FROM ${database}.tools_hourly AS o FINAL
    WHERE o.hour IN (SELECT hour FROM ${database}.stale_tool_hours)
) AS p
GROUP BY hour, service, agent, tool;

CREATE VIEW IF NOT EXISTS ${database}.tools_usage ${on_cluster} AS
SELECT h.* EXCEPT (built_at)
FROM ${database}.tools_hourly${all} AS h FINAL
WHERE h.calls > 0
UNION ALL
SELECT
    toStartOfHour(c.ts) AS hour,
    c.service AS service,
    c.agent AS agent,
    c.tool AS tool,
    count() AS calls,
    countIf(c.status = 'Error') AS failed_calls,
    sum(c.duration_us) AS duration_us,
    sumMap(map(toInt16(floor(log2(greatest(c.duration_us, 1)) * 8)), toUInt64(1))) AS duration_histogram
FROM ${database}.agent_steps${all} AS c FINAL
WHERE c.kind = 'tool' AND c.ts >= (SELECT toDateTime64(max(hour) + 3600, 6, 'UTC') FROM ${database}.tools_hourly${all})
GROUP BY hour, service, agent, tool;


-- Runs of agents by the hour, likewise: service, agent. Costs and calls are those of everything below
-- a run, so a sub-agent's are in its caller's as well.
CREATE TABLE IF NOT EXISTS ${database}.runs_hourly ${on_cluster} (
    hour DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    agent LowCardinality(String) CODEC(ZSTD(1)),
    runs UInt64 CODEC(T64, ZSTD(1)),
    failed_runs UInt64 CODEC(T64, ZSTD(1)),
    counted_runs UInt64 CODEC(T64, ZSTD(1)),
    subtree_calls UInt64 CODEC(T64, ZSTD(1)),
    subtree_cost_usd Nullable(Decimal(38, 9)) CODEC(ZSTD(1)),
    duration_us UInt64 CODEC(T64, ZSTD(1)),
    duration_histogram Map(Int16, UInt64) CODEC(ZSTD(1)),
    built_at DateTime('UTC') CODEC(Delta(4), ZSTD(1))
) ENGINE = ${engine:ReplacingMergeTree(built_at)}
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, service, agent)
SETTINGS index_granularity = 8192, ${deduplication};

${distributed:runs_hourly rand()};

${stale_hours: stale_run_hours | runs_hourly | agent_steps | runs | kind = 'run'};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.runs_hourly_mv ${on_cluster}
REFRESH EVERY 1 MINUTE APPEND TO ${database}.runs_hourly AS
SELECT
    p.hour AS hour, p.service AS service, p.agent AS agent,
    sum(p.runs) AS runs,
    sum(p.failed_runs) AS failed_runs,
    sum(p.counted_runs) AS counted_runs,
    sum(p.subtree_calls) AS subtree_calls,
    sum(p.subtree_cost_usd) AS subtree_cost_usd,
    sum(p.duration_us) AS duration_us,
    sumMap(p.duration_histogram) AS duration_histogram,
    now('UTC') AS built_at
FROM
(
    SELECT
        toStartOfHour(c.ts) AS hour,
        c.service AS service,
        c.agent AS agent,
        count() AS runs,
        countIf(c.status = 'Error') AS failed_runs,
        countIf(isNotNull(c.subtree_calls)) AS counted_runs,
        sum(toUInt64(ifNull(c.subtree_calls, 0))) AS subtree_calls,
        sum(c.subtree_cost_usd) AS subtree_cost_usd,
        sum(c.duration_us) AS duration_us,
        sumMap(map(toInt16(floor(log2(greatest(c.duration_us, 1)) * 8)), toUInt64(1))) AS duration_histogram
    FROM ${database}.agent_steps AS c FINAL
    WHERE c.kind = 'run' AND toStartOfHour(c.ts) IN (SELECT hour FROM ${database}.stale_run_hours)
    GROUP BY hour, service, agent
    UNION ALL
    SELECT o.hour AS hour, o.service AS service, o.agent AS agent,
        toUInt64(0) AS runs,
        toUInt64(0) AS failed_runs,
        toUInt64(0) AS counted_runs,
        toUInt64(0) AS subtree_calls,
        CAST(NULL, 'Nullable(Decimal(38, 9))') AS subtree_cost_usd,
        toUInt64(0) AS duration_us,
        CAST(map(), 'Map(Int16, UInt64)') AS duration_histogram
    FROM ${database}.runs_hourly AS o FINAL
    WHERE o.hour IN (SELECT hour FROM ${database}.stale_run_hours)
) AS p
GROUP BY hour, service, agent;

CREATE VIEW IF NOT EXISTS ${database}.runs_usage ${on_cluster} AS
SELECT h.* EXCEPT (built_at)
FROM ${database}.runs_hourly${all} AS h FINAL
WHERE h.runs > 0
UNION ALL
SELECT
    toStartOfHour(c.ts) AS hour,
    c.service AS service,
    c.agent AS agent,
    count() AS runs,
    countIf(c.status = 'Error') AS failed_runs,
    countIf(isNotNull(c.subtree_calls)) AS counted_runs,
    sum(toUInt64(ifNull(c.subtree_calls, 0))) AS subtree_calls,
    sum(c.subtree_cost_usd) AS subtree_cost_usd,
    sum(c.duration_us) AS duration_us,
    sumMap(map(toInt16(floor(log2(greatest(c.duration_us, 1)) * 8)), toUInt64(1))) AS duration_histogram
FROM ${database}.agent_steps${all} AS c FINAL
WHERE c.kind = 'run' AND c.ts >= (SELECT toDateTime64(max(hour) + 3600, 6, 'UTC') FROM ${database}.runs_hourly${all})
GROUP BY hour, service, agent;

-- Spans by the minute in which they came in, and how long after their end (clocks of hosts differ:
-- never below 0). A span that is sent again counts again: it came in again.
CREATE TABLE IF NOT EXISTS ${database}.arrival_minutes ${on_cluster} (
    minute DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    spans SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    max_delay_s SimpleAggregateFunction(max, Int64) CODEC(ZSTD(1)),
    last_at SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1))
) ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, service)
SETTINGS index_granularity = 8192, ${deduplication};

${distributed:arrival_minutes rand()};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.arrival_minutes_mv ${on_cluster}
TO ${database}.arrival_minutes AS
SELECT
    toStartOfMinute(now('UTC')) AS minute,
    ServiceName AS service,
    count() AS spans,
    max(greatest(0, toInt64(toUnixTimestamp(now('UTC'))) - intDiv(toUnixTimestamp64Nano(Timestamp) + toInt64(Duration), 1000000000))) AS max_delay_s,
    max(now('UTC')) AS last_at
FROM ${database}.otel_traces
GROUP BY minute, service;

CREATE VIEW IF NOT EXISTS ${database}.received_minutes ${on_cluster} AS
SELECT m.minute AS minute, m.service AS service, sum(m.spans) AS spans, max(m.max_delay_s) AS max_delay_s, max(m.last_at) AS last_at
FROM ${database}.arrival_minutes${all} AS m
GROUP BY minute, service;

-- What 0007 works out, kept: a forecast is a matter of days, and asking for it takes longer than a
-- panel may. The views show the last build. On a cluster each node builds its own from all shards.
CREATE TABLE IF NOT EXISTS ${database}.forecast_builds ${on_cluster} (
    scope LowCardinality(String) CODEC(ZSTD(1)),
    name String CODEC(ZSTD(1)),
    metric LowCardinality(String) CODEC(ZSTD(1)),
    day Date CODEC(ZSTD(1)),
    actual Nullable(Float64) CODEC(ZSTD(1)),
    expected Nullable(Float64) CODEC(ZSTD(1)),
    low Nullable(Float64) CODEC(ZSTD(1)),
    high Nullable(Float64) CODEC(ZSTD(1)),
    built_at DateTime('UTC') CODEC(ZSTD(1))
) ENGINE = ReplacingMergeTree(built_at)
ORDER BY (scope, metric, name, day)
SETTINGS index_granularity = 8192;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.forecast_builds_mv ${on_cluster}
REFRESH EVERY 10 MINUTE APPEND TO ${database}.forecast_builds AS
SELECT f.scope AS scope, f.name AS name, f.metric AS metric, f.day AS day,
    f.actual AS actual, f.expected AS expected, f.low AS low, f.high AS high, now('UTC') AS built_at
FROM ${database}.forecast_daily AS f;

CREATE VIEW IF NOT EXISTS ${database}.forecast_latest ${on_cluster} AS
SELECT b.* EXCEPT (built_at) FROM ${database}.forecast_builds AS b
WHERE b.built_at = (SELECT max(built_at) FROM ${database}.forecast_builds);

CREATE TABLE IF NOT EXISTS ${database}.anomaly_builds ${on_cluster} (
    at DateTime('UTC') CODEC(ZSTD(1)),
    kind LowCardinality(String) CODEC(ZSTD(1)),
    scope LowCardinality(String) CODEC(ZSTD(1)),
    name String CODEC(ZSTD(1)),
    agent LowCardinality(String) CODEC(ZSTD(1)),
    value Float64 CODEC(ZSTD(1)),
    usual Float64 CODEC(ZSTD(1)),
    times Float64 CODEC(ZSTD(1)),
    score Float64 CODEC(ZSTD(1)),
    reason String CODEC(ZSTD(1)),
    built_at DateTime('UTC') CODEC(ZSTD(1))
) ENGINE = ReplacingMergeTree(built_at)
ORDER BY (at, kind, scope, name)
SETTINGS index_granularity = 8192;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.anomaly_builds_mv ${on_cluster}
REFRESH EVERY 5 MINUTE APPEND TO ${database}.anomaly_builds AS
SELECT toDateTime(a.at, 'UTC') AS at, a.kind AS kind, a.scope AS scope, a.name AS name, toString(a.agent) AS agent,
    ifNull(toFloat64(a.value), 0) AS value, ifNull(toFloat64(a.usual), 0) AS usual, ifNull(a.times, 0) AS times, ifNull(a.score, 0) AS score, a.reason AS reason, now('UTC') AS built_at
FROM ${database}.anomalies AS a;

CREATE VIEW IF NOT EXISTS ${database}.anomalies_latest ${on_cluster} AS
SELECT b.* EXCEPT (built_at) FROM ${database}.anomaly_builds AS b
WHERE b.built_at = (SELECT max(built_at) FROM ${database}.anomaly_builds);
