-- Hold every entry of a reservation, or none and say which did not fit.
-- 'open': it is open already, and holds something else, which stays.
-- ARGV: base, epoch, id, record, lease in ms, 'hold' or 'look' (change nothing),
--       '1' to report last what is spent and reserved of each counter now.
if lost_epoch() then return {'epoch'} end
local MOST = '9223372036854775807'
local id, record = ARGV[3], ARGV[4]
local entries = cjson.decode(record)

local function with_report(reply)
  if ARGV[7] ~= '1' then return reply end
  local report = {}
  for i, entry in ipairs(entries) do
    local seen = redis.call('HMGET', counter_key(entry[COUNTER]), 'spent', 'reserved', 'tripped')
    local used = (tonumber(seen[1]) or 0) + (tonumber(seen[2]) or 0)
    -- Of a tripped counter nothing is left, whatever its limit is.
    report[i] = entry[TRIP] and seen[3] and MOST or string.format('%.0f', used)
  end
  reply[#reply + 1] = report
  return reply
end

local known = redis.call('HGET', open, id)
if known then return with_report({known == record and 'held' or 'open'}) end
local short = shortage(entries)
if short then return with_report(short) end
if ARGV[6] == 'look' then return with_report({'held'}) end
for _, entry in ipairs(entries) do
  local key = counter_key(entry[COUNTER])
  redis.call('HINCRBY', key, 'reserved', entry[AMOUNT])
  if redis.call('HINCRBY', key, 'holds', 1) == 1 then
    redis.call('ZADD', index, 0, entry[COUNTER])
  end
end
redis.call('HSET', open, id, record)
redis.call('ZADD', leases, now_ms() + tonumber(ARGV[5]), id)
return with_report({'held'})
