-- Cost and tokens of the calls in a period, by one dimension, with what the guard refused.
-- A cost that is unknown is NULL and counted apart; it is never added as 0.
WITH
    {by:String} AS dimension,
    fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AS since,
    {session:String} AS only_session
SELECT
    name,
    sum(row_calls) AS calls,
    sum(row_failed) AS failed_calls,
    sum(row_unpriced) AS unpriced_calls,
    sum(row_estimated) AS estimated_calls,
    sum(row_refused) AS refused_calls,
    sum(row_input) AS input_tokens,
    sum(row_output) AS output_tokens,
    sum(row_cache_read) AS cache_read_tokens,
    sum(row_cache_write) AS cache_write_tokens,
    sum(row_reasoning) AS reasoning_tokens,
    sum(row_cost) AS cost_usd
FROM
(
    SELECT
        multiIf(
            dimension = 'agent', c.agent,
            dimension = 'model', if(c.request_model != '', c.request_model, c.response_model),
            dimension = 'session', c.session_id,
            dimension = 'user', c.user_id,
            dimension = 'provider', c.provider,
            dimension = 'service', c.service,
            c.operation) AS name,
        count() AS row_calls,
        countIf(c.status = 'Error') AS row_failed,
        countIf(isNull(c.cost_usd)) AS row_unpriced,
        countIf(c.cost_provenance = 'estimated') AS row_estimated,
        toUInt64(0) AS row_refused,
        sum(toUInt64(ifNull(c.input_tokens, 0))) AS row_input,
        sum(toUInt64(ifNull(c.output_tokens, 0))) AS row_output,
        sum(toUInt64(ifNull(c.cache_read_tokens, 0))) AS row_cache_read,
        sum(toUInt64(ifNull(c.cache_write_tokens, 0))) AS row_cache_write,
        sum(toUInt64(ifNull(c.reasoning_tokens, 0))) AS row_reasoning,
        sum(c.cost_usd) AS row_cost
    FROM calls AS c
    WHERE c.ts >= since AND (only_session = '' OR c.session_id = only_session)
    GROUP BY name
    UNION ALL
    SELECT
        multiIf(
            dimension = 'agent', d.agent,
            dimension = 'model', d.request_model,
            dimension = 'session', d.session_id,
            dimension = 'user', d.user_id,
            dimension = 'provider', d.provider,
            dimension = 'service', d.service,
            d.operation) AS name,
        toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0),
        count() AS row_refused,
        toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0),
        CAST(NULL, 'Nullable(Decimal(38, 9))')
    FROM decisions AS d
    -- A stream that was cut was sent: it is a call.
    WHERE d.decision = 'refused' AND d.reason != 'stream_exhausted'
        AND d.ts >= since AND (only_session = '' OR d.session_id = only_session)
    GROUP BY name
)
GROUP BY name
ORDER BY cost_usd DESC NULLS LAST, calls DESC, name
