-- By the hour: calls that landed (each once), that are typed, and that the roll-ups count. The
-- first condition is that of the materialised views that fill llm_calls.
WITH
    fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AS since,
    fromUnixTimestamp64Micro({until_us:Int64}, 'UTC') AS until
SELECT
    hour,
    sum(row_landed) AS landed,
    sum(row_sent_again) AS sent_again,
    sum(row_typed) AS typed,
    sum(row_rolled_up) AS rolled_up,
    sum(row_typed_cost) AS typed_cost_usd,
    sum(row_rolled_up_cost) AS rolled_up_cost_usd
FROM
(
    SELECT
        toStartOfHour(toDateTime64(s.Timestamp, 6, 'UTC')) AS hour,
        uniqExact(s.TraceId, s.SpanId) AS row_landed,
        count() - row_landed AS row_sent_again,
        toUInt64(0) AS row_typed,
        toUInt64(0) AS row_rolled_up,
        CAST(NULL, 'Nullable(Decimal(38, 9))') AS row_typed_cost,
        CAST(NULL, 'Nullable(Decimal(38, 9))') AS row_rolled_up_cost
    FROM otel_traces AS s
    WHERE s.Timestamp >= toDateTime64(since, 9, 'UTC') AND s.Timestamp < toDateTime64(until, 9, 'UTC')
        AND if(
            s.SpanAttributes['spanledger.billing'] != '',
            s.SpanAttributes['gen_ai.operation.name'] IN ('chat', 'generate_content', 'text_completion', 'embeddings', 'rerank')
                AND s.SpanAttributes['spanledger.billing'] NOT IN ('shadow', 'container', 'refused'),
            arrayFirst(meaning -> meaning != '', [
                joinGet(dialect_values, 'meaning', 'gen_ai.operation.name', s.SpanAttributes['gen_ai.operation.name']),
                joinGet(dialect_values, 'meaning', 'openinference.span.kind', s.SpanAttributes['openinference.span.kind']),
                joinGet(dialect_values, 'meaning', 'llm.request.type', s.SpanAttributes['llm.request.type']),
                if(s.SpanAttributes['llm.request.type'] = '', '', 'chat'),
                joinGet(dialect_values, 'meaning', 'ai.operationId', s.SpanAttributes['ai.operationId']),
                joinGet(dialect_values, 'meaning', 'langfuse.observation.type', s.SpanAttributes['langfuse.observation.type'])
            ]) NOT IN ('', '-'))
    GROUP BY hour
    UNION ALL
    SELECT toStartOfHour(c.ts) AS hour, 0, 0, count(), 0, sum(c.cost_usd), NULL
    FROM calls AS c
    WHERE c.ts >= since AND c.ts < until
    GROUP BY hour
    UNION ALL
    SELECT r.hour AS hour, 0, 0, 0, sum(r.calls), NULL, sum(r.cost_usd)
    FROM cost_hourly AS r
    WHERE r.hour >= toDateTime(since, 'UTC') AND r.hour < toDateTime(until, 'UTC')
    GROUP BY hour
)
GROUP BY hour
ORDER BY hour
