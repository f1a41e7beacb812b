-- How fast money goes, the shortest period first.
SELECT b.period AS period, b.period_s AS period_s, b.calls AS calls, b.cost_usd AS cost_usd, b.usd_per_hour AS usd_per_hour
FROM burn_rate AS b
WHERE b.scope = {scope:String} AND b.name = {name:String}
ORDER BY period_s
