-- The same in the typed tables, which outlive the spans.
SELECT trace_id, span_id, toInt64(at_us) AS at_us
FROM
(
    SELECT c.trace_id AS trace_id, c.span_id AS span_id, toUnixTimestamp64Micro(c.ts) AS at_us FROM calls AS c WHERE startsWith(c.span_id, {id:String}) OR c.call_id = {id:String}
    UNION ALL
    SELECT t.trace_id, t.span_id, toUnixTimestamp64Micro(t.ts) FROM tools AS t WHERE startsWith(t.span_id, {id:String})
    UNION ALL
    SELECT a.trace_id, a.span_id, toUnixTimestamp64Micro(a.ts) FROM agent_runs AS a WHERE startsWith(a.span_id, {id:String})
    UNION ALL
    SELECT d.trace_id, d.span_id, toUnixTimestamp64Micro(d.ts) FROM decisions AS d
    WHERE d.event = 'refused' AND d.span_id != '' AND (startsWith(d.span_id, {id:String}) OR d.call_id = {id:String})
)
ORDER BY at_us DESC
LIMIT 1 BY trace_id, span_id
LIMIT {limit:UInt32}
