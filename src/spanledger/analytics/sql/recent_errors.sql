-- The newest failures; what only passed one on is left out, so each is told once.
SELECT
    e.ts AS at, e.kind AS kind, e.service AS service, e.agent AS agent, e.session_id AS session,
    e.model AS model, e.tool AS tool, e.error_type AS error_type, e.message AS message,
    e.error_fingerprint AS error_group, e.error_id AS error_id, e.trace_id AS trace_id,
    e.span_id AS action_id
FROM errors AS e
WHERE e.ts >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
    AND ({agent:String} = '' OR e.agent = {agent:String})
    AND ({session:String} = '' OR e.session_id = {session:String})
ORDER BY e.ts DESC, e.error_fingerprint != '' DESC, e.trace_id, e.span_id
LIMIT 1 BY if(e.error_id != '', e.error_id, e.span_id)
LIMIT {limit:UInt32}
