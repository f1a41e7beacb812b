-- Turn what is held into what was used. A reservation that was swept is corrected.
-- ARGV: base, epoch, id, record that the caller knows, amounts used, 'held' or 'charge',
--       ms until another process may tell the crossings, whether they are estimated ('1', '0', '').
-- 'charge': the reservation may have been admitted while the server was away; what is neither
-- open nor swept is charged too, once for each id.
local REMEMBER_S = 30 * 86400
if lost_epoch() then return {'epoch'} end
local id, how = ARGV[3], 'open'
local record = redis.call('HGET', open, id)
if not record then
  how = 'swept'
  record = redis.call('HGET', swept, id)
end
if not record and ARGV[6] == 'charge' then
  how = 'never'
  record = ARGV[4]
end
if not record then return {'gone'} end
if record ~= ARGV[4] then return {'stale', record} end
if ARGV[6] == 'charge' then
  if not redis.call('SET', base .. 'done:' .. id, 1, 'NX', 'EX', REMEMBER_S) then
    return {'gone'}
  end
end
local used = cjson.decode(ARGV[5])
local due_ms = now_ms() + tonumber(ARGV[7])
local reply = {'settled'}
for i, entry in ipairs(cjson.decode(record)) do
  local key = counter_key(entry[COUNTER])
  if how == 'open' then
    unhold(entry, key)
  elseif how == 'swept' then
    redis.call('HINCRBY', key, 'spent', minus(entry[AMOUNT]))
  else
    redis.call('ZADD', index, 0, entry[COUNTER])
  end
  charge(entry, key, used[i], reply, due_ms)
end
journal(id, how == 'swept' and 'corrected' or 'settled', record, ARGV[5], ARGV[8])
redis.call('HDEL', how == 'swept' and swept or open, id)
redis.call('ZREM', how == 'swept' and base .. 'tombs' or leases, id)
return reply
