-- Failures whose own id, or that of their span, begins with a text: each once, where it began. A
-- failure that the program dealt with left no failed span; its whole id finds it all the same.
SELECT *
FROM
(
    SELECT
        e.ts AS at, e.kind AS kind, e.service AS service, e.agent AS agent, e.session_id AS session,
        e.model AS model, e.tool AS tool, e.error_type AS error_type, e.message AS message,
        e.error_fingerprint AS error_group, e.error_id AS error_id, e.trace_id AS trace_id,
        e.span_id AS action_id
    FROM errors AS e
    WHERE startsWith(e.error_id, {prefix:String}) OR startsWith(e.span_id, {prefix:String})
    UNION ALL
    SELECT
        toDateTime64(s.Timestamp, 6, 'UTC'), s.SpanAttributes['spanledger.kind'], s.ServiceName,
        s.SpanAttributes['gen_ai.agent.name'], s.SpanAttributes['session.id'],
        s.SpanAttributes['gen_ai.request.model'], s.SpanAttributes['gen_ai.tool.name'], '', '',
        s.SpanAttributes['spanledger.error.fingerprint'], s.SpanAttributes['spanledger.error.id'],
        s.TraceId, s.SpanId
    FROM otel_traces AS s
    WHERE s.SpanAttributes['spanledger.error.id'] = {prefix:String} AND s.StatusCode != 'Error'
)
ORDER BY error_group != '' DESC, at DESC, action_id
LIMIT 1 BY if(error_id != '', error_id, action_id)
LIMIT {limit:UInt32}
