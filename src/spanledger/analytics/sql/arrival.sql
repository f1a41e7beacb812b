-- What the clocks of the server and of producers say, and what exporters tell that they dropped.
WITH
    (SELECT (count(), argMax(c.service, c.ts), max(c.ts)) FROM calls AS c WHERE c.ts > now64(6, 'UTC') + toIntervalSecond({ahead_s:UInt32})) AS ahead,
    (SELECT max(g.last_received_at) FROM ingestion AS g) AS newest,
    (
        SELECT (sum(h.value), argMax(h.service, h.value), argMax(h.reason, h.value))
        FROM export_health AS h
        WHERE h.metric = 'dropped' AND h.minute >= now('UTC') - INTERVAL 1 DAY
    ) AS lost
SELECT
    toUnixTimestamp64Micro(now64(6, 'UTC')) AS server_us,
    toUInt64(ahead.1) AS ahead_calls,
    toString(ahead.2) AS ahead_service,
    greatest(0, dateDiff('second', now64(6, 'UTC'), ahead.3)) AS ahead_s,
    if(newest = toDateTime(0, 'UTC'), NULL, toUnixTimestamp(newest)) AS newest_s,
    toUInt64(lost.1) AS dropped,
    toString(lost.2) AS dropped_service,
    toString(lost.3) AS dropped_reason
