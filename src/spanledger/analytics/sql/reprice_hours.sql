-- The hours of a period in which there is a call to price anew.
SELECT toUnixTimestamp(toStartOfHour(c.ts)) AS hour_s
FROM llm_calls AS c FINAL
WHERE c.ts >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
    AND c.usage_source != 'missing' AND c.cost_provenance != 'provider' AND c.billing != 'unsent'
    AND isNotNull(c.input_tokens) AND isNotNull(c.output_tokens)
    AND ({all:Bool} OR isNull(c.cost_usd))
GROUP BY hour_s
ORDER BY hour_s
