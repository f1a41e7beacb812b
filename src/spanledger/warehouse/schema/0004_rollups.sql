-- Roll-ups: what dashboards read. Closed hours are built, and built anew, by refreshable views: an
-- hour is stale while it has no build, or rows came in since (a minute or two of grace for
-- INSERTs under way). So a late span, a correction, a row sent twice, a crash in between: all heal
-- at the next refresh, and no sum is ever added to. The views that people query add the open tail
-- from the typed table, each row once.
--
-- Sums are exact (integers, Decimal). Latency is a histogram that can be added up: the key is
-- floor(log2(µs) × 8), so a bucket is 9 % wide. A key that vanished from an hour stays as a row of
-- nothing until merges replace it, which is why views leave out rows without calls.

-- By the hour: service, agent, operation, provider, model.
CREATE TABLE IF NOT EXISTS ${database}.calls_hourly ${on_cluster} (
    hour DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    agent LowCardinality(String) CODEC(ZSTD(1)),
    operation LowCardinality(String) CODEC(ZSTD(1)),
    provider LowCardinality(String) CODEC(ZSTD(1)),
    model LowCardinality(String) CODEC(ZSTD(1)),
    calls UInt64 CODEC(T64, ZSTD(1)),
    failed_calls UInt64 CODEC(T64, ZSTD(1)),
    unpriced_calls UInt64 CODEC(T64, ZSTD(1)),
    estimated_calls UInt64 CODEC(T64, ZSTD(1)),
    input_tokens UInt64 CODEC(T64, ZSTD(1)),
    output_tokens UInt64 CODEC(T64, ZSTD(1)),
    cache_read_tokens UInt64 CODEC(T64, ZSTD(1)),
    cache_write_tokens UInt64 CODEC(T64, ZSTD(1)),
    reasoning_tokens UInt64 CODEC(T64, ZSTD(1)),
    cost_usd Nullable(Decimal(38, 9)) CODEC(ZSTD(1)),
    duration_us UInt64 CODEC(T64, ZSTD(1)),
    duration_histogram Map(Int16, UInt64) CODEC(ZSTD(1)),
    built_at DateTime('UTC') CODEC(Delta(4), ZSTD(1))
) ENGINE = ${engine:ReplacingMergeTree(built_at)}
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, service, agent, operation, provider, model)
SETTINGS index_granularity = 8192, ${deduplication};

${distributed:calls_hourly rand()};

${stale_hours: stale_hours | calls_hourly | llm_calls | calls | true};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.calls_hourly_mv ${on_cluster}
REFRESH EVERY 1 MINUTE APPEND TO ${database}.calls_hourly AS
SELECT
    p.hour AS hour, p.service AS service, p.agent AS agent, p.operation AS operation, p.provider AS provider, p.model AS model,
    sum(p.calls) AS calls,
    sum(p.failed_calls) AS failed_calls,
    sum(p.unpriced_calls) AS unpriced_calls,
    sum(p.estimated_calls) AS estimated_calls,
    sum(p.input_tokens) AS input_tokens,
    sum(p.output_tokens) AS output_tokens,
    sum(p.cache_read_tokens) AS cache_read_tokens,
    sum(p.cache_write_tokens) AS cache_write_tokens,
    sum(p.reasoning_tokens) AS reasoning_tokens,
    sum(p.cost_usd) AS cost_usd,
    sum(p.duration_us) AS duration_us,
    sumMap(p.duration_histogram) AS duration_histogram,
    now('UTC') AS built_at
FROM
(
    SELECT
        toStartOfHour(c.ts) AS hour,
        ${call_names},
        ${all_call_sums}
    FROM ${database}.llm_calls AS c FINAL
    WHERE toStartOfHour(c.ts) IN (SELECT hour FROM ${database}.stale_hours)
    GROUP BY hour, service, agent, operation, provider, model
    UNION ALL
    SELECT o.hour AS hour, o.service AS service, o.agent AS agent, o.operation AS operation, o.provider AS provider, o.model AS model,
        toUInt64(0) AS calls,
        toUInt64(0) AS failed_calls,
        toUInt64(0) AS unpriced_calls,
        toUInt64(0) AS estimated_calls,
        toUInt64(0) AS input_tokens,
        toUInt64(0) AS output_tokens,
        toUInt64(0) AS cache_read_tokens,
        toUInt64(0) AS cache_write_tokens,
        toUInt64(0) AS reasoning_tokens,
        CAST(NULL, 'Nullable(Decimal(38, 9))') AS cost_usd,
        toUInt64(0) AS duration_us,
        CAST(map(), 'Map(Int16, UInt64)') AS duration_histogram
    FROM ${database}.calls_hourly AS o FINAL
    WHERE o.hour IN (SELECT hour FROM ${database}.stale_hours)
) AS p
GROUP BY hour, service, agent, operation, provider, model;


-- By the hour and session.
CREATE TABLE IF NOT EXISTS ${database}.sessions_hourly ${on_cluster} (
    hour DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    session_id String CODEC(ZSTD(1)),
    first_ts DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    last_ts DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    agent LowCardinality(String) CODEC(ZSTD(1)),
    calls UInt64 CODEC(T64, ZSTD(1)),
    failed_calls UInt64 CODEC(T64, ZSTD(1)),
    unpriced_calls UInt64 CODEC(T64, ZSTD(1)),
    input_tokens UInt64 CODEC(T64, ZSTD(1)),
    output_tokens UInt64 CODEC(T64, ZSTD(1)),
    cache_read_tokens UInt64 CODEC(T64, ZSTD(1)),
    cost_usd Nullable(Decimal(38, 9)) CODEC(ZSTD(1)),
    built_at DateTime('UTC') CODEC(Delta(4), ZSTD(1))
) ENGINE = ${engine:ReplacingMergeTree(built_at)}
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, session_id)
SETTINGS index_granularity = 8192, ${deduplication};

${distributed:sessions_hourly rand()};

${stale_hours: stale_session_hours | sessions_hourly | llm_calls | calls | true};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.sessions_hourly_mv ${on_cluster}
REFRESH EVERY 1 MINUTE APPEND TO ${database}.sessions_hourly AS
SELECT
    p.hour AS hour, p.session_id AS session_id,
    minIf(p.first_ts, p.calls > 0) AS first_ts,
    max(p.last_ts) AS last_ts,
    max(p.user_id) AS user_id,
    max(p.agent) AS agent,
    sum(p.calls) AS calls,
    sum(p.failed_calls) AS failed_calls,
    sum(p.unpriced_calls) AS unpriced_calls,
    sum(p.input_tokens) AS input_tokens,
    sum(p.output_tokens) AS output_tokens,
    sum(p.cache_read_tokens) AS cache_read_tokens,
    sum(p.cost_usd) AS cost_usd,
    now('UTC') AS built_at
FROM
(
    SELECT
        toStartOfHour(c.ts) AS hour,
        c.session_id AS session_id,
        min(c.ts) AS first_ts,
        max(c.ts) AS last_ts,
        max(c.user_id) AS user_id,
        toString(max(c.agent)) AS agent,
        ${call_sums}
    FROM ${database}.llm_calls AS c FINAL
    WHERE toStartOfHour(c.ts) IN (SELECT hour FROM ${database}.stale_session_hours)
    GROUP BY hour, session_id
    UNION ALL
    SELECT o.hour AS hour, o.session_id AS session_id,
        o.first_ts AS first_ts,
        o.last_ts AS last_ts,
        '' AS user_id,
        '' AS agent,
        toUInt64(0) AS calls,
        toUInt64(0) AS failed_calls,
        toUInt64(0) AS unpriced_calls,
        toUInt64(0) AS input_tokens,
        toUInt64(0) AS output_tokens,
        toUInt64(0) AS cache_read_tokens,
        CAST(NULL, 'Nullable(Decimal(38, 9))') AS cost_usd
    FROM ${database}.sessions_hourly AS o FINAL
    WHERE o.hour IN (SELECT hour FROM ${database}.stale_session_hours)
) AS p
GROUP BY hour, session_id;


-- By the hour, user and model.
CREATE TABLE IF NOT EXISTS ${database}.users_hourly ${on_cluster} (
    hour DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    model LowCardinality(String) CODEC(ZSTD(1)),
    calls UInt64 CODEC(T64, ZSTD(1)),
    failed_calls UInt64 CODEC(T64, ZSTD(1)),
    unpriced_calls UInt64 CODEC(T64, ZSTD(1)),
    input_tokens UInt64 CODEC(T64, ZSTD(1)),
    output_tokens UInt64 CODEC(T64, ZSTD(1)),
    cache_read_tokens UInt64 CODEC(T64, ZSTD(1)),
    cost_usd Nullable(Decimal(38, 9)) CODEC(ZSTD(1)),
    built_at DateTime('UTC') CODEC(Delta(4), ZSTD(1))
) ENGINE = ${engine:ReplacingMergeTree(built_at)}
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, user_id, model)
SETTINGS index_granularity = 8192, ${deduplication};

${distributed:users_hourly rand()};

${stale_hours: stale_user_hours | users_hourly | llm_calls | calls | true};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.users_hourly_mv ${on_cluster}
REFRESH EVERY 1 MINUTE APPEND TO ${database}.users_hourly AS
SELECT
    p.hour AS hour, p.user_id AS user_id, p.model AS model,
    sum(p.calls) AS calls,
    sum(p.failed_calls) AS failed_calls,
    sum(p.unpriced_calls) AS unpriced_calls,
    sum(p.input_tokens) AS input_tokens,
    sum(p.output_tokens) AS output_tokens,
    sum(p.cache_read_tokens) AS cache_read_tokens,
    sum(p.cost_usd) AS cost_usd,
    now('UTC') AS built_at
FROM
(
    SELECT
        toStartOfHour(c.ts) AS hour,
        c.user_id AS user_id,
        if(c.request_model != '', c.request_model, c.response_model) AS model,
        ${call_sums}
    FROM ${database}.llm_calls AS c FINAL
    WHERE toStartOfHour(c.ts) IN (SELECT hour FROM ${database}.stale_user_hours)
    GROUP BY hour, user_id, model
    UNION ALL
    SELECT o.hour AS hour, o.user_id AS user_id, o.model AS model,
        toUInt64(0) AS calls,
        toUInt64(0) AS failed_calls,
        toUInt64(0) AS unpriced_calls,
        toUInt64(0) AS input_tokens,
        toUInt64(0) AS output_tokens,
        toUInt64(0) AS cache_read_tokens,
        CAST(NULL, 'Nullable(Decimal(38, 9))') AS cost_usd
    FROM ${database}.users_hourly AS o FINAL
    WHERE o.hour IN (SELECT hour FROM ${database}.stale_user_hours)
) AS p
GROUP BY hour, user_id, model;


-- By the day, out of the hours: what is kept for good. The present day is there, too, with its
-- closed hours: `until` says how far each day is built. A day is stale while one of its hours was
-- built after it, or shortly before: an hour is dated from the start of its build.
CREATE TABLE IF NOT EXISTS ${database}.calls_daily ${on_cluster} (
    day Date CODEC(ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    agent LowCardinality(String) CODEC(ZSTD(1)),
    operation LowCardinality(String) CODEC(ZSTD(1)),
    provider LowCardinality(String) CODEC(ZSTD(1)),
    model LowCardinality(String) CODEC(ZSTD(1)),
    calls UInt64 CODEC(T64, ZSTD(1)),
    failed_calls UInt64 CODEC(T64, ZSTD(1)),
    unpriced_calls UInt64 CODEC(T64, ZSTD(1)),
    estimated_calls UInt64 CODEC(T64, ZSTD(1)),
    input_tokens UInt64 CODEC(T64, ZSTD(1)),
    output_tokens UInt64 CODEC(T64, ZSTD(1)),
    cache_read_tokens UInt64 CODEC(T64, ZSTD(1)),
    cache_write_tokens UInt64 CODEC(T64, ZSTD(1)),
    reasoning_tokens UInt64 CODEC(T64, ZSTD(1)),
    cost_usd Nullable(Decimal(38, 9)) CODEC(ZSTD(1)),
    duration_us UInt64 CODEC(T64, ZSTD(1)),
    duration_histogram Map(Int16, UInt64) CODEC(ZSTD(1)),
    built_at DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    until DateTime('UTC') DEFAULT toDateTime(day + 1, 'UTC') CODEC(ZSTD(1))
) ENGINE = ${engine:ReplacingMergeTree(built_at)}
PARTITION BY toYear(day)
ORDER BY (day, service, agent, operation, provider, model)
SETTINGS index_granularity = 8192, ${deduplication};

${distributed:calls_daily rand()};

CREATE VIEW IF NOT EXISTS ${database}.stale_days ${on_cluster} AS
SELECT h.day AS day
FROM (SELECT toDate(hour) AS day, max(built_at) AS built FROM ${database}.calls_hourly GROUP BY day) AS h
LEFT JOIN (SELECT day, max(built_at) AS built FROM ${database}.calls_daily GROUP BY day) AS d ON h.day = d.day
WHERE d.built = toDateTime(0, 'UTC') OR h.built >= d.built - 120;

-- Hours without calls are rows of nothing here, too: what vanished from the hours is replaced.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.calls_daily_mv ${on_cluster}
REFRESH EVERY 1 MINUTE APPEND TO ${database}.calls_daily AS
WITH (SELECT max(hour) + 3600 FROM ${database}.calls_hourly) AS built_until
SELECT
    toDate(h.hour) AS day, h.service AS service, h.agent AS agent, h.operation AS operation, h.provider AS provider, h.model AS model,
    sum(h.calls) AS calls,
    sum(h.failed_calls) AS failed_calls,
    sum(h.unpriced_calls) AS unpriced_calls,
    sum(h.estimated_calls) AS estimated_calls,
    sum(h.input_tokens) AS input_tokens,
    sum(h.output_tokens) AS output_tokens,
    sum(h.cache_read_tokens) AS cache_read_tokens,
    sum(h.cache_write_tokens) AS cache_write_tokens,
    sum(h.reasoning_tokens) AS reasoning_tokens,
    sum(h.cost_usd) AS cost_usd,
    sum(h.duration_us) AS duration_us,
    sumMap(h.duration_histogram) AS duration_histogram,
    now('UTC') AS built_at,
    least(built_until, toDateTime(day + 1, 'UTC')) AS until
FROM ${database}.calls_hourly AS h FINAL
WHERE h.hour < built_until AND toDate(h.hour) IN (SELECT day FROM ${database}.stale_days)
GROUP BY day, service, agent, operation, provider, model;

-- For people and for Grafana: closed hours and days, and the open tail.
CREATE VIEW IF NOT EXISTS ${database}.cost_hourly ${on_cluster} AS
SELECT h.* EXCEPT (built_at)
FROM ${database}.calls_hourly${all} AS h FINAL
WHERE h.calls > 0
UNION ALL
SELECT
    toStartOfHour(c.ts) AS hour,
    ${call_names},
    ${all_call_sums}
FROM ${database}.llm_calls${all} AS c FINAL
WHERE c.ts >= (SELECT toDateTime64(max(hour) + 3600, 6, 'UTC') FROM ${database}.calls_hourly${all})
GROUP BY hour, service, agent, operation, provider, model;

-- Not through cost_hourly: half of a question's time went into planning one view inside the other.
-- The present day has a row for what is built and one for what came since.
CREATE VIEW IF NOT EXISTS ${database}.cost_daily ${on_cluster} AS
SELECT d.* EXCEPT (built_at, until)
FROM ${database}.calls_daily${all} AS d FINAL
WHERE d.calls > 0
UNION ALL
SELECT
    toDate(c.ts) AS day,
    ${call_names},
    ${all_call_sums}
FROM ${database}.llm_calls${all} AS c FINAL
WHERE c.ts >= toDateTime64((SELECT max(until) FROM ${database}.calls_daily${all}), 6, 'UTC')
GROUP BY day, service, agent, operation, provider, model;

-- Sessions and users by the hour, the open tail included.
CREATE VIEW IF NOT EXISTS ${database}.session_hours ${on_cluster} AS
SELECT h.* EXCEPT (built_at) FROM ${database}.sessions_hourly${all} AS h FINAL WHERE h.calls > 0 AND h.session_id != ''
UNION ALL
SELECT
    toStartOfHour(c.ts) AS hour,
    c.session_id AS session_id,
    min(c.ts) AS first_ts,
    max(c.ts) AS last_ts,
    max(c.user_id) AS user_id,
    toString(max(c.agent)) AS agent,
    ${call_sums}
FROM ${database}.llm_calls${all} AS c FINAL
WHERE c.ts >= (SELECT toDateTime64(max(hour) + 3600, 6, 'UTC') FROM ${database}.sessions_hourly${all}) AND c.session_id != ''
GROUP BY hour, session_id;

CREATE VIEW IF NOT EXISTS ${database}.user_hours ${on_cluster} AS
SELECT h.* EXCEPT (built_at) FROM ${database}.users_hourly${all} AS h FINAL WHERE h.calls > 0 AND h.user_id != ''
UNION ALL
SELECT
    toStartOfHour(c.ts) AS hour,
    c.user_id AS user_id,
    if(c.request_model != '', c.request_model, c.response_model) AS model,
    ${call_sums}
FROM ${database}.llm_calls${all} AS c FINAL
WHERE c.ts >= (SELECT toDateTime64(max(hour) + 3600, 6, 'UTC') FROM ${database}.users_hourly${all}) AND c.user_id != ''
GROUP BY hour, user_id, model;

CREATE VIEW IF NOT EXISTS ${database}.sessions ${on_cluster} AS
SELECT
    s.session_id AS session_id,
    min(s.first_ts) AS started_at,
    max(s.last_ts) AS last_call_at,
    max(s.user_id) AS user_id,
    max(s.agent) AS agent,
    sum(s.calls) AS calls,
    sum(s.failed_calls) AS failed_calls,
    sum(s.unpriced_calls) AS unpriced_calls,
    sum(s.input_tokens) AS input_tokens,
    sum(s.output_tokens) AS output_tokens,
    sum(s.cache_read_tokens) AS cache_read_tokens,
    sum(s.cost_usd) AS cost_usd
FROM ${database}.session_hours AS s
GROUP BY session_id;

CREATE VIEW IF NOT EXISTS ${database}.users_daily ${on_cluster} AS
SELECT
    toDate(u.hour) AS day, u.user_id AS user_id, u.model AS model,
    sum(u.calls) AS calls,
    sum(u.failed_calls) AS failed_calls,
    sum(u.unpriced_calls) AS unpriced_calls,
    sum(u.input_tokens) AS input_tokens,
    sum(u.output_tokens) AS output_tokens,
    sum(u.cache_read_tokens) AS cache_read_tokens,
    sum(u.cost_usd) AS cost_usd
FROM ${database}.user_hours AS u
GROUP BY day, user_id, model;
