-- Use by one dimension and step of time, call by call: for what the roll-ups do not know. Only the
-- names that cost most, each with all its steps.
SELECT
    name, start, calls, failed_calls, unpriced_calls, estimated_calls,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
    cost_usd, duration_us, duration_histogram
FROM
(
    SELECT *, dense_rank() OVER (ORDER BY name_cost DESC, name_calls DESC, name) AS place
    FROM
    (
        SELECT *,
            sum(ifNull(cost_usd, 0)) OVER (PARTITION BY name) AS name_cost,
            sum(calls) OVER (PARTITION BY name) AS name_calls
        FROM
        (
            SELECT
                multiIf(
                    {by:String} = 'all', '',
                    {by:String} = 'service', toString(c.service),
                    {by:String} = 'agent', toString(c.agent),
                    {by:String} = 'operation', toString(c.operation),
                    {by:String} = 'provider', toString(c.provider),
                    {by:String} = 'session', c.session_id,
                    {by:String} = 'user', c.user_id,
                    toString(if(c.request_model != '', c.request_model, c.response_model))) AS name,
                multiIf(
                    {window:String} = 'total', toDateTime(0, 'UTC'),
                    {window:String} = 'hour', toStartOfHour(toDateTime(c.ts, 'UTC')),
                    {window:String} = 'day', toStartOfDay(toDateTime(c.ts, 'UTC')),
                    {window:String} = 'week', toDateTime(toMonday(c.ts), 'UTC'),
                    toDateTime(toStartOfMonth(c.ts), 'UTC')) AS start,
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
            FROM calls AS c
            WHERE c.ts >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AND c.ts < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
                AND (empty({sessions:Array(String)}) OR c.session_id IN {sessions:Array(String)})
                AND (empty({users:Array(String)}) OR c.user_id IN {users:Array(String)})
                AND (empty({services:Array(String)}) OR c.service IN {services:Array(String)})
                AND (empty({agents:Array(String)}) OR c.agent IN {agents:Array(String)})
                AND (empty({operations:Array(String)}) OR c.operation IN {operations:Array(String)})
                AND (empty({providers:Array(String)}) OR c.provider IN {providers:Array(String)})
                AND (empty({models:Array(String)}) OR if(c.request_model != '', c.request_model, c.response_model) IN {models:Array(String)})
            GROUP BY name, start
        )
    )
)
WHERE place <= {limit:UInt32}
ORDER BY place, start
