-- The sessions that cost most, among those that a period touches.
SELECT s.session_id AS name
FROM sessions AS s
WHERE s.last_call_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AND s.started_at < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
ORDER BY s.cost_usd DESC NULLS LAST, s.calls DESC, name
LIMIT {limit:UInt32}
