-- The users that cost most on the days that a period touches.
SELECT u.user_id AS name
FROM users_daily AS u
WHERE u.day >= toDate(fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')) AND u.day <= toDate(fromUnixTimestamp64Micro({until_us:Int64} - 1, 'UTC'))
GROUP BY name
ORDER BY sum(u.cost_usd) DESC NULLS LAST, sum(u.calls) DESC, name
LIMIT {limit:UInt32}
