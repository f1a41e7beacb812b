-- A small table of names: rules made at run time, forced breakers.
-- ARGV: base, epoch, table, then nothing (read all), a name (remove) or a name and a value (put).
if lost_epoch() then return {'epoch'} end
local key = base .. ARGV[3]
if #ARGV == 3 then return redis.call('HGETALL', key) end
if #ARGV == 4 then
  redis.call('HDEL', key, ARGV[4])
else
  redis.call('HSET', key, ARGV[4], ARGV[5])
end
return {}
