-- Hold more on counters that a reservation holds, or none.
-- ARGV: base, epoch, id, record that the caller knows, entries to add, record to keep.
if lost_epoch() then return {'epoch'} end
local record = redis.call('HGET', open, ARGV[3])
if not record then return {'gone'} end
if record ~= ARGV[4] then return {'stale', record} end
local more = cjson.decode(ARGV[5])
local short = shortage(more)
if short then return short end
for _, entry in ipairs(more) do
  redis.call('HINCRBY', counter_key(entry[COUNTER]), 'reserved', entry[AMOUNT])
end
redis.call('HSET', open, ARGV[3], ARGV[6])
return {'held'}
