-- What one span, or the spans with one error's id, recorded of a failure.
-- Bounds are DateTime64 like the column; why: recent_traces.sql.
WITH (
    SELECT (toDateTime64(min(Start), 9), toDateTime64(max(End) + 1, 9))
    FROM otel_traces_trace_id_ts
    WHERE TraceId = {trace_id:String}
) AS bounds
SELECT event_name AS name, event_attributes AS attributes
FROM otel_traces AS s
ARRAY JOIN s.Events.Name AS event_name, s.Events.Attributes AS event_attributes
WHERE s.TraceId = {trace_id:String} AND s.Timestamp >= bounds.1 AND s.Timestamp < bounds.2
    AND ((event_name = 'spanledger.error' AND {error_id:String} != '' AND event_attributes['spanledger.error.id'] = {error_id:String})
        OR (event_name = 'exception' AND s.SpanId = {action_id:String}))
ORDER BY event_name = 'spanledger.error' DESC, s.Timestamp DESC
LIMIT 10
