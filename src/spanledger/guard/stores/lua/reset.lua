-- Set what is spent back to 0 for the counters of a rule, or of one of its values.
-- ARGV: base, epoch, prefix, offset, most. Reply: how many, where to go on or -1.
if lost_epoch() then return {'epoch'} end
local from, most = tonumber(ARGV[4]), tonumber(ARGV[5])
local found = redis.call(
  'ZRANGEBYLEX', index, '[' .. ARGV[3], '[' .. ARGV[3] .. '\255', 'LIMIT', from, most)
for _, counter in ipairs(found) do
  redis.call('HSET', counter_key(counter), 'spent', 0, 'told', 0)
end
return {'done', #found, #found == most and from + most or -1}
