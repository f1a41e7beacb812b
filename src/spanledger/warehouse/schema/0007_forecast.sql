-- How sessions ended, forecasts, the rate at which money goes, and what stands out: for people and
-- for Grafana alike. All days and hours are those of UTC.

-- What the spans of sessions tell of their end. Few rows: one a session that has such a span.
CREATE TABLE IF NOT EXISTS ${database}.session_statuses ${on_cluster} (
    ts DateTime64(6, 'UTC') COMMENT 'when it ended' CODEC(Delta(8), ZSTD(1)),
    trace_id FixedString(16) CODEC(ZSTD(1)),
    span_id FixedString(8) CODEC(ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    session_id String CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    status LowCardinality(String) COMMENT 'success, completed, error, incomplete, partial' CODEC(ZSTD(1)),
    received_at DateTime('UTC') DEFAULT now() COMMENT 'when the row came in' CODEC(ZSTD(1))
) ENGINE = ${engine:ReplacingMergeTree}
PARTITION BY toDate(toStartOfHour(ts))
ORDER BY (toStartOfHour(ts), session_id, trace_id, span_id)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.session_statuses_mv ${on_cluster}
TO ${database}.session_statuses AS
WITH
    ((id, bytes) -> if(length(id) = 2 * bytes, unhex(id), substring(MD5(id), 1, if(id = '', 0, bytes)))) AS id_bytes
SELECT
    -- Of a duration that leads out of all calendars, a year: adding it would fail the whole batch.
    fromUnixTimestamp64Micro(toUnixTimestamp64Micro(Timestamp) + toInt64(least(intDiv(Duration, 1000), 31536000000000)), 'UTC') AS ts,
    toFixedString(id_bytes(TraceId, 16), 16) AS trace_id,
    toFixedString(id_bytes(SpanId, 8), 8) AS span_id,
    ServiceName AS service,
    if(SpanAttributes['gen_ai.conversation.id'] != '', SpanAttributes['gen_ai.conversation.id'], SpanAttributes['session.id']) AS session_id,
    SpanAttributes['user.id'] AS user_id,
    SpanAttributes['spanledger.session.status'] AS status
FROM ${database}.marked_spans
WHERE SpanAttributes['spanledger.session.status'] != '';

${distributed:session_statuses cityHash64(trace_id)};

CREATE VIEW IF NOT EXISTS ${database}.session_ends ${on_cluster} AS
SELECT s.ts AS ts, lower(hex(s.trace_id)) AS trace_id, lower(hex(s.span_id)) AS span_id, s.service AS service, s.session_id AS session_id, s.user_id AS user_id, s.status AS status
FROM ${database}.session_statuses${all} AS s FINAL
WHERE s.session_id != '';

-- What cost, tokens and calls of each day will be, and what was expected of the days before.
--
-- Logarithms, so that growth and weekdays are factors. One bad day must not bend the forecast:
-- what stands out of its week and weekday by more than three deviations is cut to that. STL takes
-- the weekday out, as far as there is one in what it leaves; a damped trend goes through the rest
-- (Holt); the band comes from the errors that the same method made one day ahead. Without two
-- whole weeks there are no weekdays. One step a subquery: the analyser resolves an alias again
-- wherever it is used.
CREATE VIEW IF NOT EXISTS ${database}.forecast_daily ${on_cluster} AS
SELECT
    g.scope AS scope,
    g.name AS name,
    g.metric AS metric,
    g.start + toUInt16(g.i - 1) AS day,
    if(g.i <= length(g.amounts), g.amounts[g.i], NULL) AS actual,
    greatest(exp(g.centre) - g.small, 0) AS expected,
    greatest(exp(g.centre - g.spread) - g.small, 0) AS low,
    greatest(exp(g.centre + g.spread) - g.small, 0) AS high
FROM
(
    -- 1.7 deviations of one day's error on both sides held 80 % in the back-test.
    SELECT h.scope AS scope, h.name AS name, h.metric AS metric, h.start AS start, h.amounts AS amounts, h.small AS small, h.i AS i,
        if(h.i <= h.n,
            h.levels[h.i] - h.errors[h.i] + h.seasons[h.i],
            h.level + h.slope * 9 * (1 - pow(0.9, h.i - h.n)) + h.seasons[if(h.n < 14, h.n, h.n - 6 + (h.i - h.n - 1) % 7)]) AS centre,
        1.7 * h.deviation * sqrt(1 + 0.04 * greatest(h.i - h.n - 1, 0)) AS spread
    FROM
    (
        SELECT f.*, arrayJoin(arrayMap(x -> toInt32(x), range(1, f.n + 93))) AS i
        FROM
        (
            SELECT e.scope AS scope, e.name AS name, e.metric AS metric, e.start AS start, e.n AS n, e.amounts AS amounts, e.small AS small,
                e.seasons AS seasons, e.levels AS levels, e.folded.1 AS level, e.folded.2 AS slope, e.folded.3 AS errors,
                greatest(sqrt(arrayAvg(x -> x * x, arraySlice(e.folded.3, -56))), 0.3 / sqrt(e.n)) AS deviation
            FROM
            (
                -- Level, damped slope, and the error at each step.
                SELECT d.scope AS scope, d.name AS name, d.metric AS metric, d.start AS start, d.n AS n, d.amounts AS amounts, d.small AS small,
                    d.seasons AS seasons, d.levels AS levels,
                    arrayFold(
                        (f, x) -> (
                            f.1 + 0.9 * f.2 + 0.2 * (x - f.1 - 0.9 * f.2),
                            0.9 * f.2 + 0.01 * (x - f.1 - 0.9 * f.2),
                            arrayPushBack(f.3, x - f.1 - 0.9 * f.2)),
                        d.levels,
                        (arrayAvg(arraySlice(d.levels, 1, 7)), toFloat64(0), CAST([], 'Array(Float64)'))) AS folded
                FROM
                (
                    SELECT c.scope AS scope, c.name AS name, c.metric AS metric, c.start AS start, c.n AS n, c.amounts AS amounts, c.small AS small,
                        arrayMap(s -> s * c.weight, arrayResize(c.parts[1], c.n, toFloat32(0))) AS seasons,
                        arrayMap((x, s) -> x - s * c.weight, c.cleaned, arrayResize(c.parts[1], c.n, toFloat32(0))) AS levels
                    FROM
                    (
                        SELECT p.scope AS scope, p.name AS name, p.metric AS metric, p.start AS start, p.n AS n, p.amounts AS amounts, p.small AS small,
                            p.cleaned AS cleaned, p.parts AS parts,
                            -- The part of the season in all that is not trend.
                            if(p.n < 14, 0, greatest(0, 1 - arrayAvg(r -> r * r, p.parts[3]) / (1e-9 + arrayAvg((s, r) -> (s + r) * (s + r), p.parts[1], p.parts[3])))) AS weight
                        FROM
                        (
                            SELECT b.scope AS scope, b.name AS name, b.metric AS metric, b.start AS start, b.n AS n, b.amounts AS amounts, b.small AS small, b.cleaned AS cleaned,
                                seriesDecomposeSTL(arrayResize(b.cleaned, greatest(b.n, 14), toFloat64(0)), 7) AS parts
                            FROM
                            (
                                SELECT a.scope AS scope, a.name AS name, a.metric AS metric, a.start AS start, a.n AS n, a.amounts AS amounts, a.small AS small,
                                    arrayMap((m, r) -> m + greatest(least(r, 3 * a.usual), -3 * a.usual), a.fitted, a.rests) AS cleaned
                                FROM
                                (
                                    SELECT r.scope AS scope, r.name AS name, r.metric AS metric, r.start AS start, r.n AS n, r.amounts AS amounts, r.small AS small,
                                        r.fitted AS fitted, r.rests AS rests,
                                        greatest(1.4826 * arrayReduce('median', arrayMap(x -> abs(x), r.rests)), 0.05) AS usual
                                    FROM
                                    (
                                        SELECT w.scope AS scope, w.name AS name, w.metric AS metric, w.start AS start, w.n AS n, w.amounts AS amounts, w.small AS small,
                                            arrayMap((m, j) -> m + w.weekdays[j % 7 + 1], w.middles, arrayEnumerate(w.middles)) AS fitted,
                                            arrayMap((x, j) -> x - w.weekdays[j % 7 + 1], w.offs, arrayEnumerate(w.offs)) AS rests
                                        FROM
                                        (
                                            SELECT o.scope AS scope, o.name AS name, o.metric AS metric, o.start AS start, o.n AS n, o.amounts AS amounts, o.small AS small,
                                                o.middles AS middles, o.offs AS offs,
                                                arrayMap(k -> if(o.n < 14, 0, arrayReduce('median', arrayFilter((x, j) -> j % 7 = k, o.offs, arrayEnumerate(o.offs)))), range(7)) AS weekdays
                                            FROM
                                            (
                                                SELECT m.scope AS scope, m.name AS name, m.metric AS metric, m.start AS start, m.n AS n, m.amounts AS amounts, m.small AS small,
                                                    m.middles AS middles,
                                                    arrayMap((y, q) -> y - q, m.logs, m.middles) AS offs
                                                FROM
                                                (
                                                    -- The median of the week around each day.
                                                    SELECT l.scope AS scope, l.name AS name, l.metric AS metric, l.start AS start, l.n AS n, l.amounts AS amounts, l.small AS small, l.logs AS logs,
                                                        arrayMap(j -> arrayReduce('median', arraySlice(l.logs, greatest(toInt32(j) - 3, 1), least(toInt32(j) + 3, 7))), arrayEnumerate(l.logs)) AS middles
                                                    FROM
                                                    (
                                                        SELECT v.scope AS scope, v.name AS name, v.metric AS metric, v.start AS start, toInt32(length(v.amounts)) AS n, v.amounts AS amounts, v.small AS small,
                                                            arrayMap(x -> log(x + v.small), v.amounts) AS logs
                                                        FROM
                                                        (
                                                            -- A hundredth of the mean stands in for nothing.
                                                            SELECT u.scope AS scope, u.name AS name, metric, u.start AS start,
                                                                arraySlice(days, u.first + 1) AS amounts,
                                                                arrayAvg(arraySlice(days, u.first + 1)) / 100 + 1e-9 AS small
                                                            FROM
                                                            (
                                                                SELECT t.scope AS scope, t.name AS name, min(t.place) AS first, min(t.day) AS start,
                                                                    groupArrayInsertAt(toFloat64(0), 112)(t.cost, t.place) AS costs,
                                                                    groupArrayInsertAt(toFloat64(0), 112)(t.tokens, t.place) AS tokens,
                                                                    groupArrayInsertAt(toFloat64(0), 112)(t.calls, t.place) AS calls
                                                                FROM
                                                                (
                                                                    SELECT d.day AS day, k.1 AS scope, k.2 AS name,
                                                                        toUInt32(d.day - toDate(now('UTC')) + 112) AS place,
                                                                        sum(toFloat64(ifNull(d.cost_usd, 0))) AS cost,
                                                                        sum(toFloat64(d.input_tokens + d.output_tokens)) AS tokens,
                                                                        sum(toFloat64(d.calls)) AS calls
                                                                    FROM ${database}.cost_daily AS d
                                                                    ARRAY JOIN [('all', ''), ('agent', toString(d.agent)), ('model', toString(d.model)), ('service', toString(d.service)), ('provider', toString(d.provider))] AS k
                                                                    WHERE d.day >= toDate(now('UTC')) - 112 AND d.day < toDate(now('UTC'))
                                                                    GROUP BY day, scope, name
                                                                ) AS t
                                                                GROUP BY scope, name
                                                            ) AS u
                                                            ARRAY JOIN ['cost', 'tokens', 'calls'] AS metric, [u.costs, u.tokens, u.calls] AS days
                                                        ) AS v
                                                    ) AS l
                                                ) AS m
                                            ) AS o
                                        ) AS w
                                    ) AS r
                                ) AS a
                            ) AS b
                        ) AS p
                    ) AS c
                ) AS d
            ) AS e
        ) AS f
    ) AS h
) AS g;

-- How fast money goes: the last hour to the minute, longer periods from the beginning of an hour on.
CREATE VIEW IF NOT EXISTS ${database}.burn_rate ${on_cluster} AS
SELECT
    b.scope AS scope,
    b.name AS name,
    b.period AS period,
    b.period_s AS period_s,
    b.cost_usd AS cost_usd,
    b.cost_usd / (b.period_s / 3600) AS usd_per_hour,
    b.calls AS calls
FROM
(
    SELECT r.1 AS scope, r.2 AS name, '1h' AS period, toUInt32(3600) AS period_s,
        sum(toFloat64(ifNull(c.cost_usd, 0))) AS cost_usd, count() AS calls
    FROM ${database}.calls AS c
    ARRAY JOIN [('all', ''), ('agent', toString(c.agent)), ('model', toString(if(c.request_model != '', c.request_model, c.response_model))), ('service', toString(c.service)), ('provider', toString(c.provider))] AS r
    WHERE c.ts >= toDateTime64(now('UTC') - 3600, 6, 'UTC')
    GROUP BY scope, name
    UNION ALL
    SELECT h.scope AS scope, h.name AS name,
        ['6h', '1d', '3d', '7d', '30d'][n] AS period,
        toUInt32([6, 24, 72, 168, 720][n] * 3600 + now('UTC') - toStartOfHour(now('UTC'))) AS period_s,
        h.costs[n] AS cost_usd,
        h.counts[n] AS calls
    FROM
    (
        SELECT k.1 AS scope, k.2 AS name,
            sumForEach(arrayMap(x -> if(c.age < x, c.cost, 0), [6, 24, 72, 168, 720])) AS costs,
            sumForEach(arrayMap(x -> if(c.age < x, c.count, 0), [6, 24, 72, 168, 720])) AS counts
        FROM
        (
            SELECT d.agent AS agent, d.model AS model, d.service AS service, d.provider AS provider,
                multiIf(d.hour >= toStartOfHour(now('UTC')) - 21600, 0, d.hour >= toStartOfHour(now('UTC')) - 86400, 6, d.hour >= toStartOfHour(now('UTC')) - 259200, 24, d.hour >= toStartOfHour(now('UTC')) - 604800, 72, 168) AS age,
                sum(toFloat64(ifNull(d.cost_usd, 0))) AS cost, sum(d.calls) AS count
            FROM ${database}.cost_hourly AS d
            WHERE d.hour >= toStartOfHour(now('UTC')) - 2592000
            GROUP BY agent, model, service, provider, age
        ) AS c
        ARRAY JOIN [('all', ''), ('agent', toString(c.agent)), ('model', toString(c.model)), ('service', toString(c.service)), ('provider', toString(c.provider))] AS k
        GROUP BY scope, name
    ) AS h
    ARRAY JOIN [1, 2, 3, 4, 5] AS n
) AS b
WHERE b.calls > 0;

-- What stands out of the last two weeks, by agent, and why. Tukey's fences (10 % to 90 %, one and
-- a half of that range) on logarithms; failures against their usual share, four deviations off.
-- Hours count with five calls and more, and only what is half as much again as usual. Sessions
-- come when their hour is closed.
CREATE VIEW IF NOT EXISTS ${database}.anomalies ${on_cluster} AS
WITH
    (x -> multiIf(x >= 1, concat('$', toDecimalString(x, 2)), x >= 0.001, concat('$', toDecimalString(x, 4)), concat('$', toDecimalString(x, 7)))) AS money,
    (x -> multiIf(x >= 10, toDecimalString(x, 0), toDecimalString(x, 1))) AS few,
    (name -> if(name = '', 'calls without an agent', concat('agent ', name))) AS called
SELECT
    o.at AS at,
    o.kind AS kind,
    'agent' AS scope,
    o.agent AS name,
    o.agent AS agent,
    o.value AS value,
    o.usual AS usual,
    o.value / o.usual AS times,
    o.score AS score,
    multiIf(
        o.kind = 'cost_per_call', concat(called(o.agent), ': a call cost ', money(o.value), ', ', few(o.value / o.usual), ' times the usual ', money(o.usual), '; ', o.why),
        o.kind = 'latency', concat(called(o.agent), ': a call took ', toDecimalString(o.value, 2), ' s, ', few(o.value / o.usual), ' times the usual ', toDecimalString(o.usual, 2), ' s; ', o.why),
        concat(called(o.agent), ': ', toDecimalString(o.value * 100, 1), ' % of ', toString(o.calls), ' calls failed, usually ', toDecimalString(o.usual * 100, 1), ' %; ', o.why)) AS reason
FROM
(
    SELECT e.agent AS agent, e.kinds AS kind, p.1 AS at, p.2 AS calls, p.3[e.place] AS value, e.usuals[e.place] AS usual, e.scores[p.6] AS score,
        multiIf(
            p.4 != e.model, concat('mostly ', p.4, ' instead of ', e.model),
            p.5[1] / e.inputs > 1.3 AND p.5[1] / e.inputs >= p.5[2] / e.outputs, concat(few(p.5[1]), ' input tokens a call instead of ', few(e.inputs)),
            p.5[2] / e.outputs > 1.3, concat(few(p.5[2]), ' output tokens a call instead of ', few(e.outputs)),
            e.place = 1 AND p.5[3] < 0.7 * e.cached, concat(few(100 * p.5[3]), ' % of the input came from the cache instead of ', few(100 * e.cached), ' %'),
            'with the same model and as many tokens as usual') AS why
    FROM
    (
        SELECT a.agent AS agent, a.model AS model, a.inputs AS inputs, a.outputs AS outputs, a.cached AS cached, a.usuals AS usuals, a.points AS points,
            s.1 AS place, s.2 AS kinds, s.3 AS scores
        FROM
        (
            SELECT g.agent AS agent, g.model AS model, g.inputs AS inputs, g.outputs AS outputs, g.cached AS cached, g.points AS points,
                [g.usual_cost, g.usual_time, g.usual_failures] AS usuals,
                [
                    (1, 'cost_per_call', seriesOutliersDetectTukey(arrayMap(x -> log(x.3[1] + 1e-9), g.points), 0.1, 0.9, 1.5)),
                    (2, 'latency', seriesOutliersDetectTukey(arrayMap(x -> log(x.3[2] + 1e-6), g.points), 0.1, 0.9, 1.5)),
                    (3, 'error_rate', arrayMap(x -> greatest(0, (x.3[3] - g.usual_failures) * sqrt(x.2 / (g.usual_failures * (1 - g.usual_failures))) - 4), g.points))
                ] AS series
            FROM
            (
                SELECT h.agent AS agent,
                    topKWeighted(1)(h.model, h.calls)[1] AS model,
                    greatest(median(h.per_call[1]), 1) AS inputs, greatest(median(h.per_call[2]), 1) AS outputs, median(h.per_call[3]) AS cached,
                    median(h.measures[1]) AS usual_cost, median(h.measures[2]) AS usual_time,
                    least(greatest(sum(h.measures[3] * h.calls) / sum(h.calls), 0.005), 0.9) AS usual_failures,
                    arrayMap((x, j) -> (x.1, x.2, x.3, x.4, x.5, j), groupArray((h.hour, h.calls, h.measures, h.model, h.per_call)) AS found, arrayEnumerate(found)) AS points
                FROM
                (
                    SELECT c.agent AS agent, c.hour AS hour, sum(c.calls) AS calls,
                        toString(argMax(c.model, c.calls)) AS model,
                        [sum(toFloat64(ifNull(c.cost_usd, 0))) / greatest(sum(c.calls - c.unpriced_calls), 1), sum(c.duration_us) / sum(c.calls) / 1e6, sum(c.failed_calls) / sum(c.calls)] AS measures,
                        [sum(c.input_tokens) / sum(c.calls), sum(c.output_tokens) / sum(c.calls), sum(c.cache_read_tokens) / greatest(sum(c.input_tokens), 1)] AS per_call
                    FROM ${database}.cost_hourly AS c
                    WHERE c.hour >= toStartOfHour(now('UTC')) - 1209600
                    GROUP BY agent, hour
                    HAVING calls >= 5
                ) AS h
                GROUP BY agent
                HAVING count() >= 12
            ) AS g
        ) AS a
        ARRAY JOIN a.series AS s
    ) AS e
    ARRAY JOIN arrayFilter(x -> e.scores[x.6] > 0 AND x.3[e.place] >= 1.5 * e.usuals[e.place] AND (e.place != 3 OR x.3[3] * x.2 >= 2.5), e.points) AS p
) AS o
UNION ALL
SELECT
    s.at AS at,
    s.kind AS kind,
    s.scope AS scope,
    s.name AS name,
    s.agent AS agent,
    s.value AS value,
    s.usual AS usual,
    s.value / s.usual AS times,
    s.score AS score,
    concat(s.scope, ' ', s.name, ' of ', called(s.agent), ' cost ', money(s.value), ', ', few(s.value / s.usual), ' times the usual ', money(s.usual), '; ',
        multiIf(
            s.calls > 1.3 * s.usual_calls, concat(toString(s.calls), ' calls instead of ', few(s.usual_calls)),
            s.tokens > 1.3 * s.usual_tokens, concat(few(s.tokens), ' tokens a call instead of ', few(s.usual_tokens)),
            'dearer calls, not more of them')) AS reason
FROM
(
    SELECT g.kind AS kind, g.scope AS scope, g.agent AS agent, g.usual AS usual, g.usual_calls AS usual_calls, g.usual_tokens AS usual_tokens,
        x.1.1 AS at, x.1.2 AS name, x.1.3 AS value, x.1.4 AS calls, x.1.5 AS tokens, x.2 AS score
    FROM
    (
        SELECT i.kind AS kind, i.scope AS scope, i.agent AS agent,
            median(i.cost) AS usual, median(i.calls) AS usual_calls, median(i.tokens) AS usual_tokens,
            groupArray((i.at, i.name, i.cost, i.calls, i.tokens)) AS items,
            arrayZip(items, seriesOutliersDetectTukey(arrayMap(x -> log(x.3), items), 0.1, 0.9, 1.5)) AS scored
        FROM
        (
            SELECT 'cost_per_session' AS kind, 'session' AS scope, toString(max(h.agent)) AS agent, h.session_id AS name, toDateTime(max(h.last_ts), 'UTC') AS at,
                sum(toFloat64(ifNull(h.cost_usd, 0))) AS cost, sum(h.calls) AS calls, sum(h.input_tokens + h.output_tokens) / sum(h.calls) AS tokens
            FROM ${database}.sessions_hourly${all} AS h FINAL
            WHERE h.hour >= toStartOfHour(now('UTC')) - 1209600 AND h.session_id != ''
            GROUP BY name
            HAVING calls > 0 AND cost > 0
            UNION ALL
            SELECT 'cost_per_turn' AS kind, 'turn' AS scope, toString(a.agent) AS agent, a.trace_id AS name, toDateTime(a.ts, 'UTC') AS at,
                toFloat64(ifNull(a.subtree_cost_usd, 0)) AS cost, toUInt64(ifNull(a.subtree_calls, 0)) AS calls, toFloat64(ifNull(a.subtree_tokens, 0)) / greatest(calls, 1) AS tokens
            FROM ${database}.agent_runs AS a
            WHERE a.ts >= toDateTime64(now('UTC') - 604800, 6, 'UTC') AND a.subtree_cost_usd > 0
        ) AS i
        GROUP BY kind, scope, agent
        HAVING count() >= 12
    ) AS g
    ARRAY JOIN arrayFilter(x -> x.2 > 0 AND x.1.3 >= 1.5 * g.usual, g.scored) AS x
) AS s;
