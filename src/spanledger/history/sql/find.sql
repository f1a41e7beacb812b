-- Which action has this id: a span's, the beginning of one, or a call's. The look-up by value has
-- a bloom filter; typed rows are found by theirs also when the spans are gone.
SELECT trace_id, span_id, toInt64(at_us) AS at_us
FROM
(
    SELECT c.trace_id AS trace_id, c.span_id AS span_id, toUnixTimestamp64Micro(c.ts) AS at_us FROM calls AS c WHERE startsWith(c.span_id, {id:String})
    UNION ALL
    SELECT t.trace_id, t.span_id, toUnixTimestamp64Micro(t.ts) FROM tools AS t WHERE startsWith(t.span_id, {id:String})
    UNION ALL
    SELECT a.trace_id, a.span_id, toUnixTimestamp64Micro(a.ts) FROM agent_runs AS a WHERE startsWith(a.span_id, {id:String})
    UNION ALL
    SELECT d.trace_id, d.span_id, toUnixTimestamp64Micro(d.ts) FROM decisions AS d WHERE d.event = 'refused' AND startsWith(d.span_id, {id:String})
    UNION ALL
    SELECT s.TraceId, s.SpanId, toUnixTimestamp64Micro(toDateTime64(s.Timestamp, 6)) FROM spans AS s
    WHERE (has(mapValues(s.SpanAttributes), {id:String}) AND s.SpanAttributes['spanledger.call.id'] = {id:String} AND s.SpanAttributes['spanledger.billing'] != 'attempt')
        OR (s.SpanId = {id:String})
)
ORDER BY at_us DESC
LIMIT 1 BY trace_id, span_id
LIMIT {limit:UInt32}
