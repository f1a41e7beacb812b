-- The hours that hold calls, tool calls or runs of a scope.
SELECT DISTINCT toUnixTimestamp(toStartOfHour(r.ts)) AS hour_s
FROM
(
    SELECT c.ts AS ts FROM calls AS c
    WHERE multiIf({by:String} = 'service', c.service, {by:String} = 'agent', c.agent, {by:String} = 'session', c.session_id, c.user_id) = {name:String}
    UNION ALL
    SELECT t.ts AS ts FROM tools AS t
    WHERE multiIf({by:String} = 'service', t.service, {by:String} = 'agent', t.agent, {by:String} = 'session', t.session_id, t.user_id) = {name:String}
    UNION ALL
    SELECT a.ts AS ts FROM agent_runs AS a
    WHERE multiIf({by:String} = 'service', a.service, {by:String} = 'agent', a.agent, {by:String} = 'session', a.session_id, a.user_id) = {name:String}
) AS r
ORDER BY hour_s
