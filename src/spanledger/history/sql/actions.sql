-- The newest actions of a period, of all kinds, from the typed tables: they outlive the spans.
-- What only spans tell (operations, sessions) is read from the period's spans; the values of
-- attributes have a bloom filter, so parts without any of them are not read.
WITH
    fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AS since,
    fromUnixTimestamp64Micro({until_us:Int64}, 'UTC') AS until
SELECT
    kind, trace_id, span_id, parent_span_id, name, agent, session, user, started_ns, duration_ns, failed,
    told, stream, finish_reasons, error_type, message, reason, rule, call_id, tokens, cost_nano_usd,
    command, arguments, result
FROM
(
    SELECT
        'call' AS kind, c.trace_id AS trace_id, c.span_id AS span_id, c.parent_span_id AS parent_span_id,
        toString(if(c.request_model != '', c.request_model, c.response_model)) AS name,
        toString(c.agent) AS agent, c.session_id AS session, c.user_id AS user,
        toUnixTimestamp64Micro(c.ts) * 1000 AS started_ns, toInt64(c.duration_us) * 1000 AS duration_ns,
        c.status = 'Error' AS failed, '' AS told, toString(c.stream_outcome) AS stream,
        CAST(c.finish_reasons, 'Array(String)') AS finish_reasons,
        toString(c.error_type) AS error_type, '' AS message, '' AS reason, '' AS rule, c.call_id AS call_id,
        toInt64(c.input_tokens) + toInt64(c.output_tokens) AS tokens,
        toInt64(c.cost_usd * toDecimal64(1000000000, 0)) AS cost_nano_usd,
        CAST(NULL, 'Nullable(String)') AS command, CAST(NULL, 'Nullable(String)') AS arguments, CAST(NULL, 'Nullable(String)') AS result
    FROM calls AS c
    WHERE c.ts >= since AND c.ts < until AND ({kind:String} IN ('', 'call'))
        AND ({session:String} = '' OR c.session_id = {session:String}) AND ({trace_id:String} = '' OR c.trace_id = {trace_id:String})
    UNION ALL
    SELECT
        'tool', t.trace_id, t.span_id, t.parent_span_id, toString(t.tool), toString(t.agent), t.session_id, t.user_id,
        toUnixTimestamp64Micro(t.ts) * 1000, toInt64(t.duration_us) * 1000, t.status = 'Error', '', '', [],
        toString(t.error_type), '', '', '', '', NULL, NULL, NULL, NULL, NULL
    FROM tools AS t
    WHERE t.ts >= since AND t.ts < until AND ({kind:String} IN ('', 'tool'))
        AND ({session:String} = '' OR t.session_id = {session:String}) AND ({trace_id:String} = '' OR t.trace_id = {trace_id:String})
    UNION ALL
    SELECT
        'agent', a.trace_id, a.span_id, a.parent_span_id, toString(a.agent), toString(a.agent), a.session_id, a.user_id,
        toUnixTimestamp64Micro(a.ts) * 1000, toInt64(a.duration_us) * 1000, a.status = 'Error', '', '', [],
        toString(a.error_type), '', '', '', '', NULL, NULL, NULL, NULL, NULL
    FROM agent_runs AS a
    WHERE a.ts >= since AND a.ts < until AND ({kind:String} IN ('', 'agent'))
        AND ({session:String} = '' OR a.session_id = {session:String}) AND ({trace_id:String} = '' OR a.trace_id = {trace_id:String})
    UNION ALL
    SELECT
        'call', d.trace_id, d.span_id, '', toString(d.request_model), toString(d.agent), d.session_id, d.user_id,
        toUnixTimestamp64Micro(d.ts) * 1000, 0, true, '', '', [], '', d.message, toString(d.reason), toString(d.rule), d.call_id, NULL, NULL, NULL, NULL, NULL
    FROM decisions AS d
    WHERE d.ts >= since AND d.ts < until AND ({kind:String} IN ('', 'call'))
        AND d.event = 'refused' AND d.tool = '' AND d.span_id != ''
        AND ({session:String} = '' OR d.session_id = {session:String}) AND ({trace_id:String} = '' OR d.trace_id = {trace_id:String})
    UNION ALL
    SELECT
        toString(s.SpanAttributes['spanledger.kind']), s.TraceId, s.SpanId, s.ParentSpanId,
        if(s.SpanAttributes['spanledger.kind'] = 'session', s.SpanAttributes['session.id'], toString(s.SpanName)),
        s.SpanAttributes['gen_ai.agent.name'], s.SpanAttributes['session.id'], s.SpanAttributes['user.id'],
        toUnixTimestamp64Nano(s.Timestamp), toInt64(s.Duration), s.StatusCode = 'Error',
        s.SpanAttributes['spanledger.session.status'], '', [], s.SpanAttributes['error.type'], s.StatusMessage, '', '', '', NULL, NULL,
        if(mapContains(s.SpanAttributes, 'spanledger.command'), s.SpanAttributes['spanledger.command'], NULL), NULL, NULL
    FROM spans AS s
    WHERE s.Timestamp >= since AND s.Timestamp < until AND ({kind:String} IN ('', 'operation', 'session'))
        AND hasAny(mapValues(s.SpanAttributes), ['operation', 'session'])
        AND s.SpanAttributes['spanledger.kind'] IN ('operation', 'session')
        AND ({kind:String} = '' OR s.SpanAttributes['spanledger.kind'] = {kind:String})
        AND ({session:String} = '' OR s.SpanAttributes['session.id'] = {session:String}) AND ({trace_id:String} = '' OR s.TraceId = {trace_id:String})
)
WHERE {agent:String} = '' OR agent = {agent:String}
ORDER BY started_ns DESC, span_id
LIMIT 1 BY trace_id, span_id
LIMIT {limit:UInt32}
