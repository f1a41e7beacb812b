-- The users who called most, or one of them.
SELECT u.user_id AS name
FROM users_daily AS u
WHERE {every:Bool} OR u.user_id = {name:String}
GROUP BY name
ORDER BY sum(u.calls) DESC, name
LIMIT {limit:UInt32}
