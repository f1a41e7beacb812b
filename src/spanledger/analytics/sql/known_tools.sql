-- The tools that were called most, or one of them.
SELECT toString(t.tool) AS name
FROM tools AS t
WHERE name != '' AND ({every:Bool} OR name = {name:String})
GROUP BY name
ORDER BY count() DESC, name
LIMIT {limit:UInt32}
