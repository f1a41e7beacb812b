-- Calls of tools by their name and step of time. Only the most used ones, each with all its steps.
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
                toString(t.tool) AS name,
                multiIf(
                    {window:String} = 'total', toDateTime(0, 'UTC'),
                    {window:String} = 'hour', toStartOfHour(toDateTime(t.ts, 'UTC')),
                    {window:String} = 'day', toStartOfDay(toDateTime(t.ts, 'UTC')),
                    {window:String} = 'week', toDateTime(toMonday(t.ts), 'UTC'),
                    toDateTime(toStartOfMonth(t.ts), 'UTC')) AS start,
                count() AS calls,
                countIf(t.status = 'Error') AS failed_calls,
                sum(t.duration_us) AS duration_us,
                sumMap(map(toInt16(floor(log2(greatest(t.duration_us, 1)) * 8)), toUInt64(1))) AS duration_histogram
            FROM tools AS t
            WHERE t.ts >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AND t.ts < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
                AND (empty({sessions:Array(String)}) OR t.session_id IN {sessions:Array(String)})
                AND (empty({users:Array(String)}) OR t.user_id IN {users:Array(String)})
                AND (empty({services:Array(String)}) OR t.service IN {services:Array(String)})
                AND (empty({agents:Array(String)}) OR t.agent IN {agents:Array(String)})
                AND (empty({tools:Array(String)}) OR t.tool IN {tools:Array(String)})
            GROUP BY name, start
        )
    )
)
WHERE place <= {limit:UInt32}
ORDER BY place, start
