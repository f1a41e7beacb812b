-- The sessions that a period touches, those first that used most.
SELECT
    s.session_id AS session_id, s.started_at AS started_at, s.last_call_at AS last_call_at,
    s.user_id AS user_id, s.agent AS agent,
    s.calls AS calls, s.failed_calls AS failed_calls, s.unpriced_calls AS unpriced_calls,
    s.input_tokens AS input_tokens, s.output_tokens AS output_tokens, s.cache_read_tokens AS cache_read_tokens,
    s.cost_usd AS cost_usd
FROM sessions AS s
WHERE s.last_call_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AND s.started_at < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
    AND (empty({agents:Array(String)}) OR s.agent IN {agents:Array(String)})
    AND (empty({users:Array(String)}) OR s.user_id IN {users:Array(String)})
    AND (empty({sessions:Array(String)}) OR s.session_id IN {sessions:Array(String)})
ORDER BY
    multiIf(
        {by:String} = 'calls', toFloat64(s.calls),
        {by:String} = 'tokens', toFloat64(s.input_tokens + s.output_tokens),
        {by:String} = 'failures', toFloat64(s.failed_calls),
        {by:String} = 'recent', toFloat64(s.last_call_at),
        toFloat64(ifNull(s.cost_usd, 0))) DESC,
    s.calls DESC, s.session_id
LIMIT {limit:UInt32}
