-- Drop counters of a rule's windows that began before, if nothing open holds them.
-- ARGV: base, epoch, rule prefix, window start, offset, most. Reply: where to go on, or -1.
if lost_epoch() then return {'epoch'} end
local from, most = tonumber(ARGV[5]), tonumber(ARGV[6])
local found = redis.call(
  'ZRANGEBYLEX', index, '[' .. ARGV[3], '[' .. ARGV[3] .. '\255', 'LIMIT', from, most)
local kept = 0
for _, counter in ipairs(found) do
  local key = counter_key(counter)
  local start = tonumber(string.match(counter, ',(-?%d+),"[^"]*"%]$'))
  if start < tonumber(ARGV[4]) and (tonumber(redis.call('HGET', key, 'holds')) or 0) <= 0 then
    redis.call('DEL', key)
    redis.call('ZREM', index, counter)
  else
    kept = kept + 1
  end
end
if #found == most then return {'done', from + kept} end
-- What was charged in full on a counter that is gone can't be corrected any more.
local all = redis.call('HGETALL', swept)
for i = 1, #all, 2 do
  for _, entry in ipairs(cjson.decode(all[i + 1])) do
    if redis.call('EXISTS', counter_key(entry[COUNTER])) == 0 then
      redis.call('HDEL', swept, all[i])
      redis.call('ZREM', base .. 'tombs', all[i])
    end
  end
end
return {'done', -1}
