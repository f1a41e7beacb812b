-- The identity of this ledger's data. ARGV: base, epoch that the caller knows ('' for none),
-- epoch to make, 'begin' or 'accept'.
-- An empty server has none; it gets one only from a caller who knew none, or who accepts the loss.
-- A new epoch remembers which one it follows, so that others who knew that one may go on.
local key = base .. 'epoch'
local id = redis.call('HGET', key, 'id')
if id and (id == ARGV[2] or ARGV[2] == '') then return {'same', id} end
if id and redis.call('HEXISTS', key, 'after:' .. ARGV[2]) == 1 then return {'same', id} end
if ARGV[4] == 'accept' or (not id and ARGV[2] == '') then
  local new = id or ARGV[3]
  redis.call('HSET', key, 'id', new)
  if ARGV[2] ~= '' then redis.call('HSET', key, 'after:' .. ARGV[2], 1) end
  return {'made', new}
end
return {'lost'}
