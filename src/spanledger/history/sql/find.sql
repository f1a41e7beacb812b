-- Which action has this id: a span's, the beginning of one, or a call's. Values of attributes have
-- a bloom filter, so parts without the call's id are not read.
SELECT trace_id, span_id, toInt64(at_us) AS at_us
FROM
(
    SELECT s.TraceId AS trace_id, s.SpanId AS span_id, toUnixTimestamp64Micro(toDateTime64(s.Timestamp, 6)) AS at_us
    FROM spans AS s
    WHERE startsWith(s.SpanId, {id:String})
        AND (s.SpanAttributes['gen_ai.operation.name'] != '' OR s.SpanAttributes['spanledger.kind'] != '' OR s.SpanAttributes['openinference.span.kind'] != '')
    UNION ALL
    SELECT s.TraceId, s.SpanId, toUnixTimestamp64Micro(toDateTime64(s.Timestamp, 6))
    FROM spans AS s
    WHERE has(mapValues(s.SpanAttributes), {id:String}) AND s.SpanAttributes['spanledger.call.id'] = {id:String}
        AND s.SpanAttributes['spanledger.billing'] != 'attempt'
)
ORDER BY at_us DESC
LIMIT 1 BY trace_id, span_id
LIMIT {limit:UInt32}
