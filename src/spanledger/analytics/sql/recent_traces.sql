-- The newest traces. The look-up table knows a trace's time to the second, so the newest ones are
-- taken from it generously and put in order by the spans themselves.
-- Bounds are DateTime64 like the column: against a DateTime, ClickHouse 26.9 turns `< t` into
-- `<= t - 1 s` when it prunes parts, and spans of the last second are not found.
WITH
    newest AS
    (
        SELECT TraceId, min(Start) AS first, max(End) AS last
        FROM otel_traces_trace_id_ts
        GROUP BY TraceId
        ORDER BY first DESC, TraceId
        LIMIT {candidates:UInt32}
    )
SELECT
    s.TraceId AS trace_id,
    min(s.Timestamp) AS started_at,
    (max(toUnixTimestamp64Nano(s.Timestamp) + toInt64(s.Duration)) - min(toUnixTimestamp64Nano(s.Timestamp))) / 1e9 AS duration_s,
    argMin(s.SpanName, (s.ParentSpanId != '', s.Timestamp)) AS root_name,
    argMin(s.ServiceName, (s.ParentSpanId != '', s.Timestamp)) AS service,
    anyIf(s.SpanAttributes['session.id'], s.SpanAttributes['session.id'] != '') AS session_id,
    uniqExact(s.SpanId) AS spans,
    uniqExactIf(s.SpanId, s.StatusCode = 'Error') AS failed_spans
FROM otel_traces AS s
WHERE s.TraceId IN (SELECT TraceId FROM newest)
    AND s.Timestamp >= (SELECT toDateTime64(min(first), 9) FROM newest)
    AND s.Timestamp < (SELECT toDateTime64(max(last) + 1, 9) FROM newest)
GROUP BY trace_id
HAVING {session:String} = '' OR session_id = {session:String}
ORDER BY started_at DESC, trace_id
LIMIT {limit:UInt32}
