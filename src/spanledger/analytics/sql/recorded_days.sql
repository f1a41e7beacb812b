-- Calls by day, provider, model and tier. Models are called what the provider answered.
SELECT
    toDate(c.ts) AS day,
    toString(c.provider) AS provider,
    toString(if(c.response_model != '', c.response_model, c.request_model)) AS model,
    toString(c.service_tier) AS service_tier,
    count() AS calls,
    countIf(isNull(c.cost_usd)) AS unpriced_calls,
    countIf(c.cost_provenance = 'estimated') AS estimated_calls,
    countIf(c.usage_source = 'missing') AS unknown_calls,
    sum(toUInt64(ifNull(c.input_tokens, 0))) AS input_tokens,
    sum(toUInt64(ifNull(c.output_tokens, 0))) AS output_tokens,
    sum(toUInt64(ifNull(c.cache_read_tokens, 0))) AS cache_read_tokens,
    sum(toUInt64(ifNull(c.cache_write_tokens, 0))) AS cache_write_tokens,
    sum(c.cost_usd) AS cost_usd
FROM calls AS c
WHERE c.ts >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AND c.ts < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
    AND c.billing != 'unsent'
    AND arrayExists(name -> startsWith(toString(c.provider), name), {providers:Array(String)})
GROUP BY day, provider, model, service_tier
ORDER BY day, provider, model, service_tier
