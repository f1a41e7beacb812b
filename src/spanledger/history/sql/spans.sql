-- Actions with everything that their spans tell, contents included where they were recorded: those
-- of one trace, or some by their ids. Each once: the landing table keeps what was sent twice.
-- Bounds are DateTime64 like the column: against a DateTime, spans of the last second get lost.
WITH
    fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AS since,
    fromUnixTimestamp64Micro({until_us:Int64}, 'UTC') AS until,
    (name -> if(mapContains(s.SpanAttributes, name), s.SpanAttributes[name], NULL)) AS told_or_null,
    (name -> toInt64OrNull(s.SpanAttributes[name])) AS number,
    s.SpanAttributes['gen_ai.operation.name'] AS operation,
    if(s.SpanAttributes['spanledger.kind'] != '', s.SpanAttributes['spanledger.kind'], s.SpanAttributes['openinference.span.kind']) AS told_kind,
    multiIf(
        operation IN ('chat', 'generate_content', 'text_completion', 'embeddings', 'rerank'), 'call',
        operation = 'execute_tool' OR told_kind IN ('tool', 'TOOL'), 'tool',
        operation = 'invoke_agent' OR told_kind IN ('agent', 'AGENT'), 'agent',
        told_kind IN ('operation', 'session'), told_kind,
        '') AS found_kind
SELECT
    found_kind AS kind,
    s.TraceId AS trace_id,
    s.SpanId AS span_id,
    s.ParentSpanId AS parent_span_id,
    multiIf(
        found_kind = 'call', if(s.SpanAttributes['gen_ai.request.model'] != '', s.SpanAttributes['gen_ai.request.model'], s.SpanAttributes['gen_ai.response.model']),
        found_kind = 'tool' AND s.SpanAttributes['gen_ai.tool.name'] != '', s.SpanAttributes['gen_ai.tool.name'],
        found_kind = 'agent' AND s.SpanAttributes['gen_ai.agent.name'] != '', s.SpanAttributes['gen_ai.agent.name'],
        found_kind = 'session', s.SpanAttributes['session.id'],
        toString(s.SpanName)) AS name,
    s.SpanAttributes['gen_ai.agent.name'] AS agent,
    if(s.SpanAttributes['gen_ai.conversation.id'] != '', s.SpanAttributes['gen_ai.conversation.id'], s.SpanAttributes['session.id']) AS session,
    s.SpanAttributes['user.id'] AS user,
    toUnixTimestamp64Nano(s.Timestamp) AS started_ns,
    toInt64(s.Duration) AS duration_ns,
    s.StatusCode = 'Error' AS failed,
    s.SpanAttributes['spanledger.session.status'] AS told,
    s.SpanAttributes['spanledger.stream.outcome'] AS stream,
    JSONExtract(s.SpanAttributes['gen_ai.response.finish_reasons'], 'Array(String)') AS finish_reasons,
    s.SpanAttributes['error.type'] AS error_type,
    s.StatusMessage AS message,
    s.SpanAttributes['spanledger.guard.reason'] AS reason,
    s.SpanAttributes['spanledger.guard.rule'] AS rule,
    s.SpanAttributes['spanledger.call.id'] AS call_id,
    number('gen_ai.usage.input_tokens') + ifNull(number('gen_ai.usage.output_tokens'), 0) AS tokens,
    if(s.SpanAttributes['spanledger.cost.provenance'] = 'unpriced', NULL, number('spanledger.cost.nano_usd')) AS cost_nano_usd,
    told_or_null('spanledger.command') AS command,
    told_or_null('gen_ai.tool.call.arguments') AS arguments,
    told_or_null('gen_ai.tool.call.result') AS result
FROM spans AS s
WHERE s.Timestamp >= since AND s.Timestamp < until
    AND s.TraceId IN {trace_ids:Array(String)}
    AND (empty({span_ids:Array(String)}) OR s.SpanId IN {span_ids:Array(String)})
    AND found_kind != ''
    AND s.SpanAttributes['spanledger.billing'] NOT IN ('shadow', 'container')
ORDER BY s.Timestamp DESC, span_id
LIMIT 1 BY trace_id, span_id
LIMIT {limit:UInt32}
