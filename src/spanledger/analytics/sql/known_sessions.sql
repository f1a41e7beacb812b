-- The latest sessions, or one of them.
SELECT s.session_id AS name
FROM sessions AS s
WHERE {every:Bool} OR s.session_id = {name:String}
ORDER BY s.last_call_at DESC, name
LIMIT {limit:UInt32}
