-- How often, how well, how long, at what cost, by kind and name.
WITH
    fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AS since
SELECT
    e.kind AS kind, toString(e.name) AS name,
    count() AS actions, countIf(e.failed) AS failed,
    quantile(0.5)(e.duration_us) / 1000000 AS p50_s,
    quantile(0.95)(e.duration_us) / 1000000 AS p95_s,
    sum(e.tokens) AS tokens,
    toInt64(sum(e.cost_usd) * toDecimal64(1000000000, 0)) AS cost_nano_usd
FROM
(
    SELECT 'call' AS kind, if(c.request_model != '', c.request_model, c.response_model) AS name, c.status = 'Error' AS failed, c.duration_us AS duration_us,
        toUInt64(ifNull(c.input_tokens, 0)) + toUInt64(ifNull(c.output_tokens, 0)) AS tokens, c.cost_usd AS cost_usd
    FROM calls AS c WHERE c.ts >= since AND ({session:String} = '' OR c.session_id = {session:String}) AND ({agent:String} = '' OR c.agent = {agent:String})
    UNION ALL
    SELECT 'tool', t.tool, t.status = 'Error', t.duration_us, 0, NULL
    FROM tools AS t WHERE t.ts >= since AND ({session:String} = '' OR t.session_id = {session:String}) AND ({agent:String} = '' OR t.agent = {agent:String})
    UNION ALL
    SELECT 'agent', a.agent, a.status = 'Error', a.duration_us, 0, NULL
    FROM agent_runs AS a WHERE a.ts >= since AND ({session:String} = '' OR a.session_id = {session:String}) AND ({agent:String} = '' OR a.agent = {agent:String})
) AS e
GROUP BY e.kind, e.name
ORDER BY actions DESC, kind, name
