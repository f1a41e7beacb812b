-- Actions in whose names, failures or contents the words occur: ids with the part of the words
-- that was found. Names are grouped first, so the words are looked for in each name once.
WITH
    fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AS since,
    {words:Array(String)} AS words,
    -- A word begins at the beginning, or after what is no letter and no digit.
    (text -> arrayFilter(word -> position(text, concat(' ', word)) > 0, words)) AS found_in,
    (text -> concat(' ', replaceRegexpAll(lowerUTF8(text), '[^\\p{L}\\p{N}]+', ' '))) AS plain
SELECT
    trace_id, span_id, min(at_us) AS at_us,
    length(arrayDistinct(arrayFlatten(groupArray(hits)))) / length(words) AS score
FROM
(
    SELECT arrayJoin(newest).1 AS trace_id, arrayJoin(newest).2 AS span_id, arrayJoin(newest).3 AS at_us, found_in(plain(text)) AS hits
    FROM
    (
        SELECT concat(toString(e.name), ' ', toString(e.agent), ' ', toString(e.error_type)) AS text,
            groupArraySorted({limit:UInt32})((-e.at, e.trace_id, e.span_id)) AS sorted,
            arrayMap(each -> (each.2, each.3, -each.1), sorted) AS newest
        FROM
        (
            SELECT if(c.request_model != '', c.request_model, c.response_model) AS name, c.agent AS agent, c.error_type AS error_type, toUnixTimestamp64Micro(c.ts) AS at, c.trace_id AS trace_id, c.span_id AS span_id
            FROM calls AS c WHERE c.ts >= since AND ({session:String} = '' OR c.session_id = {session:String})
            UNION ALL
            SELECT t.tool, t.agent, t.error_type, toUnixTimestamp64Micro(t.ts), t.trace_id, t.span_id FROM tools AS t WHERE t.ts >= since AND ({session:String} = '' OR t.session_id = {session:String})
            UNION ALL
            SELECT a.agent, '', a.error_type, toUnixTimestamp64Micro(a.ts), a.trace_id, a.span_id FROM agent_runs AS a WHERE a.ts >= since AND ({session:String} = '' OR a.session_id = {session:String})
        ) AS e
        GROUP BY e.name, e.agent, e.error_type
    )
    WHERE notEmpty(hits)
    UNION ALL
    SELECT f.trace_id, f.span_id, toUnixTimestamp64Micro(f.ts), found_in(plain(f.message)) AS hits
    FROM errors AS f WHERE f.ts >= since AND ({session:String} = '' OR f.session_id = {session:String}) AND notEmpty(hits)
    UNION ALL
    SELECT p.trace_id, p.span_id, toUnixTimestamp64Micro(p.ts), found_in(plain(p.content)) AS hits
    FROM content AS p
    WHERE p.ts >= since AND p.kind IN ('spanledger.command', 'gen_ai.tool.call.arguments', 'gen_ai.tool.call.result')
        -- Contents do not say whose they are; the actions of their trace do.
        AND ({session:String} = '' OR p.trace_id IN (SELECT trace_id FROM calls WHERE ts >= since AND session_id = {session:String} UNION ALL SELECT trace_id FROM tools WHERE ts >= since AND session_id = {session:String}))
        AND multiSearchAny(lowerUTF8(p.content), words) AND notEmpty(hits)
)
GROUP BY trace_id, span_id
ORDER BY score DESC, at_us DESC
LIMIT {limit:UInt32}
