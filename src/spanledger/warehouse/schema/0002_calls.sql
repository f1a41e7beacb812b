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
    span_name LowCardinality(String) CODEC(ZSTD(1)),
    operation LowCardinality(String) CODEC(ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    provider LowCardinality(String) CODEC(ZSTD(1)),
    request_model LowCardinality(String) CODEC(ZSTD(1)),
    response_model LowCardinality(String) CODEC(ZSTD(1)),
    agent LowCardinality(String) CODEC(ZSTD(1)),
    session_id String CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    call_id String CODEC(ZSTD(1)),
    attempt Nullable(UInt16) COMMENT 'from 1' CODEC(ZSTD(1)),
    billing LowCardinality(String) COMMENT 'call, attempt (another followed), unsent; empty: not by our gate' CODEC(ZSTD(1)),
    input_tokens Nullable(UInt32) COMMENT 'cache reads and writes included' CODEC(ZSTD(1)),
    output_tokens Nullable(UInt32) COMMENT 'reasoning included' CODEC(ZSTD(1)),
    cache_read_tokens Nullable(UInt32) CODEC(ZSTD(1)),
    cache_write_tokens Nullable(UInt32) CODEC(ZSTD(1)),
    cache_write_1h_tokens Nullable(UInt32) COMMENT 'part of cache_write_tokens' CODEC(ZSTD(1)),
    reasoning_tokens Nullable(UInt32) CODEC(ZSTD(1)),
    cost_usd Nullable(Decimal(18, 9)) COMMENT 'exact to the nano-dollar; NULL: unpriced' CODEC(ZSTD(1)),
    cost_provenance LowCardinality(String) COMMENT 'provider, computed, estimated, unpriced' CODEC(ZSTD(1)),
    price_version LowCardinality(String) CODEC(ZSTD(1)),
    usage_source LowCardinality(String) COMMENT 'provider, estimated, missing' CODEC(ZSTD(1)),
    service_tier LowCardinality(String) CODEC(ZSTD(1)),
    status LowCardinality(String) COMMENT 'Unset, Ok, Error' CODEC(ZSTD(1)),
    error_type LowCardinality(String) CODEC(ZSTD(1)),
    stream_outcome LowCardinality(String) COMMENT 'empty: not a stream' CODEC(ZSTD(1)),
    time_to_first_chunk_us Nullable(UInt64) CODEC(ZSTD(1)),
    finish_reasons Array(LowCardinality(String)) CODEC(ZSTD(1)),
    response_id String CODEC(ZSTD(1)),
    received_at DateTime('UTC') DEFAULT now() COMMENT 'when the row came in' CODEC(ZSTD(1)),
    revision UInt32 DEFAULT 0 CODEC(ZSTD(1)),
    -- On the hex form, because that is what people and the view `calls` filter by.
    INDEX idx_trace_id lower(hex(trace_id)) TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_session_id session_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_user_id user_id TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = ${engine:ReplacingMergeTree(revision)}
PARTITION BY toDate(toStartOfHour(ts))
ORDER BY (toStartOfHour(ts), session_id, trace_id, span_id)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, ${deduplication};

-- A call is a span of an inference operation, unless its mark says that the provider call is
-- billed by another span (`shadow` beside the billed one, `container` around it) or that the
-- guard did not let it through (`refused`). Spans of other producers have no mark.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.llm_calls_mv ${on_cluster}
TO ${database}.llm_calls AS
WITH
    ((id, bytes) -> if(length(id) = 2 * bytes, unhex(id), substring(MD5(id), 1, if(id = '', 0, bytes)))) AS id_bytes,
    (name -> if(told_source = 'missing', NULL, toUInt32OrNull(SpanAttributes[name]))) AS tokens,
    -- A part that is not told is 0 where the whole is known, else unknown as the whole is.
    ((name, whole) -> if(mapContains(SpanAttributes, name), tokens(name), if(isNull(whole), NULL, 0))) AS part,
    SpanAttributes['spanledger.usage.source'] AS told_source,
    SpanAttributes['spanledger.cost.provenance'] AS told_provenance,
    toInt64OrNull(SpanAttributes['spanledger.cost.nano_usd']) AS told_nano_usd,
    -- Decimal(18, 9) holds 18 digits of nano-dollars.
    if(told_provenance != 'unpriced' AND told_nano_usd BETWEEN 0 AND 999999999999999999, told_nano_usd, NULL) AS nano_usd,
    toFloat64OrNull(SpanAttributes['gen_ai.response.time_to_first_chunk']) AS first_chunk_s
SELECT
    toDateTime64(Timestamp, 6, 'UTC') AS ts,
    intDiv(Duration, 1000) AS duration_us,
    toFixedString(id_bytes(TraceId, 16), 16) AS trace_id,
    toFixedString(id_bytes(SpanId, 8), 8) AS span_id,
    toFixedString(id_bytes(ParentSpanId, 8), 8) AS parent_span_id,
    SpanName AS span_name,
    SpanAttributes['gen_ai.operation.name'] AS operation,
    ServiceName AS service,
    SpanAttributes['gen_ai.provider.name'] AS provider,
    SpanAttributes['gen_ai.request.model'] AS request_model,
    SpanAttributes['gen_ai.response.model'] AS response_model,
    SpanAttributes['gen_ai.agent.name'] AS agent,
    if(SpanAttributes['gen_ai.conversation.id'] != '', SpanAttributes['gen_ai.conversation.id'], SpanAttributes['session.id']) AS session_id,
    SpanAttributes['user.id'] AS user_id,
    SpanAttributes['spanledger.call.id'] AS call_id,
    if(mapContains(SpanAttributes, 'spanledger.call.attempt'), toUInt16OrNull(SpanAttributes['spanledger.call.attempt']), 1) AS attempt,
    SpanAttributes['spanledger.billing'] AS billing,
    tokens('gen_ai.usage.input_tokens') AS input_tokens,
    if(operation = 'embeddings', part('gen_ai.usage.output_tokens', input_tokens), tokens('gen_ai.usage.output_tokens')) AS output_tokens,
    part('gen_ai.usage.cache_read.input_tokens', input_tokens) AS cache_read_tokens,
    part('gen_ai.usage.cache_write.input_tokens', input_tokens) AS cache_write_tokens,
    part('anthropic.usage.cache_creation.ephemeral_1h_input_tokens', input_tokens) AS cache_write_1h_tokens,
    part('gen_ai.usage.reasoning.output_tokens', output_tokens) AS reasoning_tokens,
    toDecimal64(nano_usd, 0) * toDecimal64('0.000000001', 9) AS cost_usd,
    multiIf(isNull(nano_usd), 'unpriced', told_provenance IN ('provider', 'computed'), told_provenance, 'estimated') AS cost_provenance,
    SpanAttributes['spanledger.cost.price_version'] AS price_version,
    multiIf(told_source != '', told_source, isNull(input_tokens) AND isNull(output_tokens), 'missing', 'provider') AS usage_source,
    SpanAttributes['openai.response.service_tier'] AS service_tier,
    StatusCode AS status,
    SpanAttributes['error.type'] AS error_type,
    SpanAttributes['spanledger.stream.outcome'] AS stream_outcome,
    accurateCastOrNull(round(first_chunk_s * 1000000), 'UInt64') AS time_to_first_chunk_us,
    JSONExtract(SpanAttributes['gen_ai.response.finish_reasons'], 'Array(String)') AS finish_reasons,
    SpanAttributes['gen_ai.response.id'] AS response_id
FROM ${database}.otel_traces
WHERE SpanAttributes['gen_ai.operation.name'] IN ('chat', 'generate_content', 'text_completion', 'embeddings')
    AND SpanAttributes['spanledger.billing'] NOT IN ('shadow', 'container', 'refused');

CREATE TABLE IF NOT EXISTS ${database}.tool_calls ${on_cluster} (
    ts DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    duration_us UInt64 CODEC(T64, ZSTD(1)),
    trace_id FixedString(16) CODEC(ZSTD(1)),
    span_id FixedString(8) CODEC(ZSTD(1)),
    parent_span_id FixedString(8) COMMENT 'zeros: none' CODEC(ZSTD(1)),
    span_name LowCardinality(String) CODEC(ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    agent LowCardinality(String) CODEC(ZSTD(1)),
    session_id String CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    tool LowCardinality(String) CODEC(ZSTD(1)),
    tool_type LowCardinality(String) CODEC(ZSTD(1)),
    tool_call_id String CODEC(ZSTD(1)),
    arguments_hash String CODEC(ZSTD(1)),
    status LowCardinality(String) COMMENT 'Unset, Ok, Error' CODEC(ZSTD(1)),
    error_type LowCardinality(String) CODEC(ZSTD(1)),
    received_at DateTime('UTC') DEFAULT now() COMMENT 'when the row came in' CODEC(ZSTD(1)),
    revision UInt32 DEFAULT 0 CODEC(ZSTD(1)),
    INDEX idx_trace_id lower(hex(trace_id)) TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_session_id session_id TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = ${engine:ReplacingMergeTree(revision)}
PARTITION BY toDate(toStartOfHour(ts))
ORDER BY (toStartOfHour(ts), session_id, trace_id, span_id)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.tool_calls_mv ${on_cluster}
TO ${database}.tool_calls AS
WITH
    ((id, bytes) -> if(length(id) = 2 * bytes, unhex(id), substring(MD5(id), 1, if(id = '', 0, bytes)))) AS id_bytes
SELECT
    toDateTime64(Timestamp, 6, 'UTC') AS ts,
    intDiv(Duration, 1000) AS duration_us,
    toFixedString(id_bytes(TraceId, 16), 16) AS trace_id,
    toFixedString(id_bytes(SpanId, 8), 8) AS span_id,
    toFixedString(id_bytes(ParentSpanId, 8), 8) AS parent_span_id,
    SpanName AS span_name,
    ServiceName AS service,
    SpanAttributes['gen_ai.agent.name'] AS agent,
    if(SpanAttributes['gen_ai.conversation.id'] != '', SpanAttributes['gen_ai.conversation.id'], SpanAttributes['session.id']) AS session_id,
    SpanAttributes['user.id'] AS user_id,
    SpanAttributes['gen_ai.tool.name'] AS tool,
    SpanAttributes['gen_ai.tool.type'] AS tool_type,
    SpanAttributes['gen_ai.tool.call.id'] AS tool_call_id,
    SpanAttributes['spanledger.tool.arguments_hash'] AS arguments_hash,
    StatusCode AS status,
    SpanAttributes['error.type'] AS error_type
FROM ${database}.otel_traces
WHERE SpanAttributes['gen_ai.operation.name'] = 'execute_tool'
    AND SpanAttributes['spanledger.billing'] NOT IN ('shadow', 'container', 'refused');

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
    INDEX idx_trace_id lower(hex(trace_id)) TYPE bloom_filter(0.001) GRANULARITY 1,
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

-- For people: one row per call, tool call and decision, ids in hex, names that stay.
-- FINAL hides what merges have not removed yet, and costs next to nothing once they have.
CREATE VIEW IF NOT EXISTS ${database}.calls ${on_cluster} AS
SELECT
    c.ts AS ts,
    c.duration_us / 1000000 AS duration_s,
    lower(hex(c.trace_id)) AS trace_id,
    lower(hex(c.span_id)) AS span_id,
    if(c.parent_span_id = toFixedString('', 8), '', lower(hex(c.parent_span_id))) AS parent_span_id,
    c.* EXCEPT (ts, trace_id, span_id, parent_span_id, revision)
FROM ${database}.llm_calls AS c FINAL;

CREATE VIEW IF NOT EXISTS ${database}.tools ${on_cluster} AS
SELECT
    t.ts AS ts,
    t.duration_us / 1000000 AS duration_s,
    lower(hex(t.trace_id)) AS trace_id,
    lower(hex(t.span_id)) AS span_id,
    if(t.parent_span_id = toFixedString('', 8), '', lower(hex(t.parent_span_id))) AS parent_span_id,
    t.* EXCEPT (ts, trace_id, span_id, parent_span_id, revision)
FROM ${database}.tool_calls AS t FINAL;

CREATE VIEW IF NOT EXISTS ${database}.decisions ${on_cluster} AS
SELECT
    g.ts AS ts,
    g.decision_id AS decision_id,
    if(g.trace_id = toFixedString('', 16), '', lower(hex(g.trace_id))) AS trace_id,
    if(g.span_id = toFixedString('', 8), '', lower(hex(g.span_id))) AS span_id,
    g.* EXCEPT (ts, decision_id, trace_id, span_id, revision)
FROM ${database}.guard_events AS g FINAL;
