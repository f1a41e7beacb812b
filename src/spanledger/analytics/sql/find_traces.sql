-- Traces whose id begins with a text; a few are enough to see that it is not unique.
SELECT DISTINCT TraceId AS trace_id
FROM otel_traces_trace_id_ts
WHERE startsWith(TraceId, {prefix:String})
ORDER BY trace_id
LIMIT {limit:UInt32}
