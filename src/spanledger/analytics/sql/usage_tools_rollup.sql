-- Calls of tools by their name and step of time: whole hours from the roll-up, what lies before the
-- first and after the last of them call by call. Only the most used ones, each with all its steps.
SELECT name, start, calls, failed_calls, duration_us, duration_histogram
FROM
(
    SELECT *, dense_rank() OVER (ORDER BY name_calls DESC, name) AS place
    FROM
    (
        SELECT *, sum(calls) OVER (PARTITION BY name) AS name_calls
        FROM
        (
            SELECT
                toString(r.tool) AS name,
                multiIf(
                    {window:String} = 'total', toDateTime(0, 'UTC'),
                    {window:String} = 'hour', r.hour,
                    {window:String} = 'day', toStartOfDay(r.hour),
                    {window:String} = 'week', toDateTime(toMonday(r.hour), 'UTC'),
                    toDateTime(toStartOfMonth(r.hour), 'UTC')) AS start,
                sum(r.calls) AS calls,
                sum(r.failed_calls) AS failed_calls,
                sum(r.duration_us) AS duration_us,
                sumMap(r.duration_histogram) AS duration_histogram
            FROM
            (
                SELECT u.hour AS hour, u.service AS service, u.agent AS agent, u.tool AS tool, u.calls AS calls, u.failed_calls AS failed_calls,
                    u.duration_us AS duration_us, u.duration_histogram AS duration_histogram
                FROM tools_usage AS u
                WHERE u.hour >= toDateTime({first_hour_s:UInt32}, 'UTC') AND u.hour < toDateTime({end_hour_s:UInt32}, 'UTC')
                UNION ALL
                SELECT toStartOfHour(t.ts), t.service, t.agent, t.tool, toUInt64(1), toUInt64(t.status = 'Error'), t.duration_us,
                    map(toInt16(floor(log2(greatest(t.duration_us, 1)) * 8)), toUInt64(1))
                FROM tools AS t
                WHERE t.ts >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AND t.ts < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
                    AND (t.ts < toDateTime64({first_hour_s:UInt32}, 6, 'UTC') OR t.ts >= toDateTime64({end_hour_s:UInt32}, 6, 'UTC'))
            ) AS r
            WHERE (empty({services:Array(String)}) OR r.service IN {services:Array(String)})
                AND (empty({agents:Array(String)}) OR r.agent IN {agents:Array(String)})
                AND (empty({tools:Array(String)}) OR r.tool IN {tools:Array(String)})
            GROUP BY name, start
        )
    )
)
WHERE place <= {limit:UInt32}
ORDER BY place, start
