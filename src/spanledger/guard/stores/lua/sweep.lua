-- Charge, in full, reservations whose lease has ended, and hand out crossings that nobody told.
-- ARGV: base, epoch, most to look at, 'tell' or 'keep', ms until they are handed out again.
local TOMB_MS = 30 * 86400 * 1000
if lost_epoch() then return {'epoch'} end
local now, most = now_ms(), tonumber(ARGV[3])
local late = redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, most)
for _, id in ipairs(late) do
  local record = redis.call('HGET', open, id)
  for _, entry in ipairs(cjson.decode(record)) do
    local key = counter_key(entry[COUNTER])
    unhold(entry, key)
    charge(entry, key, entry[AMOUNT], {}, now)
  end
  journal(id, 'expired', record, '', '1')
  redis.call('HSET', swept, id, record)
  redis.call('ZADD', base .. 'tombs', now, id)
  redis.call('HDEL', open, id)
  redis.call('ZREM', leases, id)
end
-- Nobody settles after so long a time: the full charge stands.
for _, id in ipairs(redis.call(
  'ZRANGEBYSCORE', base .. 'tombs', '-inf', now - TOMB_MS, 'LIMIT', 0, most)) do
  redis.call('HDEL', swept, id)
  redis.call('ZREM', base .. 'tombs', id)
end
local reply = {'swept', #late}
if ARGV[4] == 'tell' then
  local due = redis.call('ZRANGEBYSCORE', outbox, '-inf', now, 'LIMIT', 0, most)
  for _, crossing in ipairs(due) do
    redis.call('ZADD', outbox, now + tonumber(ARGV[5]), crossing)
    reply[#reply + 1] = crossing
  end
end
return reply
