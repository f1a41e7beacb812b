-- Attempts that failed and that another one followed.
SELECT
    toString(c.agent) AS agent,
    toString(if(c.request_model != '', c.request_model, c.response_model)) AS model,
    toString(c.error_type) AS error_type,
    count() AS attempts,
    countIf(isNull(c.cost_usd)) AS unpriced_attempts,
    sum(toUInt64(ifNull(c.input_tokens, 0)) + toUInt64(ifNull(c.output_tokens, 0))) AS tokens,
    sum(c.cost_usd) AS cost_usd,
    sum(c.duration_us) / 1e6 AS waited_s
FROM calls AS c
WHERE c.billing = 'attempt'
    AND c.ts >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AND c.ts < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
    AND (empty({services:Array(String)}) OR c.service IN {services:Array(String)})
    AND (empty({agents:Array(String)}) OR c.agent IN {agents:Array(String)})
    AND (empty({models:Array(String)}) OR if(c.request_model != '', c.request_model, c.response_model) IN {models:Array(String)})
GROUP BY agent, model, error_type
ORDER BY sum(ifNull(c.cost_usd, 0)) DESC, waited_s DESC, agent, model, error_type
LIMIT {limit:UInt32}
