-- Pieces that several migrations have in common; `_macros.py` says how.

-- Hours of a roll-up that have to be built: of the rows of `source` that `which` holds for, counted
-- in the roll-up's column `rows`. Beside those that were built, what came in since the last build,
-- and whatever is young; an hour without a build is found by that, or when a row comes in.
-- macro stale_hours view rollup source rows which
CREATE VIEW IF NOT EXISTS ${database}.${view} ${on_cluster} AS
WITH
    -- Not from 0 on: DateTime has no negative values, it wraps around.
    (SELECT greatest(max(built_at), toDateTime(86400, 'UTC')) FROM ${database}.${rollup}) AS last_built,
    candidates AS
    (
        SELECT r.hour AS hour
        FROM
        (
            SELECT toStartOfHour(ts) AS hour, max(received_at) AS received
            FROM ${database}.${source}
            WHERE received_at >= last_built - 120 OR ts >= toDateTime64(least(now('UTC') - 172800, last_built - 7200), 6, 'UTC')
            GROUP BY hour
        ) AS r
        LEFT JOIN (SELECT hour, max(built_at) AS built FROM ${database}.${rollup} GROUP BY hour) AS b ON r.hour = b.hour
        WHERE r.hour < toStartOfHour(now('UTC')) AND (b.built = toDateTime(0, 'UTC') OR r.received >= b.built - 120)
    )
-- An hour whose rows have passed their time to live is never built from what is left of it.
SELECT n.hour AS hour
FROM
(
    SELECT toStartOfHour(ts) AS hour, uniqExact(trace_id, ts, span_id) AS kept
    FROM ${database}.${source}
    WHERE ${which} AND toStartOfHour(ts) IN (SELECT hour FROM candidates)
    GROUP BY hour
) AS n
LEFT JOIN
(
    SELECT hour, sum(${rows}) AS built
    FROM ${database}.${rollup} FINAL
    WHERE hour IN (SELECT hour FROM candidates)
    GROUP BY hour
) AS o ON n.hour = o.hour
WHERE n.kept >= o.built
-- end

-- What calls add up to; `c` is a row of llm_calls.
-- macro call_sums
    count() AS calls,
    countIf(c.status = 'Error') AS failed_calls,
    countIf(isNull(c.cost_usd)) AS unpriced_calls,
    sum(toUInt64(ifNull(c.input_tokens, 0))) AS input_tokens,
    sum(toUInt64(ifNull(c.output_tokens, 0))) AS output_tokens,
    sum(toUInt64(ifNull(c.cache_read_tokens, 0))) AS cache_read_tokens,
    sum(c.cost_usd) AS cost_usd
-- end

-- What roll-ups count calls apart by, besides the time.
-- macro call_names
    c.service AS service,
    c.agent AS agent,
    c.operation AS operation,
    c.provider AS provider,
    if(c.request_model != '', c.request_model, c.response_model) AS model
-- end

-- macro all_call_sums
    count() AS calls,
    countIf(c.status = 'Error') AS failed_calls,
    countIf(isNull(c.cost_usd)) AS unpriced_calls,
    countIf(c.cost_provenance = 'estimated') AS estimated_calls,
    sum(toUInt64(ifNull(c.input_tokens, 0))) AS input_tokens,
    sum(toUInt64(ifNull(c.output_tokens, 0))) AS output_tokens,
    sum(toUInt64(ifNull(c.cache_read_tokens, 0))) AS cache_read_tokens,
    sum(toUInt64(ifNull(c.cache_write_tokens, 0))) AS cache_write_tokens,
    sum(toUInt64(ifNull(c.reasoning_tokens, 0))) AS reasoning_tokens,
    sum(c.cost_usd) AS cost_usd,
    sum(c.duration_us) AS duration_us,
    sumMap(map(toInt16(floor(log2(greatest(c.duration_us, 1)) * 8)), toUInt64(1))) AS duration_histogram
-- end

-- Columns that the steps of 0003 hand on: of the span, of its usage, of its whole usage.
-- macro span_columns
    Timestamp DateTime64(9),
    Duration UInt64,
    TraceId String,
    SpanId String,
    ParentSpanId String,
    SpanName LowCardinality(String),
    ServiceName LowCardinality(String),
    ScopeName String,
    StatusCode LowCardinality(String),
    agent String,
    told_nano_usd String,
    told_provenance String,
    error_type String,
    error_id String,
    error_fingerprint String,
    first_chunk_s String,
    finish_reasons_json String,
    operation String
-- end
-- macro usage_columns
    damaged UInt8,
    request_model String,
    response_model String,
    session_id String,
    user_id String,
    cache_read Int64,
    cache_write Int64,
    cache_write_1h Int64,
    reasoning Int64,
    audio_in Int64,
    audio_out Int64,
    image_in Int64,
    image_out Int64,
    service_tier String,
    model String,
    input_told Nullable(Int64),
    output_told Nullable(Int64),
    provider String,
    missing Nullable(UInt8),
    input Int64,
    output Int64,
    cached Int64
-- end
-- macro whole_columns
    whole Int64,
    at_s Int64,
    parts_of_input Int64,
    usage_sure UInt8,
    sure UInt8
-- end
