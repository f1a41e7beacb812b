-- What stands out, the newest first.
SELECT a.at AS at, a.kind AS kind, a.scope AS scope, toString(a.name) AS name, toString(a.agent) AS agent,
    a.value AS value, a.usual AS usual, a.times AS times, a.reason AS reason
FROM anomalies AS a
WHERE (empty({kinds:Array(String)}) OR a.kind IN {kinds:Array(String)})
    AND ({by:String} = 'all' OR {by:String} = 'agent' AND a.agent = {name:String} OR {by:String} = 'session' AND a.scope = 'session' AND a.name = {name:String})
    AND a.at >= toDateTime({since_s:UInt32}, 'UTC') AND a.at < toDateTime({until_s:UInt32}, 'UTC')
ORDER BY at DESC, times DESC, kind, name
LIMIT {limit:UInt32}
