-- The spans of one trace, each once: the landing table keeps what was sent twice.
-- Bounds are DateTime64 like the column; why: recent_traces.sql.
WITH
    (
        SELECT (toDateTime64(min(Start), 9), toDateTime64(max(End) + 1, 9))
        FROM otel_traces_trace_id_ts
        WHERE TraceId = {trace_id:String}
    ) AS bounds,
    (name -> toInt64OrNull(s.SpanAttributes[name])) AS number
SELECT
    s.SpanId AS span_id,
    s.ParentSpanId AS parent_span_id,
    s.SpanName AS name,
    s.ServiceName AS service,
    toUnixTimestamp64Nano(s.Timestamp) AS start_ns,
    s.Duration AS duration_ns,
    s.StatusCode AS status,
    s.StatusMessage AS status_message,
    s.SpanAttributes['error.type'] AS error_type,
    s.SpanAttributes['spanledger.kind'] AS kind,
    s.SpanAttributes['gen_ai.operation.name'] AS operation,
    s.SpanAttributes['gen_ai.agent.name'] AS agent,
    s.SpanAttributes['gen_ai.tool.name'] AS tool,
    s.SpanAttributes['gen_ai.provider.name'] AS provider,
    s.SpanAttributes['gen_ai.request.model'] AS model,
    s.SpanAttributes['session.id'] AS session_id,
    s.SpanAttributes['spanledger.billing'] AS billing,
    s.SpanAttributes['spanledger.guard.decision'] AS decision,
    s.SpanAttributes['spanledger.guard.reason'] AS reason,
    s.SpanAttributes['spanledger.guard.rule'] AS rule,
    s.SpanAttributes['spanledger.cost.provenance'] AS provenance,
    s.SpanAttributes['spanledger.stream.outcome'] AS stream_outcome,
    number('gen_ai.usage.input_tokens') AS input_tokens,
    number('gen_ai.usage.output_tokens') AS output_tokens,
    number('gen_ai.usage.cache_read.input_tokens') AS cache_read_tokens,
    number('gen_ai.usage.reasoning.output_tokens') AS reasoning_tokens,
    number('spanledger.cost.nano_usd') AS cost_nano_usd
FROM otel_traces AS s
WHERE s.TraceId = {trace_id:String} AND s.Timestamp >= bounds.1 AND s.Timestamp < bounds.2
ORDER BY s.Timestamp, span_id
LIMIT 1 BY span_id
