-- Set what is spent back to 0, tripped or not, for the counters of a rule, or of one of its values.
-- ARGV: base, epoch, prefix, offset, most. Reply: how many, where to go on or -1.
if lost_epoch() then return {'epoch'} end
local from, most = tonumber(ARGV[4]), tonumber(ARGV[5])
local found = redis.call(
  'ZRANGEBYLEX', index, '[' .. ARGV[3], '[' .. ARGV[3] .. '\255', 'LIMIT', from, most)
local entries, taken = {}, {}
for i, counter in ipairs(found) do
  local spent = redis.call('HGET', counter_key(counter), 'spent') or '0'
  -- No marks: not {}, which Lua would write as an object.
  entries[i] = {counter, 'calls', '', '0', '', '', 0}
  taken[i] = minus(spent)
  redis.call('HSET', counter_key(counter), 'spent', 0, 'told', 0)
  redis.call('HDEL', counter_key(counter), 'tripped')
end
if #found > 0 then
  journal('', 'reset', cjson.encode(entries), cjson.encode(taken), '')
end
return {'done', #found, #found == most and from + most or -1}
