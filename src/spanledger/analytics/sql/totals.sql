-- One row: everything that was recorded in a period. The three parts are counted apart, so that
-- a period with tool calls or refusals but without a model call has its row too.
WITH
    fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AS since,
    {session:String} AS only_session
SELECT *
FROM
(
    SELECT
        count() AS calls,
        countIf(c.status = 'Error') AS failed_calls,
        countIf(isNull(c.cost_usd)) AS unpriced_calls,
        countIf(c.cost_provenance = 'estimated') AS estimated_calls,
        uniqExactIf(c.session_id, c.session_id != '') AS sessions,
        sum(toUInt64(ifNull(c.input_tokens, 0))) AS input_tokens,
        sum(toUInt64(ifNull(c.output_tokens, 0))) AS output_tokens,
        sum(toUInt64(ifNull(c.cache_read_tokens, 0))) AS cache_read_tokens,
        sum(toUInt64(ifNull(c.cache_write_tokens, 0))) AS cache_write_tokens,
        sum(toUInt64(ifNull(c.reasoning_tokens, 0))) AS reasoning_tokens,
        sum(c.cost_usd) AS cost_usd
    FROM calls AS c
    WHERE c.ts >= since AND (only_session = '' OR c.session_id = only_session)
) AS model_calls
CROSS JOIN
(
    SELECT count() AS tool_calls, countIf(t.status = 'Error') AS failed_tool_calls
    FROM tools AS t
    WHERE t.ts >= since AND (only_session = '' OR t.session_id = only_session)
) AS tool_calls
CROSS JOIN
(
    -- A stream that was cut was sent: it is a call.
    SELECT countIf(d.decision = 'refused' AND d.reason != 'stream_exhausted') AS refused_calls
    FROM decisions AS d
    WHERE d.ts >= since AND (only_session = '' OR d.session_id = only_session)
) AS guard
