-- Trip the counter that had no room for a demand, if there still is none.
-- ARGV: base, epoch, a list of one entry, when (epoch seconds), ms until another process may tell it.
-- Reply: 1 and the crossing to tell, or 0.
local TRIPPED = '-1'
if lost_epoch() then return {'epoch'} end
local entry = cjson.decode(ARGV[3])[1]
local limit, asked = entry[LIMIT], entry[AMOUNT]
local key = counter_key(entry[COUNTER])
local seen = redis.call('HMGET', key, 'spent', 'reserved', 'tripped')
local spent, reserved = seen[1] or '0', seen[2] or '0'
if not entry[TRIP] or limit == '' or seen[3] or not exceeds(limit, spent, reserved, asked) then
  return {'done', 0}
end
local trip = table.concat({ARGV[4], limit, spent, reserved, asked}, ',')
redis.call('HSET', key, 'tripped', '[' .. trip .. ']')
redis.call('ZADD', index, 0, entry[COUNTER])
local crossing = cjson.encode({entry[COUNTER], entry[METRIC], TRIPPED, spent})
redis.call('ZADD', outbox, now_ms() + tonumber(ARGV[5]), crossing)
return {'done', 1, crossing}
