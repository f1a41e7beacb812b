-- The steps of each session in their order: kinds and names, for what usually comes next. The
-- newest sessions, and the last steps of each.
SELECT arraySlice(arrayMap(step -> (step.2, step.3), arraySort(groupArray((e.ts, e.kind, e.name)))), -{steps:Int32}) AS steps
FROM
(
    SELECT 'call' AS kind, toString(if(c.request_model != '', c.request_model, c.response_model)) AS name, if(c.session_id != '', c.session_id, c.trace_id) AS session, c.ts AS ts
    FROM calls AS c WHERE c.ts >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AND ({agent:String} = '' OR c.agent = {agent:String})
    UNION ALL
    SELECT 'tool', toString(t.tool), if(t.session_id != '', t.session_id, t.trace_id), t.ts
    FROM tools AS t WHERE t.ts >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AND ({agent:String} = '' OR t.agent = {agent:String})
) AS e
GROUP BY e.session
ORDER BY max(e.ts) DESC, e.session
LIMIT {sessions:UInt32}
