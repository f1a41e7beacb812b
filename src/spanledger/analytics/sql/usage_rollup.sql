-- Use by one dimension and step of time: whole days and whole hours from the roll-ups, what lies
-- before the first and after the last of them call by call. Only the names that cost most, each
-- with all its steps.
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
                    {by:String} = 'service', toString(r.service),
                    {by:String} = 'agent', toString(r.agent),
                    {by:String} = 'operation', toString(r.operation),
                    {by:String} = 'provider', toString(r.provider),
                    toString(r.model)) AS name,
                multiIf(
                    {window:String} = 'total', toDateTime(0, 'UTC'),
                    {window:String} = 'hour', r.hour,
                    {window:String} = 'day', toStartOfDay(r.hour),
                    {window:String} = 'week', toDateTime(toMonday(r.hour), 'UTC'),
                    toDateTime(toStartOfMonth(r.hour), 'UTC')) AS start,
                sum(r.calls) AS calls,
                sum(r.failed_calls) AS failed_calls,
                sum(r.unpriced_calls) AS unpriced_calls,
                sum(r.estimated_calls) AS estimated_calls,
                sum(r.input_tokens) AS input_tokens,
                sum(r.output_tokens) AS output_tokens,
                sum(r.cache_read_tokens) AS cache_read_tokens,
                sum(r.cache_write_tokens) AS cache_write_tokens,
                sum(r.reasoning_tokens) AS reasoning_tokens,
                sum(r.cost_usd) AS cost_usd,
                sum(r.duration_us) AS duration_us,
                sumMap(r.duration_histogram) AS duration_histogram
            FROM
            (
                SELECT toDateTime(d.day, 'UTC') AS hour, d.* EXCEPT (day)
                FROM cost_daily AS d
                WHERE d.day >= toDate(toDateTime({first_day_s:UInt32}, 'UTC')) AND d.day < toDate(toDateTime({end_day_s:UInt32}, 'UTC'))
                UNION ALL
                SELECT *
                FROM cost_hourly AS h
                WHERE h.hour >= toDateTime({first_hour_s:UInt32}, 'UTC') AND h.hour < toDateTime({end_hour_s:UInt32}, 'UTC')
                    AND (h.hour < toDateTime({first_day_s:UInt32}, 'UTC') OR h.hour >= toDateTime({end_day_s:UInt32}, 'UTC'))
                UNION ALL
                SELECT
                    toStartOfHour(c.ts) AS hour, c.service AS service, c.agent AS agent, c.operation AS operation, c.provider AS provider,
                    if(c.request_model != '', c.request_model, c.response_model) AS model,
                    toUInt64(1), toUInt64(c.status = 'Error'), toUInt64(isNull(c.cost_usd)), toUInt64(c.cost_provenance = 'estimated'),
                    toUInt64(ifNull(c.input_tokens, 0)), toUInt64(ifNull(c.output_tokens, 0)),
                    toUInt64(ifNull(c.cache_read_tokens, 0)), toUInt64(ifNull(c.cache_write_tokens, 0)), toUInt64(ifNull(c.reasoning_tokens, 0)),
                    CAST(c.cost_usd, 'Nullable(Decimal(38, 9))'), c.duration_us,
                    map(toInt16(floor(log2(greatest(c.duration_us, 1)) * 8)), toUInt64(1))
                FROM calls AS c
                WHERE c.ts >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AND c.ts < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
                    AND (c.ts < toDateTime64({first_hour_s:UInt32}, 6, 'UTC') OR c.ts >= toDateTime64({end_hour_s:UInt32}, 6, 'UTC'))
            ) AS r
            WHERE (empty({services:Array(String)}) OR r.service IN {services:Array(String)})
                AND (empty({agents:Array(String)}) OR r.agent IN {agents:Array(String)})
                AND (empty({operations:Array(String)}) OR r.operation IN {operations:Array(String)})
                AND (empty({providers:Array(String)}) OR r.provider IN {providers:Array(String)})
                AND (empty({models:Array(String)}) OR r.model IN {models:Array(String)})
            GROUP BY name, start
        )
    )
)
WHERE place <= {limit:UInt32}
ORDER BY place, start
