-- How the sessions that a period touches ended: as they told, else as their last agent run did.
SELECT
    count() AS sessions,
    countIf(outcome = 1) AS successful,
    countIf(outcome = 2) AS failed,
    sum(cost) AS cost_usd,
    sumIf(cost, outcome = 2) AS failed_cost_usd
FROM
(
    SELECT
        s.cost_usd AS cost,
        multiIf(e.outcome > 0, e.outcome, r.outcome) AS outcome
    FROM sessions AS s
    LEFT JOIN
    (
        SELECT session_id, if(argMax(status, ts) IN ('success', 'completed'), 1, 2) AS outcome
        FROM session_ends
        WHERE ts >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
        GROUP BY session_id
    ) AS e ON e.session_id = s.session_id
    LEFT JOIN
    (
        SELECT session_id, if(argMax(status, ts) = 'Error', 2, 1) AS outcome
        FROM agent_runs
        WHERE ts >= fromUnixTimestamp64Micro(greatest({since_us:Int64} - 86400000000, 0), 'UTC') AND session_id != ''
        GROUP BY session_id
    ) AS r ON r.session_id = s.session_id
    WHERE s.last_call_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AND s.started_at < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
        AND (empty({agents:Array(String)}) OR s.agent IN {agents:Array(String)})
        AND (empty({users:Array(String)}) OR s.user_id IN {users:Array(String)})
        AND (empty({sessions:Array(String)}) OR s.session_id IN {sessions:Array(String)})
)
