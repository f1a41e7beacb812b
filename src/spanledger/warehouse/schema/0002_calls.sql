-- The typed tables: what reports and dashboards read, a third of the bytes of the landing
-- tables and about ten times as fast. Each is filled by one materialised view from one landing
-- table, and each row replaces a row of the same identity, so that a span or log record that is
-- sent twice, in whatever batches, counts once.
--
-- Every column is read with a function that cannot fail (…OrNull, JSONExtract, checked ids):
-- one bad span must not take its whole batch with it. What cannot be read is NULL, never 0.
-- `revision` is 0 for a row as it was received; an explicit correction (re-pricing) writes the
-- same identity with a higher one, and a late re-sending can never undo it.
-- Hours and days are those of UTC, whatever the server's time zone is. The partition is a
-- function of the sorting key, so rows of one identity always share a partition.

CREATE TABLE IF NOT EXISTS ${database}.llm_calls ${on_cluster} (
    ts DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    duration_us UInt64 CODEC(T64, ZSTD(1)),
    trace_id FixedString(16) CODEC(ZSTD(1)),
    span_id FixedString(8) CODEC(ZSTD(1)),
    parent_span_id FixedString(8) COMMENT 'zeros: none' CODEC(ZSTD(1)),
    span_name LowCardinality(String) CODEC(ZSTD(3)),
    operation LowCardinality(String) CODEC(ZSTD(3)),
    service LowCardinality(String) CODEC(ZSTD(3)),
    provider LowCardinality(String) CODEC(ZSTD(3)),
    request_model LowCardinality(String) CODEC(ZSTD(3)),
    response_model LowCardinality(String) CODEC(ZSTD(3)),
    agent LowCardinality(String) CODEC(ZSTD(3)),
    session_id String CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    call_id String COMMENT 'only of calls that took several attempts' CODEC(ZSTD(1)),
    attempt Nullable(UInt16) COMMENT 'from 1' CODEC(ZSTD(1)),
    billing LowCardinality(String) COMMENT 'call, attempt (another followed), unsent; empty: not by our gate' CODEC(ZSTD(3)),
    scope LowCardinality(String) COMMENT 'instrumentation scope that made the span' CODEC(ZSTD(3)),
    input_tokens Nullable(UInt32) COMMENT 'cache reads and writes included' CODEC(T64, ZSTD(1)),
    output_tokens Nullable(UInt32) COMMENT 'reasoning included' CODEC(T64, ZSTD(1)),
    cache_read_tokens Nullable(UInt32) CODEC(T64, ZSTD(1)),
    cache_write_tokens Nullable(UInt32) CODEC(T64, ZSTD(1)),
    cache_write_1h_tokens Nullable(UInt32) COMMENT 'part of cache_write_tokens' CODEC(T64, ZSTD(1)),
    reasoning_tokens Nullable(UInt32) CODEC(T64, ZSTD(1)),
    media_counts Array(UInt64) COMMENT 'audio in, audio out, image in, image out; empty: none told' CODEC(ZSTD(1)),
    cost_usd Nullable(Decimal(18, 9)) COMMENT 'exact to the nano-dollar; NULL: unpriced' CODEC(T64, ZSTD(1)),
    cost_provenance LowCardinality(String) COMMENT 'provider, computed, estimated, unpriced' CODEC(ZSTD(3)),
    price_version LowCardinality(String) CODEC(ZSTD(3)),
    previous_cost_usd Nullable(Decimal(18, 9)) COMMENT 'before the last re-pricing' CODEC(T64, ZSTD(1)),
    usage_source LowCardinality(String) COMMENT 'provider, estimated, missing' CODEC(ZSTD(3)),
    service_tier LowCardinality(String) CODEC(ZSTD(3)),
    status LowCardinality(String) COMMENT 'Unset, Ok, Error' CODEC(ZSTD(3)),
    error_type LowCardinality(String) CODEC(ZSTD(3)),
    error_id String CODEC(ZSTD(1)),
    error_fingerprint LowCardinality(String) CODEC(ZSTD(3)),
    stream_outcome LowCardinality(String) COMMENT 'empty: not a stream' CODEC(ZSTD(3)),
    time_to_first_chunk_us Nullable(UInt64) CODEC(ZSTD(1)),
    finish_reasons Array(LowCardinality(String)) CODEC(ZSTD(3)),
    received_at DateTime('UTC') DEFAULT now() COMMENT 'when the row came in' CODEC(ZSTD(1)),
    revision UInt32 DEFAULT 0 CODEC(ZSTD(1)),
    -- On the hex form, because that is what people and the view `calls` filter by.
    INDEX idx_trace_id lower(hex(trace_id)) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_session_id session_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_user_id user_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_received_at received_at TYPE minmax GRANULARITY 1
) ENGINE = ${engine:ReplacingMergeTree(revision)}
PARTITION BY toDate(toStartOfHour(ts))
ORDER BY (toStartOfHour(ts), session_id, trace_id, ts, span_id)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, ${deduplication};

-- The calls that our gate or processors have marked: a call is a span of an inference operation,
-- unless its mark says that the provider call is billed by another span (`shadow` beside the
-- billed one, `container` around it) or that the guard did not let it through (`refused`). Spans
-- of other producers have no mark; 0003 reads them.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.llm_calls_mv ${on_cluster}
TO ${database}.llm_calls AS
SELECT
    toDateTime64(Timestamp, 6, 'UTC') AS ts,
    intDiv(Duration, 1000) AS duration_us,
    toFixedString(multiIf(length(TraceId) = 32, unhex(TraceId), TraceId = '', '', MD5(TraceId)), 16) AS trace_id,
    toFixedString(multiIf(length(SpanId) = 16, unhex(SpanId), SpanId = '', '', substring(MD5(SpanId), 1, 8)), 8) AS span_id,
    toFixedString(multiIf(length(ParentSpanId) = 16, unhex(ParentSpanId), ParentSpanId = '', '', substring(MD5(ParentSpanId), 1, 8)), 8) AS parent_span_id,
    SpanName AS span_name,
    SpanAttributes['gen_ai.operation.name'] AS operation,
    ServiceName AS service,
    SpanAttributes['gen_ai.provider.name'] AS provider,
    SpanAttributes['gen_ai.request.model'] AS request_model,
    SpanAttributes['gen_ai.response.model'] AS response_model,
    SpanAttributes['gen_ai.agent.name'] AS agent,
    session_id,
    SpanAttributes['user.id'] AS user_id,
    if(attempt = 1 AND billing = 'call', '', SpanAttributes['spanledger.call.id']) AS call_id,
    attempt,
    billing,
    ScopeName AS scope,
    input_tokens,
    output_tokens,
    parts[1] AS cache_read_tokens,
    parts[2] AS cache_write_tokens,
    parts[3] AS cache_write_1h_tokens,
    parts[4] AS reasoning_tokens,
    toDecimal64(nano_usd, 0) * toDecimal64('0.000000001', 9) AS cost_usd,
    multiIf(isNull(nano_usd), 'unpriced', told_provenance IN ('provider', 'computed'), told_provenance, 'estimated') AS cost_provenance,
    SpanAttributes['spanledger.cost.price_version'] AS price_version,
    multiIf(told_source != '', told_source, isNull(input_tokens) AND isNull(output_tokens), 'missing', 'provider') AS usage_source,
    SpanAttributes['openai.response.service_tier'] AS service_tier,
    StatusCode AS status,
    SpanAttributes['error.type'] AS error_type,
    SpanAttributes['spanledger.error.id'] AS error_id,
    SpanAttributes['spanledger.error.fingerprint'] AS error_fingerprint,
    SpanAttributes['spanledger.stream.outcome'] AS stream_outcome,
    accurateCastOrNull(round(toFloat64OrNull(SpanAttributes['gen_ai.response.time_to_first_chunk']) * 1000000), 'UInt64') AS time_to_first_chunk_us,
    JSONExtract(SpanAttributes['gen_ai.response.finish_reasons'], 'Array(String)') AS finish_reasons
FROM
(
    -- A subquery a step: the analyser runs at every INSERT, and an alias costs it anew wherever it
    -- is used. No map inside a function of arrays: it would be copied for each element.
    SELECT
        Timestamp, Duration, TraceId, SpanId, ParentSpanId, SpanName, ServiceName, ScopeName, SpanAttributes, StatusCode,
        session_id, attempt, billing, told_source, told_provenance, input_tokens, output_tokens,
        -- A part that is not told is 0 where the whole is known, else unknown as the whole is.
        arrayMap(
            (told, is_told, whole) -> toUInt32OrNull(multiIf(no_usage, '', is_told, told, isNull(whole), '', '0')),
            told_parts, told_which, [input_tokens, input_tokens, input_tokens, output_tokens]) AS parts,
        -- Decimal(18, 9) holds 18 digits of nano-dollars.
        if(told_provenance != 'unpriced' AND told_nano_usd BETWEEN 0 AND 999999999999999999, told_nano_usd, NULL) AS nano_usd
    FROM
    (
        SELECT
            Timestamp, Duration, TraceId, SpanId, ParentSpanId, SpanName, ServiceName, ScopeName, SpanAttributes, StatusCode,
            if(SpanAttributes['gen_ai.conversation.id'] != '', SpanAttributes['gen_ai.conversation.id'], SpanAttributes['session.id']) AS session_id,
            if(mapContains(SpanAttributes, 'spanledger.call.attempt'), toUInt16OrNull(SpanAttributes['spanledger.call.attempt']), 1) AS attempt,
            SpanAttributes['spanledger.billing'] AS billing,
            SpanAttributes['spanledger.usage.source'] AS told_source,
            SpanAttributes['spanledger.cost.provenance'] AS told_provenance,
            toInt64OrNull(SpanAttributes['spanledger.cost.nano_usd']) AS told_nano_usd,
            told_source = 'missing' AS no_usage,
            toUInt32OrNull(if(no_usage, '', SpanAttributes['gen_ai.usage.input_tokens'])) AS input_tokens,
            toUInt32OrNull(multiIf(
                no_usage, '',
                SpanAttributes['gen_ai.operation.name'] = 'embeddings' AND NOT mapContains(SpanAttributes, 'gen_ai.usage.output_tokens'), if(isNull(input_tokens), '', '0'),
                SpanAttributes['gen_ai.usage.output_tokens'])) AS output_tokens,
            [
                SpanAttributes['gen_ai.usage.cache_read.input_tokens'], SpanAttributes['gen_ai.usage.cache_write.input_tokens'],
                SpanAttributes['anthropic.usage.cache_creation.ephemeral_1h_input_tokens'], SpanAttributes['gen_ai.usage.reasoning.output_tokens']
            ] AS told_parts,
            [
                mapContains(SpanAttributes, 'gen_ai.usage.cache_read.input_tokens'), mapContains(SpanAttributes, 'gen_ai.usage.cache_write.input_tokens'),
                mapContains(SpanAttributes, 'anthropic.usage.cache_creation.ephemeral_1h_input_tokens'), mapContains(SpanAttributes, 'gen_ai.usage.reasoning.output_tokens')
            ] AS told_which
        FROM ${database}.otel_traces
        WHERE SpanAttributes['gen_ai.operation.name'] IN ('chat', 'generate_content', 'text_completion', 'embeddings', 'rerank')
            AND SpanAttributes['spanledger.billing'] NOT IN ('', 'shadow', 'container', 'refused')
    )
);

-- The other steps of agents: calls of tools, and runs of agents with what everything below them
-- used (totals as our processors add them up when the span ends; spans of other producers have none,
-- NULL). One table for both, because ids make up most of these rows: steps of one trace that lie
-- together share its id, its session and its user.
CREATE TABLE IF NOT EXISTS ${database}.agent_steps ${on_cluster} (
    ts DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    duration_us UInt64 CODEC(T64, ZSTD(1)),
    trace_id FixedString(16) CODEC(ZSTD(1)),
    span_id FixedString(8) CODEC(ZSTD(1)),
    parent_span_id FixedString(8) COMMENT 'zeros: none' CODEC(ZSTD(1)),
    kind Enum8('tool' = 1, 'run' = 2) CODEC(ZSTD(1)),
    span_name LowCardinality(String) CODEC(ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    agent LowCardinality(String) CODEC(ZSTD(1)),
    session_id String CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    tool LowCardinality(String) CODEC(ZSTD(1)),
    tool_type LowCardinality(String) CODEC(ZSTD(1)),
    arguments_hash UInt32 COMMENT 'the first 32 bits; 0: not told' CODEC(ZSTD(1)),
    subtree_cost_usd Nullable(Decimal(18, 9)) COMMENT 'of the calls below that have a price' CODEC(T64, ZSTD(1)),
    subtree_tokens Nullable(UInt64) CODEC(T64, ZSTD(1)),
    subtree_calls Nullable(UInt32) CODEC(ZSTD(1)),
    subtree_unpriced_calls Nullable(UInt32) CODEC(ZSTD(1)),
    status LowCardinality(String) COMMENT 'Unset, Ok, Error' CODEC(ZSTD(1)),
    error_type LowCardinality(String) CODEC(ZSTD(1)),
    error_id String CODEC(ZSTD(1)),
    error_fingerprint LowCardinality(String) CODEC(ZSTD(1)),
    received_at DateTime('UTC') DEFAULT now() COMMENT 'when the row came in' CODEC(ZSTD(1)),
    revision UInt32 DEFAULT 0 CODEC(ZSTD(1)),
    INDEX idx_trace_id lower(hex(trace_id)) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_session_id session_id TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = ${engine:ReplacingMergeTree(revision)}
PARTITION BY toDate(toStartOfHour(ts))
ORDER BY (toStartOfHour(ts), session_id, trace_id, ts, span_id)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.agent_steps_mv ${on_cluster}
TO ${database}.agent_steps AS
WITH SpanAttributes['spanledger.tool.arguments_hash'] AS told_hash
SELECT
    toDateTime64(Timestamp, 6, 'UTC') AS ts,
    intDiv(Duration, 1000) AS duration_us,
    toFixedString(multiIf(length(TraceId) = 32, unhex(TraceId), TraceId = '', '', MD5(TraceId)), 16) AS trace_id,
    toFixedString(multiIf(length(SpanId) = 16, unhex(SpanId), SpanId = '', '', substring(MD5(SpanId), 1, 8)), 8) AS span_id,
    toFixedString(multiIf(length(ParentSpanId) = 16, unhex(ParentSpanId), ParentSpanId = '', '', substring(MD5(ParentSpanId), 1, 8)), 8) AS parent_span_id,
    if(is_run, 'run', 'tool') AS kind,
    SpanName AS span_name,
    ServiceName AS service,
    SpanAttributes['gen_ai.agent.name'] AS agent,
    if(SpanAttributes['gen_ai.conversation.id'] != '', SpanAttributes['gen_ai.conversation.id'], SpanAttributes['session.id']) AS session_id,
    SpanAttributes['user.id'] AS user_id,
    SpanAttributes['gen_ai.tool.name'] AS tool,
    SpanAttributes['gen_ai.tool.type'] AS tool_type,
    reinterpretAsUInt32(reverse(substring(multiIf(length(told_hash) = 32, unhex(told_hash), told_hash = '', '', MD5(told_hash)), 1, 4))) AS arguments_hash,
    toDecimal64(if(subtree[1] BETWEEN 0 AND 999999999999999999, subtree[1], NULL), 0) * toDecimal64('0.000000001', 9) AS subtree_cost_usd,
    accurateCastOrNull(subtree[2], 'UInt64') AS subtree_tokens,
    accurateCastOrNull(subtree[3], 'UInt32') AS subtree_calls,
    accurateCastOrNull(subtree[4], 'UInt32') AS subtree_unpriced_calls,
    StatusCode AS status,
    SpanAttributes['error.type'] AS error_type,
    SpanAttributes['spanledger.error.id'] AS error_id,
    SpanAttributes['spanledger.error.fingerprint'] AS error_fingerprint
FROM
(
    SELECT
        Timestamp, Duration, TraceId, SpanId, ParentSpanId, SpanName, ServiceName, SpanAttributes, StatusCode,
        SpanAttributes['gen_ai.operation.name'] = 'invoke_agent' AS is_run,
        -- Of a run only: those of a tool are its caller's as well.
        arrayMap(told -> toInt64OrNull(if(is_run, told, '')), [
            SpanAttributes['spanledger.subtree.cost'], SpanAttributes['spanledger.subtree.tokens'],
            SpanAttributes['spanledger.subtree.calls'], SpanAttributes['spanledger.subtree.unpriced_calls']]) AS subtree
    FROM ${database}.otel_traces
    WHERE SpanAttributes['gen_ai.operation.name'] = 'invoke_agent'
        OR (SpanAttributes['gen_ai.operation.name'] = 'execute_tool' AND SpanAttributes['spanledger.billing'] NOT IN ('shadow', 'container', 'refused'))
);

-- Spans that more is to be read of than of most: failures, ends of sessions, texts, and whatever
-- another producer marks as a call. All views of such spans read from here, so that an INSERT
-- without any pays for one condition and not for each of them. It keeps nothing.
CREATE TABLE IF NOT EXISTS ${database}.marked_spans ${on_cluster} (
    Timestamp DateTime64(9),
    Duration UInt64,
    TraceId String,
    SpanId String,
    ParentSpanId String,
    SpanName LowCardinality(String),
    ServiceName LowCardinality(String),
    ScopeName String,
    SpanAttributes Map(LowCardinality(String), String),
    StatusCode LowCardinality(String),
    StatusMessage String,
    event_attributes Array(Map(LowCardinality(String), String))
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.marked_spans_mv ${on_cluster}
TO ${database}.marked_spans AS
SELECT
    Timestamp, Duration, TraceId, SpanId, ParentSpanId, SpanName, ServiceName, ScopeName, SpanAttributes, StatusCode, StatusMessage,
    Events.Attributes AS event_attributes
FROM ${database}.otel_traces
WHERE StatusCode = 'Error'
    OR hasAny(mapKeys(SpanAttributes), [
        'spanledger.session.status',
        'gen_ai.input.messages', 'gen_ai.output.messages', 'gen_ai.system_instructions',
        'gen_ai.tool.call.arguments', 'gen_ai.tool.call.result', 'gen_ai.prompt', 'gen_ai.completion', 'spanledger.command',
        'input.value', 'output.value', 'traceloop.entity.input', 'traceloop.entity.output',
        'openinference.span.kind', 'llm.request.type', 'ai.operationId', 'langfuse.observation.type'])
    OR (SpanAttributes['spanledger.billing'] = '' AND SpanAttributes['gen_ai.operation.name'] NOT IN ('', 'execute_tool', 'invoke_agent'));

-- Prompts, answers, arguments and results, where somebody lets them come in at all. In a table of
-- its own, so that reading numbers never reads texts, and with its own (shorter) life.
CREATE TABLE IF NOT EXISTS ${database}.span_content ${on_cluster} (
    ts DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    trace_id FixedString(16) CODEC(ZSTD(1)),
    span_id FixedString(8) CODEC(ZSTD(1)),
    kind LowCardinality(String) COMMENT 'attribute that held it' CODEC(ZSTD(1)),
    content String CODEC(ZSTD(3)),
    INDEX idx_trace_id lower(hex(trace_id)) TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = ${engine:ReplacingMergeTree}
PARTITION BY toDate(toStartOfHour(ts))
ORDER BY (toStartOfHour(ts), trace_id, span_id, kind)
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.span_content_mv ${on_cluster}
TO ${database}.span_content AS
WITH
    ((id, bytes) -> if(length(id) = 2 * bytes, unhex(id), substring(MD5(id), 1, if(id = '', 0, bytes)))) AS id_bytes,
    (name -> name IN (
        'gen_ai.input.messages', 'gen_ai.output.messages', 'gen_ai.system_instructions',
        'gen_ai.tool.call.arguments', 'gen_ai.tool.call.result', 'gen_ai.prompt', 'gen_ai.completion', 'spanledger.command',
        'input.value', 'output.value', 'traceloop.entity.input', 'traceloop.entity.output')) AS is_content
SELECT
    toDateTime64(Timestamp, 6, 'UTC') AS ts,
    toFixedString(id_bytes(TraceId, 16), 16) AS trace_id,
    toFixedString(id_bytes(SpanId, 8), 8) AS span_id,
    text.1 AS kind,
    text.2 AS content
FROM ${database}.marked_spans
ARRAY JOIN arrayFilter(pair -> is_content(pair.1) AND pair.2 != '', CAST(SpanAttributes, 'Array(Tuple(String, String))')) AS text;

-- Decisions of the guard. Amounts are in the unit of their metric, as the guard said them.
CREATE TABLE IF NOT EXISTS ${database}.guard_events ${on_cluster} (
    ts DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    decision_id String CODEC(ZSTD(1)),
    trace_id FixedString(16) COMMENT 'zeros: none' CODEC(ZSTD(1)),
    span_id FixedString(8) COMMENT 'zeros: none' CODEC(ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    agent LowCardinality(String) CODEC(ZSTD(1)),
    session_id String CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    call_id String CODEC(ZSTD(1)),
    attempt Nullable(UInt16) COMMENT 'from 1' CODEC(ZSTD(1)),
    operation LowCardinality(String) CODEC(ZSTD(1)),
    provider LowCardinality(String) CODEC(ZSTD(1)),
    request_model LowCardinality(String) CODEC(ZSTD(1)),
    tool LowCardinality(String) CODEC(ZSTD(1)),
    event LowCardinality(String) COMMENT 'refused, waited, cut, overrun, lease_charged' CODEC(ZSTD(1)),
    decision LowCardinality(String) COMMENT 'allowed, refused' CODEC(ZSTD(1)),
    reason LowCardinality(String) CODEC(ZSTD(1)),
    rule LowCardinality(String) CODEC(ZSTD(1)),
    scope String CODEC(ZSTD(1)),
    metric LowCardinality(String) CODEC(ZSTD(1)),
    budget_window LowCardinality(String) CODEC(ZSTD(1)),
    limit_amount Nullable(Decimal(38, 9)) CODEC(ZSTD(1)),
    spent_amount Nullable(Decimal(38, 9)) CODEC(ZSTD(1)),
    reserved_amount Nullable(Decimal(38, 9)) CODEC(ZSTD(1)),
    asked_amount Nullable(Decimal(38, 9)) CODEC(ZSTD(1)),
    estimate_method LowCardinality(String) CODEC(ZSTD(1)),
    waited_s Nullable(Float64) CODEC(ZSTD(1)),
    retry_after_s Nullable(Float64) CODEC(ZSTD(1)),
    message String CODEC(ZSTD(1)),
    received_at DateTime('UTC') DEFAULT now() COMMENT 'when the row came in' CODEC(ZSTD(1)),
    revision UInt32 DEFAULT 0 CODEC(ZSTD(1)),
    INDEX idx_trace_id lower(hex(trace_id)) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_session_id session_id TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = ${engine:ReplacingMergeTree(revision)}
PARTITION BY toDate(toStartOfHour(ts))
ORDER BY (toStartOfHour(ts), session_id, decision_id)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, ${deduplication};

-- Older SDKs send an event's name as an attribute. A record without an id is identified by all
-- that it says.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.guard_events_mv ${on_cluster}
TO ${database}.guard_events AS
WITH
    ((id, bytes) -> if(length(id) = 2 * bytes, unhex(id), substring(MD5(id), 1, if(id = '', 0, bytes)))) AS id_bytes,
    (name -> toDecimal128OrNull(LogAttributes[name], 9)) AS amount,
    (name -> if(isFinite(toFloat64OrNull(LogAttributes[name])), toFloat64OrNull(LogAttributes[name]), NULL)) AS seconds
SELECT
    toDateTime64(Timestamp, 6, 'UTC') AS ts,
    if(LogAttributes['spanledger.guard.decision_id'] != '', LogAttributes['spanledger.guard.decision_id'], lower(hex(MD5(toString((Timestamp, TraceId, SpanId, Body, LogAttributes)))))) AS decision_id,
    toFixedString(id_bytes(TraceId, 16), 16) AS trace_id,
    toFixedString(id_bytes(SpanId, 8), 8) AS span_id,
    ServiceName AS service,
    LogAttributes['gen_ai.agent.name'] AS agent,
    if(LogAttributes['gen_ai.conversation.id'] != '', LogAttributes['gen_ai.conversation.id'], LogAttributes['session.id']) AS session_id,
    LogAttributes['user.id'] AS user_id,
    LogAttributes['spanledger.call.id'] AS call_id,
    if(mapContains(LogAttributes, 'spanledger.call.attempt'), toUInt16OrNull(LogAttributes['spanledger.call.attempt']), 1) AS attempt,
    LogAttributes['gen_ai.operation.name'] AS operation,
    LogAttributes['gen_ai.provider.name'] AS provider,
    LogAttributes['gen_ai.request.model'] AS request_model,
    LogAttributes['gen_ai.tool.name'] AS tool,
    LogAttributes['spanledger.guard.event'] AS event,
    LogAttributes['spanledger.guard.decision'] AS decision,
    LogAttributes['spanledger.guard.reason'] AS reason,
    LogAttributes['spanledger.guard.rule'] AS rule,
    LogAttributes['spanledger.guard.scope'] AS scope,
    LogAttributes['spanledger.guard.metric'] AS metric,
    LogAttributes['spanledger.guard.window'] AS budget_window,
    amount('spanledger.guard.limit') AS limit_amount,
    amount('spanledger.guard.spent') AS spent_amount,
    amount('spanledger.guard.reserved') AS reserved_amount,
    amount('spanledger.guard.asked') AS asked_amount,
    LogAttributes['spanledger.guard.estimate'] AS estimate_method,
    seconds('spanledger.guard.waited_s') AS waited_s,
    seconds('spanledger.guard.retry_after_s') AS retry_after_s,
    Body AS message
FROM ${database}.otel_logs
WHERE EventName = 'spanledger.guard.decision' OR LogAttributes['event.name'] = 'spanledger.guard.decision';

${distributed:llm_calls cityHash64(trace_id)};
${distributed:agent_steps cityHash64(trace_id)};
${distributed:guard_events cityHash64(trace_id)};
${distributed:span_content cityHash64(trace_id)};

-- For people: one row per call, tool call, run and decision, ids in hex, names that stay.
-- FINAL hides what merges have not removed yet, and costs next to nothing once they have.
CREATE VIEW IF NOT EXISTS ${database}.calls ${on_cluster} AS
SELECT
    c.ts AS ts,
    c.duration_us / 1000000 AS duration_s,
    lower(hex(c.trace_id)) AS trace_id,
    lower(hex(c.span_id)) AS span_id,
    if(c.parent_span_id = toFixedString('', 8), '', lower(hex(c.parent_span_id))) AS parent_span_id,
    c.* EXCEPT (ts, trace_id, span_id, parent_span_id, revision)
FROM ${database}.llm_calls${all} AS c FINAL;

CREATE VIEW IF NOT EXISTS ${database}.tools ${on_cluster} AS
SELECT
    t.ts AS ts,
    t.duration_us / 1000000 AS duration_s,
    lower(hex(t.trace_id)) AS trace_id,
    lower(hex(t.span_id)) AS span_id,
    if(t.parent_span_id = toFixedString('', 8), '', lower(hex(t.parent_span_id))) AS parent_span_id,
    if(t.arguments_hash = 0, '', leftPad(lower(hex(t.arguments_hash)), 8, '0')) AS arguments_hash,
    t.* EXCEPT (ts, trace_id, span_id, parent_span_id, arguments_hash, revision, kind, subtree_cost_usd, subtree_tokens, subtree_calls, subtree_unpriced_calls)
FROM ${database}.agent_steps${all} AS t FINAL
WHERE t.kind = 'tool';

CREATE VIEW IF NOT EXISTS ${database}.agent_runs ${on_cluster} AS
SELECT
    a.ts AS ts,
    a.duration_us / 1000000 AS duration_s,
    lower(hex(a.trace_id)) AS trace_id,
    lower(hex(a.span_id)) AS span_id,
    if(a.parent_span_id = toFixedString('', 8), '', lower(hex(a.parent_span_id))) AS parent_span_id,
    a.* EXCEPT (ts, trace_id, span_id, parent_span_id, revision, kind, tool, tool_type, arguments_hash)
FROM ${database}.agent_steps${all} AS a FINAL
WHERE a.kind = 'run';

CREATE VIEW IF NOT EXISTS ${database}.decisions ${on_cluster} AS
SELECT
    g.ts AS ts,
    g.decision_id AS decision_id,
    if(g.trace_id = toFixedString('', 16), '', lower(hex(g.trace_id))) AS trace_id,
    if(g.span_id = toFixedString('', 8), '', lower(hex(g.span_id))) AS span_id,
    g.* EXCEPT (ts, decision_id, trace_id, span_id, revision)
FROM ${database}.guard_events${all} AS g FINAL;

CREATE VIEW IF NOT EXISTS ${database}.content ${on_cluster} AS
SELECT p.ts AS ts, lower(hex(p.trace_id)) AS trace_id, lower(hex(p.span_id)) AS span_id, p.kind AS kind, p.content AS content
FROM ${database}.span_content${all} AS p FINAL;
