-- The calls of one hour whose price may be told anew. What a provider said itself is left alone.
SELECT
    lower(hex(c.trace_id)) AS trace_id,
    lower(hex(c.span_id)) AS span_id,
    toUnixTimestamp64Micro(c.ts) / 1e6 AS at_s,
    c.provider AS provider,
    if(c.response_model != '', c.response_model, c.request_model) AS model,
    c.service_tier AS service_tier,
    c.usage_source AS usage_source,
    ifNull(c.input_tokens, 0) AS input_tokens,
    ifNull(c.output_tokens, 0) AS output_tokens,
    ifNull(c.cache_read_tokens, 0) AS cache_read_tokens,
    ifNull(c.cache_write_tokens, 0) AS cache_write_tokens,
    ifNull(c.cache_write_1h_tokens, 0) AS cache_write_1h_tokens,
    ifNull(c.reasoning_tokens, 0) AS reasoning_tokens,
    c.media_counts AS media_counts,
    toInt64(c.cost_usd * 1000000000) AS cost_nano_usd,
    c.price_version AS price_version
FROM llm_calls AS c FINAL
WHERE toStartOfHour(c.ts) = toDateTime({hour_s:UInt32}, 'UTC')
    AND c.usage_source != 'missing' AND c.cost_provenance != 'provider' AND c.billing != 'unsent'
    AND isNotNull(c.input_tokens) AND isNotNull(c.output_tokens)
    AND ({all:Bool} OR isNull(c.cost_usd))
