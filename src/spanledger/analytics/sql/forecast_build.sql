-- One forecast as it was last worked out (every ten minutes), if that was today.
SELECT f.day AS day, f.actual AS actual, f.expected AS expected, f.low AS low, f.high AS high
FROM forecast_builds AS f
WHERE f.built_at = (SELECT max(built_at) FROM forecast_builds WHERE built_at >= toStartOfDay(now('UTC')))
    AND f.scope = {scope:String} AND f.name = {name:String} AND f.metric = {metric:String}
    AND f.day < toDate(now('UTC')) + {days:UInt16}
ORDER BY day
