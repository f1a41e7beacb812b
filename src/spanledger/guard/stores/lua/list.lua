-- Counters of which the name begins with a prefix: name, spent, reserved, told, trip.
-- ARGV: base, epoch, prefix, offset, most.
if lost_epoch() then return {'epoch'} end
local reply = {'done'}
local found = redis.call(
  'ZRANGEBYLEX', index, '[' .. ARGV[3], '[' .. ARGV[3] .. '\255',
  'LIMIT', tonumber(ARGV[4]), tonumber(ARGV[5]))
for _, counter in ipairs(found) do
  local seen = redis.call('HMGET', counter_key(counter), 'spent', 'reserved', 'told', 'tripped')
  reply[#reply + 1] = {counter, seen[1] or '0', seen[2] or '0', seen[3] or '0', seen[4] or ''}
end
return reply
