-- One forecast, worked out now: days gone by, and so many days to come.
SELECT f.day AS day, f.actual AS actual, f.expected AS expected, f.low AS low, f.high AS high
FROM forecast_daily AS f
WHERE f.scope = {scope:String} AND f.name = {name:String} AND f.metric = {metric:String}
    AND f.day < toDate(now('UTC')) + {days:UInt16}
ORDER BY day
