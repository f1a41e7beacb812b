-- Input by provider and model, and how much of it went through the cache.
SELECT
    toString(h.provider) AS provider, toString(h.model) AS model,
    sum(h.calls) AS calls,
    sum(h.input_tokens) AS input_tokens,
    sum(h.cache_read_tokens) AS cache_read_tokens,
    sum(h.cache_write_tokens) AS cache_write_tokens
FROM cost_hourly AS h
WHERE h.hour >= toStartOfHour(fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')) AND h.hour < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
    AND (empty({services:Array(String)}) OR h.service IN {services:Array(String)})
    AND (empty({agents:Array(String)}) OR h.agent IN {agents:Array(String)})
    AND (empty({providers:Array(String)}) OR h.provider IN {providers:Array(String)})
    AND (empty({models:Array(String)}) OR h.model IN {models:Array(String)})
GROUP BY provider, model
ORDER BY cache_read_tokens DESC, input_tokens DESC, provider, model
