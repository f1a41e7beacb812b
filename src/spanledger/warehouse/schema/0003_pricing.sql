-- Calls of any other producer: another language, a coding agent, somebody else's instrumentation.
-- Their spans are read through the table of dialects and priced as they come in, from the same
-- data and to the same nano-dollar as Python does it (pricing/warehouse.py makes the rows).
--
-- Look-ups are tables in memory (the Join engine) and no dictionaries: a dictionary's source
-- needs a user whose password is stored in its definition, and where it fails to load, after a
-- change of that password and a restart, every INSERT fails with it. A Join table is just there;
-- an empty one means unpriced. Migrating fills them (warehouse/_reference.py).

CREATE TABLE IF NOT EXISTS ${database}.price_versions ${on_cluster} (
    what String,
    version String
) ENGINE = Join(ANY, LEFT, what);

CREATE TABLE IF NOT EXISTS ${database}.price_providers ${on_cluster} (
    name String COMMENT 'as spans spell it, or # and a number for a guess',
    provider String COMMENT 'id of the price list; ?: the model tells'
) ENGINE = Join(ANY, LEFT, name);

CREATE TABLE IF NOT EXISTS ${database}.price_names ${on_cluster} (
    provider String,
    name String,
    code UInt64 COMMENT 'rank × 2^32 + number of the price; the smallest code counts'
) ENGINE = Join(ANY, LEFT, provider, name);

CREATE TABLE IF NOT EXISTS ${database}.price_rules ${on_cluster} (
    provider String,
    texts Array(String),
    kinds Array(UInt8) COMMENT '1 begins with, 2 ends with, 3 contains',
    tails Array(UInt8) COMMENT 'what must follow: see pricing/_clauses.py',
    codes Array(UInt64)
) ENGINE = Join(ANY, LEFT, provider);

CREATE TABLE IF NOT EXISTS ${database}.price_list ${on_cluster} (
    number UInt32,
    tier String,
    segments Array(Array(Int64)) COMMENT 'since, until, of the day from, until, above input, up to, reasoning apart, bits without a price, pico-USD: a request, 13 buckets'
) ENGINE = Join(ANY, LEFT, number, tier);

CREATE TABLE IF NOT EXISTS ${database}.dialect_attributes ${on_cluster} (
    name String,
    slot UInt16 COMMENT 'field × 32 + rank; fields: FIELDS in pricing/warehouse.py, then the total'
) ENGINE = Join(ANY, LEFT, name);

CREATE TABLE IF NOT EXISTS ${database}.dialect_values ${on_cluster} (
    attribute String,
    value String,
    meaning String COMMENT '-: stands for nothing'
) ENGINE = Join(ANY, LEFT, attribute, value);

-- Step by step, through tables that keep nothing (Null): as one query the same costs seconds at
-- every INSERT, because the analyser repeats each step in all the steps around it. So it is a few
-- milliseconds a step, and rows flow only where there are spans of others.

-- What the span says, by field of the conventions.
CREATE TABLE IF NOT EXISTS ${database}.foreign_spans ${on_cluster} (
    ${span_columns},
    slots Array(UInt16),
    values Array(String),
    fields Array(UInt16),
    numbers Array(Int64)
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.foreign_spans_mv ${on_cluster}
TO ${database}.foreign_spans AS
SELECT
    *,
    arrayMap(slot -> intDiv(slot, 32), slots) AS fields,
    arrayMap(value -> ifNull(if(length(value) < 20, toInt64OrNull(replaceRegexpOne(value, '[.]0*$', '')), NULL), -1), values) AS numbers
FROM
(
    SELECT
        * EXCEPT (all_values, all_slots),
        arraySort(arrayFilter(slot -> slot > 0, all_slots)) AS slots,
        arraySort((value, slot) -> slot, arrayFilter((value, slot) -> slot > 0, all_values, all_slots), arrayFilter(slot -> slot > 0, all_slots)) AS values
    FROM
    (
        SELECT
            Timestamp, Duration, TraceId, SpanId, ParentSpanId, SpanName, ServiceName, ScopeName, StatusCode,
            SpanAttributes['gen_ai.agent.name'] AS agent,
            SpanAttributes['spanledger.cost.nano_usd'] AS told_nano_usd,
            SpanAttributes['spanledger.cost.provenance'] AS told_provenance,
            SpanAttributes['error.type'] AS error_type,
            SpanAttributes['spanledger.error.id'] AS error_id,
            SpanAttributes['spanledger.error.fingerprint'] AS error_fingerprint,
            SpanAttributes['gen_ai.response.time_to_first_chunk'] AS first_chunk_s,
            SpanAttributes['gen_ai.response.finish_reasons'] AS finish_reasons_json,
            arrayFirst(meaning -> meaning != '', [
                joinGet(${database}.dialect_values, 'meaning', 'gen_ai.operation.name', SpanAttributes['gen_ai.operation.name']),
                joinGet(${database}.dialect_values, 'meaning', 'openinference.span.kind', SpanAttributes['openinference.span.kind']),
                joinGet(${database}.dialect_values, 'meaning', 'llm.request.type', SpanAttributes['llm.request.type']),
                if(SpanAttributes['llm.request.type'] = '', '', joinGet(${database}.dialect_values, 'meaning', 'llm.request.type', '*')),
                joinGet(${database}.dialect_values, 'meaning', 'ai.operationId', SpanAttributes['ai.operationId']),
                joinGet(${database}.dialect_values, 'meaning', 'langfuse.observation.type', SpanAttributes['langfuse.observation.type'])]) AS operation,
            mapValues(SpanAttributes) AS all_values,
            arrayMap((name, value) -> if(value = '', 0, joinGet(${database}.dialect_attributes, 'slot', toString(name))), mapKeys(SpanAttributes), all_values) AS all_slots
        FROM ${database}.marked_spans
        WHERE SpanAttributes['spanledger.billing'] = ''
            AND (SpanAttributes['gen_ai.operation.name'] != '' OR SpanAttributes['openinference.span.kind'] != ''
                OR SpanAttributes['llm.request.type'] != '' OR SpanAttributes['ai.operationId'] != ''
                OR SpanAttributes['langfuse.observation.type'] != '')
    )
    WHERE operation NOT IN ('', '-')
);

-- What was used, and by whom it was asked.
CREATE TABLE IF NOT EXISTS ${database}.foreign_usage ${on_cluster} (
    ${span_columns},
    ${usage_columns},
    apart UInt8
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.foreign_usage_mv ${on_cluster}
TO ${database}.foreign_usage AS
SELECT
    * EXCEPT (spelled, bare, renamed, renamed_bare, told_in, told_out, told_total, no_output),
    multiIf(renamed = '-', '', renamed != '', renamed, renamed_bare = '-', '', renamed_bare != '', renamed_bare, bare) AS provider,
    isNull(input_told) OR isNull(output_told) OR (input_told = 0 AND output_told = 0) AS missing,
    ifNull(input_told, 0) AS input,
    ifNull(output_told, 0) AS output,
    cache_read + cache_write AS cached,
    (provider IN ('anthropic', 'aws.bedrock') OR position(model, 'claude') > 0 OR position(model, 'anthropic') > 0) AS apart
FROM
(
    SELECT
        *,
        lower(trim(if(response_model != '', response_model, request_model))) AS model,
        operation IN ('embeddings', 'rerank') AS no_output,
        multiIf(
            isNotNull(told_in), told_in,
            no_output AND isNull(told_out), told_total,
            isNotNull(told_out) AND isNotNull(told_total), greatest(0, told_total - told_out), NULL) AS input_told,
        multiIf(
            isNotNull(told_out), told_out,
            no_output, 0,
            isNotNull(told_in) AND isNotNull(told_total), greatest(0, told_total - told_in), NULL) AS output_told,
        -- Which of a provider's interfaces was used is no part of its name.
        replaceRegexpOne(spelled, '[.](chat|completion|embedding|messages|responses)$', '') AS bare,
        joinGet(${database}.dialect_values, 'meaning', 'gen_ai.provider.name', spelled) AS renamed,
        joinGet(${database}.dialect_values, 'meaning', 'gen_ai.provider.name', bare) AS renamed_bare
    FROM
    (
        SELECT
            * EXCEPT (slots, values, fields, numbers, kept),
            lower(arrayFirst((value, field) -> field = 1, values, fields)) AS spelled,
            arrayFirst((value, field) -> field = 2, values, fields) AS request_model,
            arrayFirst((value, field) -> field = 3, values, fields) AS response_model,
            arrayFirst((value, field) -> field = 4, values, fields) AS session_id,
            arrayFirst((value, field) -> field = 5, values, fields) AS user_id,
            if(arrayExists((field, ok) -> ok AND field = 6, fields, kept), arrayFirst((n, field, ok) -> ok AND field = 6, numbers, fields, kept), NULL) AS told_in,
            if(arrayExists((field, ok) -> ok AND field = 7, fields, kept), arrayFirst((n, field, ok) -> ok AND field = 7, numbers, fields, kept), NULL) AS told_out,
            if(arrayExists((field, ok) -> ok AND field = 17, fields, kept), arrayFirst((n, field, ok) -> ok AND field = 17, numbers, fields, kept), NULL) AS told_total,
            arrayFirst((n, field, ok) -> ok AND field = 8, numbers, fields, kept) AS cache_read,
            arrayFirst((n, field, ok) -> ok AND field = 9, numbers, fields, kept) AS cache_write,
            arrayFirst((n, field, ok) -> ok AND field = 10, numbers, fields, kept) AS cache_write_1h,
            arrayFirst((n, field, ok) -> ok AND field = 11, numbers, fields, kept) AS reasoning,
            arrayFirst((n, field, ok) -> ok AND field = 12, numbers, fields, kept) AS audio_in,
            arrayFirst((n, field, ok) -> ok AND field = 13, numbers, fields, kept) AS audio_out,
            arrayFirst((n, field, ok) -> ok AND field = 14, numbers, fields, kept) AS image_in,
            arrayFirst((n, field, ok) -> ok AND field = 15, numbers, fields, kept) AS image_out,
            lower(arrayFirst((value, field) -> field = 16, values, fields)) AS service_tier
        FROM
        (
            SELECT
                *,
                -- Of a part the first above 0 counts, of a sum the first that can be read.
                arrayMap((n, field) -> n <= 10000000000 AND (n > 0 OR (n = 0 AND field IN (6, 7, 17))), numbers, fields) AS kept,
                arrayExists((n, field) -> (n < 0 OR n > 10000000000) AND field BETWEEN 8 AND 15, numbers, fields) AS damaged
            FROM ${database}.foreign_spans
        )
    )
);

-- The usage with the cache in its input, as the conventions have it.
CREATE TABLE IF NOT EXISTS ${database}.foreign_whole ${on_cluster} (
    ${span_columns},
    ${usage_columns},
    ${whole_columns}
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.foreign_whole_mv ${on_cluster}
TO ${database}.foreign_whole AS
SELECT
    * EXCEPT (layout, adds_cache, layout_sure),
    toUnixTimestamp64Second(toDateTime64(Timestamp, 0, 'UTC')) AS at_s,
    cache_read + greatest(cache_write, cache_write_1h) + audio_in + image_in AS parts_of_input,
    layout_sure AND NOT damaged AS usage_sure,
    usage_sure AND whole >= cached + audio_in + image_in AND cache_write >= cache_write_1h
        AND output >= reasoning AND output >= audio_out + image_out AS sure
FROM
(
    SELECT
        * EXCEPT (apart),
        (layout = 'exclusive' OR cached > input) AS adds_cache,
        if(adds_cache, least(input + cached, 10000000000), input) AS whole,
        (cached = 0 OR adds_cache OR layout = 'inclusive' OR (layout = '' AND NOT apart)) AS layout_sure
    FROM
    (
        SELECT
            * EXCEPT (whose, scope_parts, scopes),
            arrayFirst(layout -> layout != '', arrayConcat(
                arrayMap(name -> joinGet(${database}.dialect_values, 'meaning', 'input ', name), scopes),
                arrayMap(name -> joinGet(${database}.dialect_values, 'meaning', concat('input ', whose), name), scopes))) AS layout
        FROM
        (
            SELECT
                *,
                multiIf(provider != '', provider, apart, 'anthropic', 'openai') AS whose,
                splitByChar('.', ScopeName, 8) AS scope_parts,
                arrayMap(n -> arrayStringConcat(arraySlice(scope_parts, 1, n), '.'), range(1, length(scope_parts) + 1)) AS scopes
            FROM ${database}.foreign_usage
        )
    )
);

-- Whose price list.
CREATE TABLE IF NOT EXISTS ${database}.foreign_owners ${on_cluster} (
    ${span_columns},
    ${usage_columns},
    ${whole_columns},
    listed String,
    owner String,
    spellings Array(String)
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.foreign_owners_mv ${on_cluster}
TO ${database}.foreign_owners AS
SELECT
    * EXCEPT (guess_by, exact_guess, guess),
    joinGet(${database}.price_providers, 'provider', provider) AS listed,
    multiIf(
        provider = '', joinGet(${database}.price_providers, 'provider', concat('#', toString(bitAnd(guess, 4294967295)))),
        listed != '', listed, provider) AS owner,
    -- As routers write dates; asked only where the name itself is not found.
    [model, replaceRegexpAll(model, '-(20[0-9]{2})(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])(-|:|$)', '-\\1-\\2-\\3\\4')] AS spellings
FROM
(
    SELECT
        *,
        if(provider = '', '?', '') AS guess_by,
        joinGet(${database}.price_names, 'code', guess_by, model) AS exact_guess,
        arrayMin(arrayPushBack(arrayMap((text, kind, tail, code) -> if(
            multiIf(kind = 1, startsWith(model, text), kind = 2, endsWith(model, text), position(model, text) > 0)
                AND multiIf(
                    tail = 0, 1,
                    tail = 1, match(substring(model, length(text) + 1), '^[0-9]{8}$'),
                    tail = 2, match(substring(model, length(text) + 1), '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
                    tail = 3, match(substring(model, length(text) + 1), '^[0-9]'),
                    tail = 4, NOT match(model, '-tts($|-)'),
                    position(model, '/') < 2), code, 18446744073709551615),
            joinGet(${database}.price_rules, 'texts', guess_by), joinGet(${database}.price_rules, 'kinds', guess_by), joinGet(${database}.price_rules, 'tails', guess_by), joinGet(${database}.price_rules, 'codes', guess_by)), if(exact_guess = 0, 18446744073709551615, exact_guess))) AS guess
    FROM ${database}.foreign_whole
);

-- Which price of it.
CREATE TABLE IF NOT EXISTS ${database}.foreign_matches ${on_cluster} (
    ${span_columns},
    ${usage_columns},
    ${whole_columns},
    exact_codes Array(UInt64),
    rule_codes Array(UInt64),
    code UInt64,
    price_number UInt32
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.foreign_matches_mv ${on_cluster}
TO ${database}.foreign_matches AS
SELECT
    * EXCEPT (listed, owner, spellings),
    arrayMap(spelling -> joinGet(${database}.price_names, 'code', owner, spelling), spellings) AS exact_codes,
    arrayMap(spelling -> arrayMin(arrayPushBack(arrayMap((text, kind, tail, code) -> if(
        multiIf(kind = 1, startsWith(spelling, text), kind = 2, endsWith(spelling, text), position(spelling, text) > 0)
            AND multiIf(
                tail = 0, 1,
                tail = 1, match(substring(spelling, length(text) + 1), '^[0-9]{8}$'),
                tail = 2, match(substring(spelling, length(text) + 1), '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
                tail = 3, match(substring(spelling, length(text) + 1), '^[0-9]'),
                tail = 4, NOT match(spelling, '-tts($|-)'),
                position(spelling, '/') < 2), code, 18446744073709551615),
        joinGet(${database}.price_rules, 'texts', owner), joinGet(${database}.price_rules, 'kinds', owner), joinGet(${database}.price_rules, 'tails', owner), joinGet(${database}.price_rules, 'codes', owner)), 18446744073709551615)), spellings) AS rule_codes,
    arrayFirst(code -> code != 18446744073709551615, arrayMap((exact, code) -> if(exact = 0, code, least(exact, code)), exact_codes, rule_codes)) AS code,
    toUInt32(bitAnd(code, 4294967295)) AS price_number
FROM ${database}.foreign_owners;

-- What holds at that time, for that much input.
CREATE TABLE IF NOT EXISTS ${database}.foreign_segments ${on_cluster} (
    ${span_columns},
    ${usage_columns},
    ${whole_columns},
    price_number UInt32,
    segment Array(Int64)
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.foreign_segments_mv ${on_cluster}
TO ${database}.foreign_segments AS
SELECT
    * EXCEPT (tier_segments, segments, reach),
    arrayFirst(s ->
        s[1] <= at_s AND at_s < s[2] AND s[3] <= at_s % 86400 AND at_s % 86400 < s[4] AND s[5] < reach AND reach <= s[6],
        segments) AS segment
FROM
(
    SELECT
        * EXCEPT (exact_codes, rule_codes, code),
        joinGet(${database}.price_list, 'segments', price_number, service_tier) AS tier_segments,
        if(empty(tier_segments), joinGet(${database}.price_list, 'segments', price_number, ''), tier_segments) AS segments,
        greatest(whole, parts_of_input) AS reach
    FROM ${database}.foreign_matches
);

-- What it costs.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.foreign_calls_mv ${on_cluster}
TO ${database}.llm_calls AS
SELECT
    toDateTime64(Timestamp, 6, 'UTC') AS ts,
    intDiv(Duration, 1000) AS duration_us,
    toFixedString(if(length(TraceId) = 32, unhex(TraceId), substring(MD5(TraceId), 1, if(TraceId = '', 0, 16))), 16) AS trace_id,
    toFixedString(if(length(SpanId) = 16, unhex(SpanId), substring(MD5(SpanId), 1, if(SpanId = '', 0, 8))), 8) AS span_id,
    toFixedString(if(length(ParentSpanId) = 16, unhex(ParentSpanId), substring(MD5(ParentSpanId), 1, if(ParentSpanId = '', 0, 8))), 8) AS parent_span_id,
    SpanName AS span_name,
    operation,
    ServiceName AS service,
    provider,
    request_model,
    response_model,
    agent,
    session_id,
    user_id,
    1 AS attempt,
    ScopeName AS scope,
    accurateCastOrNull(if(missing, input_told, whole), 'UInt32') AS input_tokens,
    accurateCastOrNull(output_told, 'UInt32') AS output_tokens,
    accurateCastOrNull(if(isNull(input_told), NULL, cache_read), 'UInt32') AS cache_read_tokens,
    accurateCastOrNull(if(isNull(input_told), NULL, cache_write), 'UInt32') AS cache_write_tokens,
    accurateCastOrNull(if(isNull(input_told), NULL, cache_write_1h), 'UInt32') AS cache_write_1h_tokens,
    accurateCastOrNull(if(isNull(output_told), NULL, reasoning), 'UInt32') AS reasoning_tokens,
    if(audio_in + audio_out + image_in + image_out = 0, [], [toUInt64(audio_in), toUInt64(audio_out), toUInt64(image_in), toUInt64(image_out)]) AS media_counts,
    toDecimal64(nano_usd, 0) * toDecimal64('0.000000001', 9) AS cost_usd,
    multiIf(
        isNull(nano_usd), 'unpriced',
        told_nano_usd != '', if(told_provenance IN ('provider', 'computed'), told_provenance, 'estimated'),
        sure, 'computed', 'estimated') AS cost_provenance,
    if(isNull(nano_usd) OR told_nano_usd != '', '', joinGet(${database}.price_versions, 'version', 'prices')) AS price_version,
    multiIf(missing, 'missing', usage_sure, 'provider', 'estimated') AS usage_source,
    service_tier,
    StatusCode AS status,
    error_type,
    error_id,
    error_fingerprint,
    accurateCastOrNull(round(toFloat64OrNull(first_chunk_s) * 1000000), 'UInt64') AS time_to_first_chunk_us,
    JSONExtract(finish_reasons_json, 'Array(String)') AS finish_reasons
FROM
(
    SELECT
        *,
        multiIf(told_nano_usd != '', toInt64OrNull(told_nano_usd), priced, accurateCastOrNull(intDiv(pico_usd + 999, 1000), 'Int64'), NULL) AS any_nano_usd,
        if(any_nano_usd BETWEEN 0 AND 999999999999999999 AND told_provenance != 'unpriced', any_nano_usd, NULL) AS nano_usd
    FROM
    (
        SELECT
            *,
            NOT missing AND notEmpty(segment) AND NOT arrayExists((n, bucket) -> n > 0 AND bitTest(segment[8], bucket), counts, range(13)) AS priced,
            segment[9] + arraySum(arrayMap((n, rate) -> toInt128(n) * rate, counts, arraySlice(arrayResize(segment, 22), 10))) AS pico_usd
        FROM
        (
            SELECT
                *,
                if(segment[7] = 1, reasoning, 0) AS reasoning_apart,
                [
                    greatest(0, whole - parts_of_input), cache_read, greatest(0, cache_write - cache_write_1h), cache_write_1h,
                    audio_in, 0, image_in, 0,
                    greatest(0, output - reasoning_apart - audio_out - image_out), reasoning_apart, audio_out, image_out, 0
                ] AS counts
            FROM ${database}.foreign_segments
        )
    )
);
