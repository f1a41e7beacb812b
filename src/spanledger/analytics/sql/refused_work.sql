-- Refusals, and what as many calls cost on average: of the agent to the model, else of anybody.
SELECT
    d.agent AS agent, d.model AS model, d.rule AS rule, d.reason AS reason,
    d.refused AS refused, d.sessions AS sessions,
    d.most_nano * toDecimal64('0.000000001', 9) AS most_usd,
    toDecimal128(d.refused * multiIf(c.priced > 0, c.cost / c.priced, m.priced > 0, m.cost / m.priced, NULL), 9) AS saved_usd
FROM
(
    SELECT
        toString(g.agent) AS agent, toString(g.request_model) AS model, toString(g.rule) AS rule, toString(g.reason) AS reason,
        count() AS refused, uniqExactIf(g.session_id, g.session_id != '') AS sessions,
        sumOrNullIf(g.asked_amount, g.metric = 'cost') AS most_nano
    FROM decisions AS g
    WHERE g.decision = 'refused' AND g.reason != 'stream_exhausted'
        AND g.ts >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AND g.ts < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
        AND (empty({services:Array(String)}) OR g.service IN {services:Array(String)})
        AND (empty({agents:Array(String)}) OR g.agent IN {agents:Array(String)})
        AND (empty({models:Array(String)}) OR g.request_model IN {models:Array(String)})
        AND (empty({sessions:Array(String)}) OR g.session_id IN {sessions:Array(String)})
        AND (empty({users:Array(String)}) OR g.user_id IN {users:Array(String)})
    GROUP BY agent, model, rule, reason
) AS d
LEFT JOIN
(
    SELECT toString(h.agent) AS agent, toString(h.model) AS model, sum(toFloat64(ifNull(h.cost_usd, 0))) AS cost, sum(h.calls - h.unpriced_calls) AS priced
    FROM cost_hourly AS h
    WHERE h.hour >= toStartOfHour(fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')) AND h.hour < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
    GROUP BY agent, model
) AS c ON c.agent = d.agent AND c.model = d.model
LEFT JOIN
(
    SELECT toString(h.model) AS model, sum(toFloat64(ifNull(h.cost_usd, 0))) AS cost, sum(h.calls - h.unpriced_calls) AS priced
    FROM cost_hourly AS h
    WHERE h.hour >= toStartOfHour(fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')) AND h.hour < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
    GROUP BY model
) AS m ON m.model = d.model
ORDER BY refused DESC, agent, model, rule, reason
LIMIT {limit:UInt32}
